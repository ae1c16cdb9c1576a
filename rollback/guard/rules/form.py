"""A form that has one reading: each field once, in ASCII."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from rollback.guard.rules.request import Denial

if TYPE_CHECKING:
    from rollback.guard.rules.request import Normal

FORM: Final = "application/x-www-form-urlencoded"
BODY_BYTES_MAX: Final = 65_536
"""The longest body of a token request."""


def fields_of(request: Normal) -> dict[str, str] | Denial:
    """The fields of a form, or why it cannot be read in one way."""
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=64,
        )
    except ValueError:
        return Denial("exchange.body", "the form of the token request cannot be read")
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        return Denial("exchange.body", "a field of the token request stands twice")
    return dict(pairs)
