"""The finished stages of a run, kept in a folder: tensors as safetensors, all else as JSON, each written whole or not at all."""

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from efflab.errors import CheckpointError
from efflab.files import write_atomic
from efflab.models import load_weights, save_weights

KIND = "efflab.deep_compression"
_FORMAT = 1
_CHUNK_BYTES = 2**20
_OWN_NAME = re.compile(r"run\.json|\d+-(dense|prune|share|tune)\.(json|safetensors|pt(\.round\d+)?)")


class Stages:
    """The stages of one run; nothing is kept where ``folder`` is None.

    Args:
        folder: made where it is missing.
        settings: by which the run is known again, as plain data.
        resume: whether to go on with what the folder holds, or to drop it.

    Raises:
        CheckpointError: the folder holds another run, or is none.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = folder
        if folder is None:
            return
        if folder.exists() and not folder.is_dir():
            raise CheckpointError(f"checkpoint {folder} is a file, expected a folder of its own for the run")
        folder.mkdir(parents=True, exist_ok=True)
        plain = json.loads(json.dumps(settings))
        found = self._run() if resume else None
        if found is None:
            for path in _own_files(folder):
                path.unlink(missing_ok=True)
            self._write("run.json", {"kind": KIND, "format": _FORMAT, "settings": plain})
            return
        changed = [key for key in plain if found["settings"].get(key) != plain[key]]
        if changed:
            raise CheckpointError(
                f"{folder} keeps a run with another {', '.join(changed)}; give another checkpoint, or resume=False"
            )

    def training(self, name: str) -> Path | None:
        """Name the file that keeps a training under way."""
        return None if self.folder is None else self.folder / f"{name}.pt"

    def finished(self, name: str) -> bool:
        """Tell whether a stage is kept."""
        return self.folder is not None and (self.folder / f"{name}.json").exists()

    def load(self, name: str, model: nn.Module) -> dict[str, Any] | None:
        """Give a finished stage back.

        Args:
            name: of the stage.
            model: takes the stage's tensors; unchanged where the stage is not finished.

        Returns:
            What was kept beside the tensors; None where the stage is not finished.

        Raises:
            CheckpointError: the stage is damaged, or of another model.
        """
        content = self.content(name)
        if content is not None and self.folder is not None:
            load_weights(model, self.folder / f"{name}.safetensors")
        return content

    def content(self, name: str) -> dict[str, Any] | None:
        """Give back what was kept beside a finished stage's tensors; None where it is not finished.

        Raises:
            CheckpointError: the stage is damaged.
        """
        if self.folder is None or not self.finished(name):
            return None
        held = self._read(f"{name}.json")
        tensors = self.folder / f"{name}.safetensors"
        if not tensors.is_file() or _checksum(tensors) != held.get("crc32"):
            raise CheckpointError(f"{tensors} is not what its stage wrote: start afresh with resume=False")
        content: dict[str, Any] = held["content"]
        return content

    def save(self, name: str, model: nn.Module, content: Mapping[str, Any]) -> None:
        """Keep a finished stage: first its tensors, then what makes it count as finished; then drop its training."""
        if self.folder is None:
            return
        tensors = save_weights(model, self.folder / f"{name}.safetensors")
        self._write(f"{name}.json", {"crc32": _checksum(tensors), "content": dict(content)})
        for path in self.folder.glob(f"{name}.pt*"):
            path.unlink(missing_ok=True)

    def _run(self) -> dict[str, Any] | None:
        assert self.folder is not None
        if not (self.folder / "run.json").exists():
            if any(_own_files(self.folder)):
                raise CheckpointError(
                    f"{self.folder} holds stages without their run.json: start afresh with resume=False"
                )
            return None
        held = self._read("run.json")
        if held.get("kind") != KIND or held.get("format") != _FORMAT or "settings" not in held:
            raise CheckpointError(f"{self.folder} keeps no run of compress_; give another checkpoint")
        return held

    def _read(self, name: str) -> dict[str, Any]:
        assert self.folder is not None
        path = self.folder / name
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise CheckpointError(f"{path} is damaged: start afresh with resume=False") from error
        if not isinstance(held, dict):
            raise CheckpointError(f"{path} is damaged: start afresh with resume=False")
        return held

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        assert self.folder is not None
        write_atomic(self.folder / name, json.dumps(content, indent=1))


def drop(folder: Path) -> None:
    """Remove a run that is not needed any more; a folder that holds other things stays, with these."""
    if not folder.is_dir():
        return
    for path in _own_files(folder):
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _own_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if _OWN_NAME.fullmatch(path.name)]


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            value = zlib.crc32(chunk, value)
    return value


def bytes_of(state: Mapping[str, Tensor]) -> int:
    """Bytes of all tensors of a state dict, those that several names share counted once."""
    seen = {
        (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else (name,): tensor.nbytes
        for name, tensor in state.items()
    }
    return sum(seen.values())
