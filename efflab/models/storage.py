"""Reading and writing files of tensors: safetensors, and torch's own with ``weights_only=True``; nothing is unpickled freely."""

import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from efflab.errors import CheckpointError
from efflab.files import atomic_path

_ZIP = b"PK\x03\x04"


def read(path: str | os.PathLike[str]) -> Any:
    """Read a file of tensors, on the CPU; its content, not its name, says which format it has.

    Args:
        path: safetensors, or what ``torch.save`` wrote.

    Returns:
        A dictionary of tensors for safetensors; for torch whatever was saved, of tensors and plain values.

    Raises:
        CheckpointError: no such file, damaged, neither format, or holding code instead of tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no file of weights at {path}")
    with path.open("rb") as stream:
        start = stream.read(9)
    if start[8:9] == b"{":
        return _read_safetensors(path)
    if start.startswith(_ZIP):
        _check_archive(path)
    return _read_torch(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (
        safetensors.SafetensorError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise CheckpointError(f"{path} is a damaged safetensors file: {_first_line(error)}") from error


def _check_archive(path: Path) -> None:
    """Compare every member with its CRC, which torch's own reader leaves out, and refuse compressed ones (zip bombs)."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist())
            broken = None if packed else archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short: {_first_line(error)}") from error
    if packed:
        raise CheckpointError(f"{path} is a compressed archive, which torch.save does not write")
    if broken is not None:
        raise CheckpointError(f"{path} is damaged: {broken} does not match its checksum")


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # torch doubts files of other pickle protocols; whether one can be read shows at once.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged, or holds more than tensors and plain values, and was not read"
        ) from error
    except Exception as error:  # the unpickler of a damaged file can fail in any way
        raise CheckpointError(f"{path} is not a readable file of weights: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def write_safetensors(tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> Path:
    """Write tensors as safetensors, all of the file or none of it.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full.
    """
    with atomic_path(path) as temporary:
        try:
            safetensors.torch.save_file(dict(tensors), temporary, metadata={"format": "pt"})
        except safetensors.SafetensorError as error:
            raise OSError(f"{path} could not be written: {_first_line(error)}") from error
    return Path(path)


def write_torch(content: object, path: str | os.PathLike[str]) -> Path:
    """Write with ``torch.save``, all of the file or none of it.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full.
    """
    with atomic_path(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:
            raise OSError(f"{path} could not be written (is the disk full?): {_first_line(error)}") from error
    return Path(path)
