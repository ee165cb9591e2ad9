"""Fingerprints of code and prose that survive renaming and reformatting.

Code becomes a sequence of tokens without comments, white space, brackets, commas and text literals; a sequence is cut
into windows, and within a window every name that a person chose is replaced by the order of its first appearance.
Keywords, builtins, attribute names and numbers stay, since a copy cannot change them. Prose becomes windows of words.
"""

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

WINDOW = 24
"""Tokens of a window of code: about three lines."""
SHORTEST = 14
"""A region of fewer tokens is too generic to be told from honest code, and is not looked for."""
WORDS = 10
"""Words of a window of prose."""

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<text>(?i:[rbuf]{0,2})(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
  | (?P<number>(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+)[jJ]?)
  | (?P<name>[^\W\d]\w*)
  | (?P<operator>\*\*=|//=|>>=|<<=|->|:=|\.\.\.|[-+*/%@&|^<>=!]=|\*\*|//|<<|>>|[-+*/%@&|^~<>=.:\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_FIXED = frozenset(keyword.kwlist) | frozenset(dir(builtins)) | {"self", "np", "torch", "nn", "math"}
_WORD = re.compile(r"[^\W_]+")
_CHOSEN = "\0"

Window = tuple[str, ...]


def code_tokens(text: str) -> list[str]:
    """The tokens of Python code, or of any text that may hold some; names that a person chose are marked as such."""
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        if kind == "name":
            fixed = token in _FIXED or tokens[-1:] == ["."]
            tokens.append(token if fixed else _CHOSEN + token)
        elif kind == "number":
            tokens.append(_number(token))
        elif kind == "operator":
            tokens.append(token)
    return tokens


def _number(token: str) -> str:
    """A number as Python writes it, so that ``1e-5`` and ``0.00001`` are the same."""
    try:
        return repr(ast.literal_eval(token))
    except (SyntaxError, ValueError):
        return token


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation and marks."""
    return [word.lower() for word in _WORD.findall(text)]


def canonical(tokens: list[str]) -> Window:
    """The tokens with each chosen name replaced by the order of its first appearance."""
    order: dict[str, int] = {}
    return tuple(
        f"{_CHOSEN}{order.setdefault(token, len(order))}" if token.startswith(_CHOSEN) else token
        for token in tokens
    )


def rough(tokens: list[str] | Window) -> Window:
    """The tokens with every chosen name replaced by the same sign: cheap, and equal wherever `canonical` is."""
    return tuple(_CHOSEN if token.startswith(_CHOSEN) else token for token in tokens)


def windows(tokens: list[str], length: int = WINDOW, shortest: int = SHORTEST) -> Iterator[list[str]]:
    """All runs of ``length`` tokens; the whole, if it is shorter but not too short."""
    if shortest <= len(tokens) < length:
        yield tokens
    for start in range(len(tokens) - length + 1):
        yield tokens[start : start + length]


@dataclass
class Index:
    """Secrets to look for, each window with the name of what it comes from."""

    code: dict[Window, str] = field(default_factory=dict)
    prose: dict[Window, str] = field(default_factory=dict)
    _sought: dict[int, set[Window]] = field(default_factory=dict, repr=False, compare=False)

    def add_code(self, text: str, origin: str) -> None:
        """Look for a piece of code."""
        for window in windows(code_tokens(text)):
            self.code.setdefault(canonical(window), origin)
        self._sought.clear()

    def add_prose(self, text: str, origin: str) -> None:
        """Look for a piece of prose."""
        for window in windows(words(text), WORDS, WORDS):
            self.prose.setdefault(tuple(window), origin)

    def without(self, public: "Index") -> "Index":
        """The secrets that do not stand in ``public`` too."""
        return Index(
            {window: origin for window, origin in self.code.items() if window not in public.code},
            {window: origin for window, origin in self.prose.items() if window not in public.prose},
        )

    def covering(self, texts: list[str]) -> "Index":
        """What of this index stands in public texts."""
        public = Index()
        for text in texts:
            public.code.update(dict.fromkeys((canonical(window) for window in self._candidates(text)), ""))
            public.add_prose(text, "")
        return public

    def search(self, text: str) -> dict[str, str]:
        """What of the secrets stands in a text.

        Returns:
            For each origin found, the first matching window in words.
        """
        found: dict[str, str] = {}
        for window in self._candidates(text):
            if origin := self.code.get(canonical(window)):
                found.setdefault(origin, " ".join(window).replace(_CHOSEN, ""))
        for run in windows(words(text), WORDS, WORDS):
            if origin := self.prose.get(tuple(run)):
                found.setdefault(origin, " ".join(run))
        return found

    def _candidates(self, text: str) -> Iterator[list[str]]:
        """The runs of a text's tokens that are roughly one of the windows looked for."""
        tokens = code_tokens(text)
        roughly = rough(tokens)
        for length, sought in self._rough_windows().items():
            for start in range(len(tokens) - length + 1):
                if roughly[start : start + length] in sought:
                    yield tokens[start : start + length]

    def _rough_windows(self) -> dict[int, set[Window]]:
        """The windows looked for, roughly, by their length."""
        if not self._sought:
            for window in map(rough, self.code):
                self._sought.setdefault(len(window), set()).add(window)
        return self._sought
