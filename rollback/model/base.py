"""What every model value shares: frozen, closed, and free of anything that could change.

Shallow freezing is not enough, so no model holds a dict, list or set: tuples and pairs only.

Modules of models leave out ``from __future__ import annotations`` where they can: pydantic would
compile every annotation from its text again, a twentieth of the time a command takes to start.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer


class Frozen(BaseModel):
    """Base of all model values: immutable, unknown fields refused."""

    # Built when first used: no command needs them all.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )


def rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 text in UTC with milliseconds, the one form used everywhere."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:-6]}Z"


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        msg = "a time needs a zone"
        raise ValueError(msg)
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


_DURATION = re.compile(r"(?P<n>\d+)(?P<unit>s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(value: object) -> object:
    """Read ``90s``, ``5m``, ``24h`` or ``2d`` as seconds; anything else is left for pydantic."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return int(match["n"]) * _UNIT_S[match["unit"]]
    return value


Instant = Annotated[
    datetime, AfterValidator(_aware), PlainSerializer(rfc3339, return_type=str, when_used="always")
]
"""A moment: aware, in UTC, whole milliseconds; RFC 3339 text when written."""

Seconds = Annotated[
    int,
    BeforeValidator(seconds, json_schema_input_type=int | str),
    Field(ge=0, lt=2**31),
]
"""A duration in whole seconds; files may write ``90s``, ``5m``, ``24h``, ``2d``."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/-]{0,79}$")]
"""A name people choose: lower case, digits, dot, dash, slash; at most 80 characters."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in lower-case hex."""

Scalar = str | int | bool | None
Value = Scalar | tuple[Scalar, ...]
"""What a fact may hold. No floats: they have no canonical form people agree on."""


@dataclass(frozen=True, slots=True, init=False)
class Fact:
    """One named value, of the world or of a specification."""

    # No pydantic model: a run keeps tens of thousands of facts, and these take a fifth of the
    # memory. As a part of a model they are validated like one.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", hide_input_in_errors=True
    )

    name: str
    value: Annotated[Value, Field(union_mode="smart")]

    def __init__(self, name: str, value: Value) -> None:
        """Raises TypeError for what has no one form: a number with a fraction, a list, a moment."""
        _set_name(self, name)
        _set_value(self, value)
        if type(value) not in _PLAIN:
            _refuse_formless(value)


_PLAIN = frozenset({str, int, bool, type(None)})
"""Types of which every value has one form."""

# Straight into the slots: half the cost of what a frozen dataclass does by itself.
_new = object.__new__
_set_name = Fact.__dict__["name"].__set__
_set_value = Fact.__dict__["value"].__set__


def _refuse_formless(value: Value) -> None:
    for part in value if isinstance(value, tuple) else (value,):
        if not (part is None or isinstance(part, str | int)):
            msg = f"a fact cannot hold a {type(part).__name__}"
            raise TypeError(msg)


Facts = tuple[Fact, ...]

BLOT = "[secret]"
"""What stands in place of a secret's value; never written anywhere as a value."""


def facts(**values: Value) -> Facts:
    """Facts from keywords, in name order, so that equal facts are equal tuples."""
    made = []
    for name in sorted(values):  # as `Fact(name, value)`; a record makes ten, between two syncs
        value = values[name]
        fact = _new(Fact)
        _set_name(fact, name)
        _set_value(fact, value)
        if type(value) not in _PLAIN:
            _refuse_formless(value)
        made.append(fact)
    return tuple(made)
