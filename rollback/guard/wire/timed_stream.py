"""A connection on which an answer has a bounded time: under httpx, sync and async.

httpcore reads on for as long as a server goes on: a head that comes byte by byte, interim answers
(1xx) without end. Each piece comes in time, so that no time limit of httpx ends it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import httpcore

if TYPE_CHECKING:
    import ssl

SECONDS_MAX: Final = 120.0
"""The longest that an answer may take, from its first byte on: as long as a head and a body under
urllib3 together. Who reads a body may have less patience."""


class TimedStream(httpcore.NetworkStream):
    """Counts from the first byte that is read after a request was written."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        """stream: an open connection."""
        self._stream = stream
        self._until: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some of an answer. Raises httpcore's errors; ReadTimeout where its time is over."""
        if self._until is not None and time.monotonic() > self._until:
            msg = "the answer takes longer than it may"
            raise httpcore.ReadTimeout(msg)
        data = self._stream.read(max_bytes, timeout)
        if self._until is None:
            self._until = time.monotonic() + SECONDS_MAX
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Some of a request; what comes after it is another answer."""
        self._until = None
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """The same over TLS."""
        return TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Of the connection."""
        return self._stream.get_extra_info(info)


class AsyncTimedStream(httpcore.AsyncNetworkStream):
    """The same for async. Nothing that is waited for outlasts the answer's time either."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        """stream: an open connection."""
        self._stream = stream
        self._until: float | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (the base's signature)
        """Some of an answer. Raises httpcore's errors; ReadTimeout where its time is over."""
        if self._until is None:
            data = await self._stream.read(max_bytes, timeout)
            self._until = time.monotonic() + SECONDS_MAX
            return data
        left_s = self._until - time.monotonic()
        if left_s < 0:
            msg = "the answer takes longer than it may"
            raise httpcore.ReadTimeout(msg)
        return await self._stream.read(
            max_bytes, left_s if timeout is None else min(timeout, left_s)
        )

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 (the base's signature)
        """Some of a request; what comes after it is another answer."""
        self._until = None
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """End the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the base's signature)
    ) -> httpcore.AsyncNetworkStream:
        """The same over TLS."""
        over = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return AsyncTimedStream(over)

    def get_extra_info(self, info: str) -> Any:
        """Of the connection."""
        return self._stream.get_extra_info(info)
