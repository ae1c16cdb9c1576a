"""An answer's body, bounded in size as it is unpacked and in the time it may take.

A compressed answer can be a thousand times what was sent, and one that comes byte by byte never
ends: either would hold up a halt that waits for it. Read by `requests` (and so by azure-core) and
by botocore.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import ProtocolError
from urllib3.response import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Generator

BYTES_MAX: Final = 67_108_864
"""The most that an answer may be, unpacked: 64 MiB."""
SECONDS_MAX: Final = 60.0
"""The longest that an answer's body may take, from its head on."""
_PIECE: Final = 65_536


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
                msg = "the answer is larger, or takes longer, than it may"
                raise TooMuchError(msg)
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
            return b"".join(self.stream(1_048_576, decode_content=decode_content))
        return super().read(amt, decode_content, cache_content)


def bound(raw: Any, most: int | None = None) -> None:
    """Bound an answer whose head is there. most: bytes, `BYTES_MAX` where it is not said."""
    raw.__class__ = BoundedAnswer
    raw.until = time.monotonic() + SECONDS_MAX
    raw.most = BYTES_MAX if most is None else most
