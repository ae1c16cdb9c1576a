"""Logs of containers, which cut a long line into pieces of about 16 KiB, each on a line of its own.

    {"log":TEXT,"stream":"stdout","time":TIME}   Docker: the last piece ends with a newline
    TIME stdout P TEXT                           CRI (containerd, CRI-O, Podman): a piece
    TIME stdout F TEXT                           the last one, or a whole line

Such a piece is no line: a name, a value or a secret may be parted anywhere in it. Pure.
"""

from __future__ import annotations

import re
from typing import Any, Final

PIECE_BYTES_MIN: Final = 16_000
"""Docker's piece is 16 KiB; a shorter text without a newline has only lost it on its way."""

_CRI: Final = re.compile(rb"\d{4}-\d\d-\d\dT\S+ (stdout|stderr) ([PF])(?::\S*)? (.*)\Z", re.DOTALL)
_STREAMS: Final = ("stdout", "stderr")


def cri(raw: bytes) -> tuple[str, bytes, bool] | None:
    """(stream, text, whether the line goes on) of a line of CRI; None for another."""
    if not raw[:1].isdigit() or b" std" not in raw[:64]:
        return None
    found = _CRI.match(raw)
    if found is None:
        return None
    more = found[2] == b"P"
    return found[1].decode(), found[3].removesuffix(b"\n") if more else found[3], more


def is_docker(value: dict[str, Any]) -> bool:
    """Whether an object is a line of Docker's."""
    return value.get("stream") in _STREAMS and isinstance(value.get("log"), str)


def goes_on(text: bytes) -> bool:
    """Whether a text of Docker's is a piece of a line that goes on."""
    return len(text) >= PIECE_BYTES_MIN and not text.endswith(b"\n")
