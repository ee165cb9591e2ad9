"""The passport's network itself: its weights go from lab to lab beside the passport's figures."""

from pathlib import Path
from typing import Any

from efflab.files import write_atomic
from efflab.lab.cards import notice
from efflab.lab.folder import student_folder

REFERENCE = Path(__file__).with_name("reference_network.safetensors")


def network_path(lab: str) -> Path:
    """Where the weights that a lab left behind lie in the student's folder."""
    return student_folder() / f"passport-{lab}.safetensors"


def keep_network(model: Any, lab: Any) -> Path | None:
    """Keep the passport network's weights for the labs that follow.

    Args:
        model: an ``efflab.models.passport()``.
        lab: the lab, or its name.

    Returns:
        The file, or None where the folder cannot be written (a notice says so).
    """
    from efflab import models  # noqa: PLC0415 - brings torch

    target = network_path(getattr(lab, "name", lab))
    try:
        models.save_weights(model, target)
    except OSError as error:
        notice(
            f"{target} cannot be written ({error.strerror}): the next lab begins from the shipped network."
        )
        return None
    return target


def load_network(lab: Any) -> Any:
    """The passport network as a lab left it; where the lab was not done a shipped one, with a notice.

    What is shipped is the network that the solved lab leaves, or, where none of it is shipped, the dense one.

    Args:
        lab: the lab that left it, or its name, ``"00-measuring"``.

    Returns:
        The network in evaluation mode; None where it was never kept and none is shipped.

    Raises:
        CheckpointError: the kept file is damaged or holds another network.
    """
    from efflab import models  # noqa: PLC0415 - brings torch

    name = getattr(lab, "name", lab)
    source = network_path(name)
    if not source.exists():
        shipped = [file for file in (shipped_path(name), REFERENCE) if file.exists()]
        if not shipped:
            return None
        source = shipped[0]
        notice(f"Lab {name} left no passport network here: the shipped one stands in for it.")
    model = models.passport()
    models.load_weights(model, source)
    return model.eval()


def shipped_path(lab: str) -> Path:
    """Where the network that the solved lab leaves is shipped, if it is; that of lab 00 is the dense one."""
    return REFERENCE if lab.startswith("00-") else REFERENCE.with_name(f"reference_network-{lab}.safetensors")


def make_reference_network(lab: str = "00-measuring") -> Path:
    """Make the network that a lab left here the shipped one (for maintainers, after running the solved labs)."""
    return write_atomic(shipped_path(lab), network_path(lab).read_bytes())
