"""A little server that answers, byte for byte, what a test tells it to: once a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollback.connectors.http_hosts import HttpHost
from rollback.guard.wire import Wire, httpx_wire, socket_wire
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter, Phase, Scope
from tests.connectors.stand import PatientClock
from tests.guard.support import MemoryExchanges, MemoryLatch, MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.model.effect import Effect

Said = bytes | Iterable[bytes] | None
"""What a connection is answered, whole or piece by piece; None: it is closed without an answer."""


@dataclass
class Little:
    """The server: its port, and what it was asked."""

    port: int
    asked: list[bytes] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def serving(say: Callable[[int], Said]) -> Iterator[Little]:
    """Serve until the block ends. say: the answer to the n-th connection, from 0."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        little = Little(listener.getsockname()[1])
        threading.Thread(target=_serve, args=(listener, little, say), daemon=True).start()
        yield little
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, little: Little, say: Callable[[int], Said]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5)
            try:
                _answer(connection, little, say)
            except OSError:
                continue


def _answer(connection: socket.socket, little: Little, say: Callable[[int], Said]) -> None:
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = connection.recv(65_536)
        if not piece:
            return
        heard += piece
    little.asked.append(heard)
    said = say(len(little.asked) - 1)
    for piece in [said] if isinstance(said, bytes) else said or ():
        connection.sendall(piece)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP/1.1 answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def host_at(
    little: Little, *effects: Effect, kind: HostKind = HostKind.BACKEND, bytes_max: int = 10_000
) -> Iterator[tuple[HttpHost, MemoryLatch, PatientClock]]:
    """A guarded host towards the little server, over plain HTTP."""
    latch, clock = MemoryLatch(), PatientClock()
    wire = Wire(
        scope=Scope(run="r-1", step="step", phase=Phase.APPLY, permissions=effects),
        perimeter=Perimeter(hosts=(GuardedHost(host=little.host, kind=kind),)),
        ledger=MemoryLedger({effect.id: effect.times_max for effect in effects}),
        latch=latch,
        exchanges=MemoryExchanges(),
        network=Network(),
        clock=clock,
    )
    made = HttpHost(
        host=little.host,
        transport=lambda: httpx_wire.transport(wire),
        socket=lambda url, headers, timeout_s: socket_wire.connect(wire, url, headers, timeout_s),
        latch=latch,
        clock=clock,
        echoes=True,
        scheme="http",
        timeout_s=2.0,
        bytes_max=bytes_max,
    )
    try:
        yield made, latch, clock
    finally:
        made.close()


@contextmanager
def lasting(said: bytes) -> Iterator[tuple[int, Callable[[], bytes]]]:
    """One connection that the server leaves open: its port, and what came after its first request.

    The second waits for the client to end it; empty, where it did so and sent no more.
    """
    ended: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            connection.recv(65_536)
            connection.sendall(said)
            with suppress(TimeoutError):
                ended.append(connection.recv(1))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, daemon=True)
        server.start()

        def after() -> bytes:
            server.join()
            return b"".join(ended) if ended else b"it was left open"

        yield listener.getsockname()[1], after
