"""Compiled loops can be compiled ahead: afterwards the public functions compile nothing more."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sandboxed import job, printed

import efflab
from autograder.job import Cell
from autograder.sandbox.bwrap import BwrapSandbox
from autograder.sandbox.runner import grade

PACKAGES = sorted(path.parent.name for path in Path(efflab.__file__).parent.glob("*/_kernels.py"))
COUNT = """
import importlib, pathlib, sys, tempfile
import numpy as np, torch
from numba.core.dispatcher import Dispatcher

def compiled(package):
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(f"efflab.{package}."):
            for key, value in vars(module).items():
                if isinstance(value, Dispatcher) and value.py_func.__module__ == name:
                    found[f"{name}.{key}"] = len(value.signatures)
    return found

package = sys.argv[1]
importlib.import_module(f"efflab.{package}._kernels").precompile()
before = compiled(package)
"""
PRUNING = """
from efflab import pruning
model = torch.nn.Sequential(torch.nn.Linear(1100, 1000), torch.nn.Linear(1000, 900))
pruner = pruning.prune_(model, pruning.Magnitude(0.9))
pruner.apply()
pruner.finalize()
pruning.magnitude_mask(torch.ones(1 << 21), 0.5)
pruning.prune_(torch.nn.Linear(150, 120), pruning.Quality(1.0)).apply()
"""
SPARSE = """
from efflab import sparse
for kind in ("f2", "f4", "f8", "u1", "i4", "?"):
    array = (np.arange(1 << 15) % 7 == 0).astype(kind)
    for bits in (3, 8, 12):
        assert (sparse.to_relative(array, bits).dense() == array).all()
gaps, _ = sparse.relative_index([1, 5, 90], 4)
sparse.absolute_index(gaps)
sparse.RelativeCSC.from_dense(np.eye(200, dtype=np.float32)).dense()
"""
QUANTIZATION = """
from efflab import quantization
for kind in (torch.float32, torch.float64):
    weights = torch.randn(600, 500, generator=torch.Generator().manual_seed(0)).to(kind)
    for k in (4, 256, 1000):
        centroids = quantization.optimal_centroids(weights, k)
        quantization.assign(weights, centroids)
    layer = torch.nn.Linear(300, 200, dtype=kind)
    sharing = quantization.share_weights_(layer, quantization.KMeans(bits=4))
    layer(torch.ones(1, 300, dtype=kind)).sum().backward()
    sharing.finalize()
quantization.kmeans(np.arange(50.0), 5)
"""
HUFFMAN = """
from efflab import huffman
for size in (2, 40, 256, 1000):
    for many in (10, 5000, 300_000):
        symbols = np.random.default_rng(0).geometric(0.2, many).clip(1, size) - 1
        symbols = symbols.astype(np.uint8 if size <= 256 else np.uint16)
        counts = huffman.symbol_counts(symbols, size)
        for limit in (None, 12):
            code = huffman.HuffmanCode(huffman.code_lengths(counts, limit))
            for streams in (1, 4, 5):
                assert (code.decode(code.encode(symbols, streams), many, streams) == symbols).all()
            huffman.unpack_lengths(huffman.pack_lengths(code.lengths), size)
"""
EFZ = """
from efflab import efz
def coarse(*shape, kind=torch.float32, keep=1.0):
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return ((weights * 8).round() / 8 * (torch.rand(shape) < keep)).to(kind)
with tempfile.TemporaryDirectory() as folder:
    for kind in (torch.float16, torch.float32, torch.float64, torch.int8):
        for keep in (1.0, 0.1, 0.001):
            state = {"tall": coarse(900, 40, kind=kind, keep=keep), "wide": coarse(40, 900, kind=kind, keep=keep)}
            state["blocks"] = torch.block_diag(*[torch.ones(30, 30)] * 9).to(kind)
            efz.save(state, f"{folder}/a.efz")
            found = efz.load(f"{folder}/a.efz")
            assert all(torch.equal(found[name], value) for name, value in state.items())
"""
DEEP_COMPRESSION = """
from efflab import deep_compression, efz
with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
    for levels in (5, 30, 600):
        for keep in (1.0, 0.2):
            layer = torch.nn.Linear(400, 300)
            weight = (torch.rand(300, 400) * levels).ceil() / levels * (torch.rand(300, 400) < keep)
            layer.weight.data.copy_(weight)
            efz.save(torch.nn.Sequential(layer), f"{folder}/a.efz")
            loaded, model = (torch.nn.Sequential(torch.nn.Linear(400, 300)) for _ in range(2))
            deep_compression.load_packed(f"{folder}/a.efz", loaded)
            model[0].load_state_dict(layer.state_dict())
            deep_compression.pack_(model)
            for packed in (model, loaded):
                assert torch.equal(packed[0].weight, weight)
                for batch in (1, 8):
                    packed(torch.ones(batch, 400))
"""
EIE = """
from efflab import eie
for precision in ("int8", "int16", "int32", "float32"):
    for machine in (eie.Machine(precision=precision), eie.Machine(pes=4, fifo=1, precision=precision, bypass=False)):
        layer = eie.encode(np.eye(300), machine, bias=np.ones(300), relu=True)
        for engine in ("event", "cycle"):
            eie.simulate(layer, np.arange(300.0), engine=engine)
        eie.trace(layer, np.ones(300)).table()
        layer.csc.dense()
eie.simulate(eie.draw(300, 200, 0.1), eie.draw_active(200, 0.5), eie.Machine(pes=256))
"""
ESE = """
from efflab import ese
for sparsity in (0.0, 0.5, 0.9):
    ese.balanced_mask(torch.randn(1000, 512), sparsity, 32)
"""
CALLS = {
    "eie": EIE,
    "ese": ESE,
    "pruning": PRUNING,
    "sparse": SPARSE,
    "quantization": QUANTIZATION,
    "huffman": HUFFMAN,
    "efz": EFZ,
    "deep_compression": DEEP_COMPRESSION,
}
CHECK = """
more = {name: count for name, count in compiled(package).items() if count != before.get(name, 0)}
assert not more, f"compiled only now: {more}, of {before}"
assert sum(before.values())
"""


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_compiled_ahead_is_all_that_public_functions_need(package):
    done = subprocess.run(
        [sys.executable, "-c", COUNT + CALLS[package] + CHECK, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


LOOK = """
import json, torch
from efflab import sparse
from efflab.sparse import _kernels
before = len(_kernels.relative.signatures), len(_kernels.scatter.signatures)
sparse.to_relative(torch.ones(1 << 15).numpy(), 4).dense()
print(json.dumps([before, (len(_kernels.relative.signatures), len(_kernels.scatter.signatures))]))
"""


@pytest.mark.slow
def test_a_student_waits_for_no_compiler_where_the_lab_imports_the_package(bwrap):
    student = job(LOOK)
    lab = replace(student, cells=(Cell("given", "from efflab import sparse", "given"), *student.cells))
    with BwrapSandbox() as sandbox:
        outcomes = [grade(one, (), sandbox) for one in (student, lab)]
    assert [json.loads(printed(one, -1)) for one in outcomes] == [[[0, 0], [1, 1]], [[4, 4], [4, 4]]]
