"""Gradescope's export of submissions: one folder each, and who submitted them in ``submission_metadata.yml``.

The export of a programming assignment ("Exporting submissions" in Gradescope's help) is a zip of
``assignment_123_export/submission_456/...`` with ``submission_metadata.yml`` beside the folders: by folder the submitters
(``:name``, ``:sid``, ``:email``), ``:created_at``, and much that is not needed here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml  # type: ignore[import-untyped]  # no stubs are asked for

from autograder.collecting.attempts import read_time
from autograder.collecting.files import Unusable
from autograder.collecting.whose import Claim
from autograder.roster import is_id

FILE = "submission_metadata.yml"
MAX_BYTES = 64 * 2**20
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SID = ("sid", "id", "sis_user_id", "canvas_id")
_EMAIL = ("email", "sis_login_id", "id")


class _Loader(_LOADER):  # type: ignore[misc]  # libyaml's where it is there
    """Data only; what is tagged as an object of another language is read as the data it holds."""


def _as_data(loader: Any, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("", _as_data)


def claims(raw: bytes) -> dict[str, tuple[Claim, ...]]:
    """By folder, whose submission it is: several students' if a group made it.

    Raises:
        Unusable: it is no such file.
    """
    try:
        content = yaml.load(raw, Loader=_Loader)  # noqa: S506 - derived from the safe loader
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeError, TypeError, OverflowError) as error:
        raise Unusable(f"is no YAML that can be read ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(content, dict):
        raise Unusable("does not list submissions")
    return {
        name: _submission(one)
        for name, one in content.items()
        if isinstance(name, str) and isinstance(one, dict)
    }


def _get(record: Mapping[Any, Any], name: str) -> Any:
    return record.get(f":{name}", record.get(name))


def _submission(record: Mapping[Any, Any]) -> tuple[Claim, ...]:
    submitters = _get(record, "submitters")
    people = [one for one in submitters if isinstance(one, dict)] if isinstance(submitters, list) else []
    time = _time(_get(record, "created_at"))
    note = ("It was handed in by a group.",) if len(people) > 1 else ()
    return tuple(_submitter(one, time, note) for one in people)


def _submitter(person: Mapping[Any, Any], time: datetime | None, notes: tuple[str, ...]) -> Claim:
    sid, email = (_text(_get(person, name)) for name in ("sid", "email"))
    names = [(name, kinds) for name, kinds in ((sid, _SID), (email, _EMAIL)) if name]
    own = next(filter(is_id, (sid, email)), sid or email)
    return Claim(tuple(names), own, time, notes, platform=True)


def _text(value: Any) -> str:
    """A text or number; anything else could be a list of lists of lists that is written out nowhere in the file."""
    return str(value).strip() if isinstance(value, str | int) else ""


def _time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    return read_time(value) if isinstance(value, str) else None
