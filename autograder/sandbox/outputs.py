"""What a cell showed, rebuilt from what the sandbox claims: known kinds, plain text and PNG images, within bounds."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

MOST = 1000
_ROOM = 30_000
"""What a traceback may take beyond the bound, so that it is always there."""
_LINES = 200
"""Of one traceback: each takes room in a notebook, however short it is."""
_PNG = b"\x89PNG\r\n\x1a\n"


def clean(claimed: Any, size: int) -> tuple[Mapping[str, Any], ...]:
    """Outputs as nbformat has them.

    Args:
        claimed: what came from the sandbox, which may be anything that the wire carries.
        size: bytes that all of them may take together.

    Returns:
        Those that are well formed, in order, until the bound is reached.
    """
    kept: list[Mapping[str, Any]] = []
    left = size + _ROOM
    for one in claimed[:MOST] if type(claimed) is list else ():
        output = _clean(one) if type(one) is dict else None
        if output is None:
            continue
        left -= _size(output)
        if left < 0:
            break
        kept.append(output)
    return tuple(kept)


def _clean(one: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    kinds: dict[str, Callable[[Mapping[Any, Any]], Mapping[str, Any] | None]] = {
        "stream": _stream,
        "display_data": _display,
        "execute_result": _result,
        "error": _error,
    }
    kind = one.get("output_type")
    return kinds[kind](one) if type(kind) is str and kind in kinds else None


def _stream(one: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    name, text = one.get("name"), one.get("text")
    if name not in ("stdout", "stderr") or type(text) is not str:
        return None
    return {"output_type": "stream", "name": str(name), "text": text}


def _display(one: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    given = one.get("data")
    data = {}
    if type(given) is dict:
        if type(given.get("text/plain")) is str:
            data["text/plain"] = given["text/plain"]
        if _is_png(given.get("image/png")):
            data["image/png"] = given["image/png"]
    return {"output_type": "display_data", "data": data, "metadata": {}} if data else None


def _result(one: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    shown = _display(one)
    count = one.get("execution_count")
    if shown is None or type(count) is not int or not 0 <= count < 2**31:
        return None
    return {**shown, "output_type": "execute_result", "execution_count": count}


def _error(one: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    name, value, lines = one.get("ename"), one.get("evalue"), one.get("traceback")
    if type(name) is not str or type(value) is not str or type(lines) is not list:
        return None
    kept = [line for line in lines[:_LINES] if type(line) is str]
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": kept}


def _is_png(value: Any) -> bool:
    if type(value) is not str:
        return False
    try:
        return base64.b64decode(value, validate=True).startswith(_PNG)
    except (ValueError, binascii.Error):
        return False


def _size(output: Mapping[str, Any]) -> int:
    """Characters of all texts in it, and a little for each."""
    texts = [*output.get("traceback", ()), *output.get("data", {}).values()]
    texts += [output.get(key, "") for key in ("text", "ename", "evalue")]
    return sum(len(text.encode("utf-8", "replace")) for text in texts) + 64
