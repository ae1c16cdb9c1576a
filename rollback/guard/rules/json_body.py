"""JSON bodies, read in the one way that leaves no second reading."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, NoReturn

import rfc8785

BODY_BYTES_MAX: Final = 1 << 20
"""A judged JSON body is at most this long, in bytes."""


class NotOneReadingError(ValueError):
    """The bytes are not JSON, or JSON that two parsers would read in two ways."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        msg = "a name stands twice in one object"
        raise NotOneReadingError(msg)
    return read


def _not_a_number(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise NotOneReadingError(msg)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_not_a_number)


def parse(body: bytes) -> Any:
    """The parsed JSON. Raises NotOneReadingError."""
    if len(body) > BODY_BYTES_MAX:
        msg = "longer than a judged body may be"
        raise NotOneReadingError(msg)
    try:
        return _DECODER.decode(body.decode("utf-8", "strict"))
    except NotOneReadingError:
        raise
    except (ValueError, RecursionError) as error:
        msg = f"not JSON: {type(error).__name__}"
        raise NotOneReadingError(msg) from error


def digest(document: object) -> str:
    """SHA-256 of the RFC 8785 form, lower-case hex. Raises NotOneReadingError."""
    try:
        return hashlib.sha256(rfc8785.dumps(document)).hexdigest()  # type: ignore[arg-type]
    except (ValueError, RecursionError) as error:
        msg = "has no canonical form"
        raise NotOneReadingError(msg) from error
