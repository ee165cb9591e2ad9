"""Which build of PyTorch a machine gets."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_WHEEL_BYTES = 300e6  # CPU builds are below 250 MB, CUDA builds above 500 MB


class SetupError(Exception):
    """The environment cannot be made; the message is one sentence for the person at the keyboard."""


def has_nvidia_gpu(proc: Path = Path("/proc/driver/nvidia/gpus")) -> bool:
    """Whether the driver knows a GPU."""
    if proc.is_dir() and any(proc.iterdir()):
        return True
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and "GPU" in answer.stdout


def is_cpu_build(report: dict[str, object]) -> bool:
    """Whether pip's installation report names a CPU build of torch: by its local tag, else by what it requires."""
    for item in report.get("install", ()):  # type: ignore[attr-defined] # JSON
        metadata = item.get("metadata", {})
        if metadata.get("name", "").lower() != "torch":
            continue
        tag = metadata.get("version", "").partition("+")[2]
        if tag:
            return bool(tag == "cpu")
        needs = metadata.get("requires_dist") or []
        return not any(re.match(r"(nvidia|cuda|pytorch-triton|triton)\b", need.lower()) for need in needs)
    return False


def is_cuda_download(line: str) -> bool:
    """Whether a line of pip's output announces a wheel of torch that is too large for a CPU build."""
    found = re.search(r"Downloading \S*torch-\S+\.whl \(([\d.]+) ([kMG])B\)", line)
    if not found:
        return False
    return float(found[1]) * {"k": 1e3, "M": 1e6, "G": 1e9}[found[2]] > CUDA_WHEEL_BYTES


@dataclass(frozen=True)
class TorchChoice:
    """A build of PyTorch: ``cpu`` or ``default``, the reason, and pip's extra arguments to get it."""

    build: str
    why: str
    pip: tuple[str, ...] = ()


def choose_torch(
    system: str, gpu: Callable[[], bool], offers_cpu: Callable[[], bool], override: str = ""
) -> TorchChoice:
    """Choose the build for a machine.

    Args:
        system: ``platform.system()``.
        gpu: whether there is an NVIDIA GPU; asked only where it matters.
        offers_cpu: whether pip's own configuration offers a CPU build; asked only where it matters.
        override: the value of ``EFFLAB_TORCH``.

    Raises:
        SetupError: ``EFFLAB_TORCH`` is neither ``cpu`` nor ``default``.
    """
    if override not in {"", "cpu", "default"}:
        raise SetupError(f"EFFLAB_TORCH is {override!r}; it can be `cpu` or `default`.")
    if override == "default":
        return TorchChoice("default", "EFFLAB_TORCH=default")
    if system != "Linux":
        return TorchChoice("cpu" if override else "default", f"pip's default on {system} has no CUDA")
    if not override and gpu():
        return TorchChoice("default", "there is an NVIDIA GPU")
    why = "EFFLAB_TORCH=cpu" if override else "there is no NVIDIA GPU"
    if offers_cpu():
        return TorchChoice("cpu", f"{why}; pip's own configuration offers a CPU build")
    return TorchChoice("cpu", f"{why}; CPU build from {CPU_INDEX}", ("--index-url", CPU_INDEX))


def torch_requirement(root: Path) -> str:
    """The requirement on torch: exactly as locked, else as in ``pyproject.toml``."""
    lock = root / "requirements.lock"
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    if found := re.search(r"^torch==([\w.]+)", text, re.MULTILINE):
        return f"torch=={found[1]}"
    found = re.search(r'"(torch[^"\[]*)"', (root / "pyproject.toml").read_text(encoding="utf-8"))
    return found[1] if found else "torch"


def has_torch(packages: Path, requirement: str) -> bool:
    """Whether site-packages hold a torch that meets an exact requirement (any torch where it is not exact)."""
    version = requirement.partition("==")[2]
    found = [info.stem.partition("-")[2] for info in packages.glob("torch-*.dist-info")]
    return any(not version or name.partition("+")[0] == version for name in found)
