"""Where a plan contradicts itself, in words: the first place, what it says, what follows. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from rollback.model.base import Fact, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED_BY: Final = ("name", "id", "code", "resource", "surface", "scope")
"""Fields that tell the entries of a list apart, the best first."""

_SHOWN_MAX: Final = 80
"""Longest value that is quoted whole."""


def contradiction(said: object, follows: object, at: str) -> str:
    """The first place in which two values differ; empty where they are equal. at: what they are."""
    if said == follows:
        return ""
    if isinstance(said, tuple) and isinstance(follows, tuple):
        return _of_lists(said, follows, at)
    if type(said) is type(follows) and (fields := _fields(said)):
        other = _fields(follows)
        return next(
            (
                found
                for name, value in fields.items()
                if (found := contradiction(value, other[name], f"{at}, {name}"))
            ),
            at,
        )
    return f"{at} is {shown(said)}, and should be {shown(follows)}"


def _fields(value: object) -> Mapping[str, object]:
    if isinstance(value, Fact):
        return {value.name: value.value}
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return {}


def _of_lists(said: tuple[object, ...], follows: tuple[object, ...], at: str) -> str:
    for value in follows:
        if value not in said and _label(value) not in {_label(one) for one in said}:
            return f"{at}: {_label(value)} is left out"
    for value in said:
        if value not in follows and _label(value) not in {_label(one) for one in follows}:
            return f"{at}: {_label(value)} was put in"
    for one, other in zip(said, follows, strict=False):
        if one != other:
            if _label(one) != _label(other):
                return f"{at}: {_label(one)} stands where {_label(other)} should"
            return contradiction(one, other, f"{at}: {_label(one)}")
    return f"{at}: there are {len(said)}, and should be {len(follows)}"


def _label(value: object) -> str:
    fields = _fields(value)
    if isinstance(value, Fact):
        return shown(value.name)
    named = next((fields[name] for name in _NAMED_BY if name in fields), None)
    return shown(value if named is None else named)


def shown(value: object) -> str:
    """A value as it is quoted: what an edited plan says may be of any length."""
    if value is None or value in ("", ()):
        return "nothing"
    text = rfc3339(value) if isinstance(value, datetime) else str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
