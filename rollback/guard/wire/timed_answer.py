"""All of an answer, its head and trailers too, bounded in the time that it may take: under urllib3.

``http.client`` reads on for as long as a server goes on: a head that comes byte by byte, interim
answers (1xx) without end, trailers without end. Each piece comes in time, so that no time limit of
the socket ends it.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rollback.guard.wire.bounded_answer import SECONDS_MAX

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _Timed(io.RawIOBase):
    """What a connection brings, until the time is over. It counts from the first byte on."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._until: float | None = None

    def readable(self) -> bool:
        """It is read only."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Some of it. Raises TimeoutError, which is what a socket raises."""
        if self._until is not None and time.monotonic() > self._until:
            msg = "the answer takes longer than it may"
            raise TimeoutError(msg)
        read: int | None = self._raw.readinto(buffer)
        if self._until is None:
            self.start()
        return read

    def start(self) -> None:
        """Count from now on."""
        self._until = time.monotonic() + SECONDS_MAX

    def close(self) -> None:
        """What is under it is closed with it."""
        self._raw.close()
        super().close()


class TimedResponse(HTTPResponse):
    """One answer: so much time for its head, and so much for all that follows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the connection as `http.client` gives it."""
        super().__init__(*args, **kwargs)
        self._timed = _Timed(self.fp.detach())
        self.fp = io.BufferedReader(self._timed)

    def begin(self) -> None:
        """Read the head. The time of the rest counts from its end on."""
        super().begin()
        self._timed.start()


class _Connection(HTTPConnection):
    response_class = TimedResponse


class _TlsConnection(HTTPSConnection):
    response_class = TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS: Final = {"http": _Pool, "https": _TlsPool}
"""For a pool manager of urllib3: its ``pool_classes_by_scheme``."""
