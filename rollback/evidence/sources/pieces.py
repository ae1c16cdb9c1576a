"""Lines of any length as pieces that can be held, cut where no secret is cut in two."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES: Final = 64 * 1024
"""A longer line is cut into pieces, about so large."""

AROUND_BYTES: Final = 8 * 1024
"""A secret of up to this many bytes is seen where a line is cut."""

END_UNKNOWN: Final = (
    "all that follows was left out: a value that a rule names is spread over lines there, "
    "and its end was not found"
)
"""The reason of a gap."""

BROKEN_OFF: Final = (
    "a value that a rule names was broken off, and was left out with what follows it, up to where "
    "records are whole again"
)
"""The reason of a gap."""

IN_PIECES: Final = (
    "lines that their log was cut into pieces of were left out: no field can be redacted there"
)
"""The reason of a gap."""

_MOST = PIECE_BYTES + AROUND_BYTES

Redact = Callable[[bytes | memoryview], bytes | memoryview]
"""Blots secret values out."""


class _Lined(Protocol):
    def readline(self, size: int, /) -> bytes: ...


def pieces(file: _Lined, redact: Redact, *, inside: bool = False) -> Iterator[tuple[bytes, bool]]:
    """(piece, whether it is no whole line) to the end; inside: begins within a line.

    Each piece stands in a line of its own, where half a secret would not be known for one: so a
    line is cut before a secret and never in it, nor within a character.
    """
    held = b""
    while got := held + file.readline(_MOST - len(held)):
        if got.endswith(b"\n") or len(got) < _MOST:
            yield got, inside
            held, inside = b"", False
        else:
            end = _cut(got, redact)
            yield got[:end], True
            held, inside = got[end:], True


def _cut(line: bytes, redact: Redact) -> int:
    """Where to cut: at the last place up to `PIECE_BYTES` that parts no secret and no character."""
    start = PIECE_BYTES - AROUND_BYTES
    around = line[start:]
    whole = bytes(redact(around))
    for end in range(AROUND_BYTES, 0, -1):
        if around[end] & 0xC0 == 0x80:  # noqa: PLR2004 (the rest of a character of UTF-8)
            continue
        if bytes(redact(around[:end])) + bytes(redact(around[end:])) == whole:
            return start + end
    return start
