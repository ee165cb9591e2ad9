"""Pruning: learn which connections matter, drop the others, retrain the rest.

Source: S. Han, J. Pool, J. Tran, W. Dally, "Learning both Weights and Connections for Efficient Neural Networks",
NIPS 2015, arXiv:1506.02626. Channel and N:M pruning are later developments, cited where they stand.

>>> import torch
>>> from efflab import pruning
>>> model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
>>> pruner = pruning.prune_(model, pruning.Magnitude(0.75))
>>> _ = pruner.attach(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
>>> pruning.sparsity(model)
0.75
"""

from efflab.pruning.channels import remove_channels
from efflab.pruning.checkpoints import load_masked_state_dict, to_torch_prune_state_dict
from efflab.pruning.configs import NM, Channel, Magnitude, Quality
from efflab.pruning.dead import DeadNeurons, remove_dead_neurons, zero_dead_neurons_
from efflab.pruning.dropin import (
    CustomFromMask,
    L1Unstructured,
    LnStructured,
    RandomStructured,
    RandomUnstructured,
    custom_from_mask,
    global_unstructured,
    identity,
    is_pruned,
    l1_unstructured,
    ln_structured,
    random_structured,
    random_unstructured,
    remove,
)
from efflab.pruning.dropout import adjust_dropout_, restore_dropout_
from efflab.pruning.layers import is_prunable, prunable_layers, sparsity
from efflab.pruning.masks import (
    channel_mask,
    dropout_rate,
    global_masks,
    magnitude_mask,
    magnitude_threshold,
    n_m_mask,
    quality_mask,
    quality_threshold,
)
from efflab.pruning.pruner import Pruner, prune_
from efflab.pruning.report import LayerWeights, PruningReport, Round
from efflab.pruning.retrain import prune_and_retrain
from efflab.pruning.schedules import Constant, Cubic, Linear, Schedule, Steps
from efflab.pruning.sensitivity import SensitivityScan, sensitivity_scan

__all__ = [
    "NM",
    "Channel",
    "Constant",
    "Cubic",
    "CustomFromMask",
    "DeadNeurons",
    "L1Unstructured",
    "LayerWeights",
    "Linear",
    "LnStructured",
    "Magnitude",
    "Pruner",
    "PruningReport",
    "Quality",
    "RandomStructured",
    "RandomUnstructured",
    "Round",
    "Schedule",
    "SensitivityScan",
    "Steps",
    "adjust_dropout_",
    "channel_mask",
    "custom_from_mask",
    "dropout_rate",
    "global_masks",
    "global_unstructured",
    "identity",
    "is_prunable",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "load_masked_state_dict",
    "magnitude_mask",
    "magnitude_threshold",
    "n_m_mask",
    "prunable_layers",
    "prune_",
    "prune_and_retrain",
    "quality_mask",
    "quality_threshold",
    "random_structured",
    "random_unstructured",
    "remove",
    "remove_channels",
    "remove_dead_neurons",
    "restore_dropout_",
    "sensitivity_scan",
    "sparsity",
    "to_torch_prune_state_dict",
    "zero_dead_neurons_",
]
