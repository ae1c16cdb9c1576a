"""Reading loosely shaped JSON without trusting it: a wrong type reads as absent.

What is read can be written down again, in a plan and a journal: half a surrogate pair reads as its
escape, and a whole number that JSON's readers do not agree on reads as absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rollback.model.base import Fact, Facts, Scalar, Value

_FRACTION = re.compile(r"(\.\d{6})\d+")
_FLAT_MAX = 400
_TEXT_MAX = 1000
_NUMBER_END = 2**53
"""From here on whole numbers have no one written form (RFC 8785)."""


def at(value: object, *path: str) -> object:
    """The value at a path of names, or None."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def text(value: object, *path: str) -> str:
    """The text at a path; empty where it is absent or no text."""
    found = at(value, *path)
    return _unicode(found) if isinstance(found, str) else ""


def flag(value: object, *path: str, absent: bool = False) -> bool:
    """The truth value at a path; `absent` where there is none."""
    found = at(value, *path)
    return found if isinstance(found, bool) else absent


def number(value: object, *path: str) -> int | None:
    """The whole number at a path, or None."""
    found = at(value, *path)
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if abs(found) < _NUMBER_END else None


def listed(value: object, *path: str) -> list[Any]:
    """The list at a path; empty where it is absent or no list."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def mapping(value: object, *path: str) -> dict[str, Any]:
    """The object at a path; empty where it is absent or no object."""
    found = at(value, *path)
    return dict(found) if isinstance(found, Mapping) else {}


def moment(value: object, *path: str) -> datetime | None:
    """The RFC 3339 time at a path (up to seven decimals, as services write them), or None."""
    try:
        found = datetime.fromisoformat(_FRACTION.sub(r"\1", text(value, *path)))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC it may lie before the first year
        return None


def parsed(body: bytes) -> Any:
    """JSON from bytes. Raises ValueError, also for nesting deeper than the parser takes."""
    try:
        return json.loads(body)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def flat(value: object) -> Facts:
    """Nested JSON as flat facts with dotted names; long texts are cut, floats become text."""
    found: dict[str, Value] = {}
    _flatten(value, "", found)
    return tuple(Fact(name=name, value=found[name]) for name in sorted(found))


def _flatten(value: object, name: str, found: dict[str, Value]) -> None:
    if len(found) >= _FLAT_MAX:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(inner, _unicode(f"{name}.{key}" if name else str(key)), found)
    elif isinstance(value, list):
        if all(not isinstance(inner, (list, Mapping)) for inner in value):
            found[name] = tuple(_scalar(inner) for inner in value)
        else:
            for index, inner in enumerate(value):
                _flatten(inner, f"{name}.{index}", found)
    else:
        found[name] = _scalar(value)


def _scalar(value: object) -> Scalar:
    if isinstance(value, str):
        return _unicode(value)[:_TEXT_MAX]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < _NUMBER_END:
        return value
    return str(value)[:_TEXT_MAX]


def _unicode(said: str) -> str:
    return said if said.isascii() else said.encode("utf-8", "backslashreplace").decode()
