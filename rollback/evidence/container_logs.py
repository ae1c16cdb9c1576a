"""Logs of containers, which cut a long line into pieces of about 16 KiB, each on a line of its own.

    {"log":TEXT,"stream":"stdout","time":TIME}   Docker: the last piece ends with a newline
    TIME stdout P TEXT                           CRI (containerd, CRI-O, Podman): a piece
    TIME stdout F TEXT                           the last one, or a whole line

Such a piece is no line: a name, a value or a secret may be parted anywhere in it. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

JsonPath = tuple[str | int, ...]
"""Where a text stands in a JSON value: names, and places in lists."""

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


def goes_on(text: bytes) -> bool:
    """Whether a text of Docker's is a piece of a line that goes on."""
    return len(text) >= PIECE_BYTES_MIN and not text.endswith(b"\n")


def texts_in(
    value: Any, path: JsonPath = (), *, docker: bool = False
) -> Iterator[tuple[JsonPath, bytes, bool]]:
    """Each text of a JSON value, where it stands, and whether it is a log's of Docker."""
    if isinstance(value, str):
        yield path, value.encode("utf-8", "surrogatepass"), docker
    elif isinstance(value, dict):
        log = value.get("stream") in _STREAMS and isinstance(value.get("log"), str)
        for name, child in value.items():
            yield from texts_in(child, (*path, name), docker=log and name == "log")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from texts_in(child, (*path, number))
