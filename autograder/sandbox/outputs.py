"""What a cell showed, rebuilt from what the sandbox claims: known kinds, plain text and PNG images, within bounds."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

MOST = 1000
_ROOM = 30_000
"""What a traceback may take beyond the bound, so that it is always there."""
_LINES = 200
"""Of one traceback: each takes room in a notebook, however short it is."""
TEXT = 2_000_000
"""Bytes of JSON that the texts of all outputs of a submission may take."""
IMAGES = 5_000_000
"""The same of its images."""
MESSAGES = 200
"""Cells of a submission whose messages are kept."""
MESSAGE = 1200
FULL = "This notebook showed more than is kept; outputs from here on are left out.\n"
_COLOUR = re.compile(r"\x1b\[[0-9;:?]{0,40}[@-~]")
_CONTROL = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_PNG = b"\x89PNG\r\n\x1a\n"


class Room:
    """What the outputs of a whole submission may still take.

    Args:
        text: bytes of JSON.
        images: bytes of base64.
        messages: how many cells may have one.
    """

    def __init__(self, text: int = TEXT, images: int = IMAGES, messages: int = MESSAGES) -> None:
        self._text, self._images, self._messages = text, images, messages
        self._told = False

    def keep(self, shown: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        """Those outputs that there is room for; where the first is left out, one sentence stands in its place."""
        kept = [one for one in shown if self._take(one)]
        if len(kept) < len(shown) and not self._told:
            self._told = True
            kept.append({"output_type": "stream", "name": "stderr", "text": FULL})
        return tuple(kept)

    def message(self, sentence: str) -> str:
        """A cell's message, or what is said in its place when many others had one before."""
        if not sentence:
            return ""
        self._messages -= 1
        return plain(sentence)[:MESSAGE] if self._messages >= 0 else "This cell did not come to its end."

    def _take(self, one: Mapping[str, Any]) -> bool:
        image = len(one.get("data", {}).get("image/png", ""))
        # Indentation in a notebook takes a little for each line of it.
        text = len(json.dumps(one, ensure_ascii=False).encode("utf-8", "replace")) - image
        text += 64 + 10 * len(one.get("traceback", ())) + 10 * one.get("text", "").count("\n")
        if text > self._text or image > self._images:
            return False
        self._text, self._images = self._text - text, self._images - image
        return True


def plain(text: str) -> str:
    """A text without colours and control characters, of which each would be six bytes in JSON.

    As on a terminal, what is written after a carriage return replaces the line.
    """
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    text = _COLOUR.sub("", text).translate(_CONTROL)
    return text.encode("utf-8", "replace").decode("utf-8")


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
    return {"output_type": "stream", "name": str(name), "text": plain(text)}


def _display(one: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    given = one.get("data")
    data = {}
    if type(given) is dict:
        if type(given.get("text/plain")) is str:
            data["text/plain"] = plain(given["text/plain"])
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
    kept = [plain(line) for line in lines[:_LINES] if type(line) is str]
    return {"output_type": "error", "ename": plain(name)[:200], "evalue": plain(value), "traceback": kept}


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
