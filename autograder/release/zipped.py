"""The bundle as a zip: the same bytes for the same content, whenever and wherever it is made."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from efflab.files import write_atomic

TOP = "efflab-course"
"""The folder that unpacking makes."""
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def pack(files: Mapping[str, bytes]) -> bytes:
    """The zip's bytes.

    Args:
        files: content by path.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{TOP}/{path}", _DATE)
            entry.compress_type, entry.create_system, entry.external_attr = (
                zipfile.ZIP_DEFLATED,
                _UNIX,
                0o644 << 16,
            )
            archive.writestr(entry, content, compresslevel=9)
    return buffer.getvalue()


def write(files: Mapping[str, bytes], path: Path) -> Path:
    """Write the zip.

    Returns:
        Its path.
    """
    return write_atomic(path, pack(files))
