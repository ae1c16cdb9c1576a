"""An answer's body, bounded in size as it is unpacked and in the time it may take.

A compressed answer can be a thousand times what was sent, and one that comes byte by byte never
ends: either would hold up a halt that waits for it. Read by `requests` (and so by azure-core) and
by botocore.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import IncompleteRead, ProtocolError
from urllib3.response import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Generator

BYTES_MAX: Final = 67_108_864
"""The most that an answer may be, unpacked: 64 MiB."""
SECONDS_MAX: Final = 60.0
"""The longest that an answer's body may take, from its head on."""
_PIECE: Final = 65_536
_LARGE_PIECE: Final = 1_048_576
_AT_ONCE_MAX: Final = 8_388_608
"""Memory for so much is taken before it has come."""
_TOO_MUCH: Final = "the answer is larger, or takes longer, than it may"


class TooMuchError(ProtocolError):
    """The answer is larger, or takes longer, than it may: to ask again will not help."""


class BoundedAnswer(HTTPResponse):
    """What was read goes on as it is; raises TooMuchError where it goes beyond either bound."""

    until: float
    most: int

    def stream(
        self,
        amt: int | None = _PIECE,
        decode_content: bool | None = None,  # noqa: FBT001
    ) -> Generator[bytes, None, None]:
        """The body in pieces as they come, each at most `amt` (at least 64 kB) long."""
        size, taken = max(amt or 0, _PIECE), 0
        as_sent = "content-encoding" not in self.headers
        while piece := self.read1(size, decode_content=decode_content):
            taken += len(piece)
            if taken > self.most or time.monotonic() > self.until:
                self.close()
                raise TooMuchError(_TOO_MUCH)
            yield piece
            if as_sent and self.isclosed():
                return  # the last piece; nothing waits to be unpacked

    def read(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,  # noqa: FBT001 (the base's signature)
        cache_content: bool = False,  # noqa: FBT001, FBT002 (the base's signature)
    ) -> bytes:
        """All of it where no size is named."""
        if amt is None or amt < 0:
            return b"".join(self.stream(_LARGE_PIECE, decode_content=decode_content))
        return super().read(amt, decode_content, cache_content)

    def whole(self) -> bytes:
        """All that is left of it. Raises TooMuchError, and urllib3's own errors.

        Where its length is said and it is sent as it is, it is read into the place where it stays;
        pieces would be copied once more. What is said to be large is taken as it comes.
        """
        size, most = self.length_remaining, min(self.most, _AT_ONCE_MAX)
        if size is None or size > most or "content-encoding" in self.headers:
            return self.read(decode_content=True)
        body = super().read(size, decode_content=False) if size else b""
        if len(body) != size:
            self.close()
            raise IncompleteRead(len(body), size - len(body))
        if time.monotonic() > self.until:
            raise TooMuchError(_TOO_MUCH)
        return body


def whole(raw: Any) -> bytes:
    """All of an answer, unpacked, as `BoundedAnswer.whole` where it is bounded."""
    if isinstance(raw, BoundedAnswer):
        return raw.whole()
    read: bytes = raw.read(decode_content=True)
    return read


def bound(raw: Any, most: int | None = None) -> None:
    """Bound an answer whose head is there. most: bytes, `BYTES_MAX` where it is not said."""
    raw.__class__ = BoundedAnswer
    raw.until = time.monotonic() + SECONDS_MAX
    raw.most = BYTES_MAX if most is None else most
