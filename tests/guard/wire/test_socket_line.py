"""Below the guard of a web socket: what its one thread does in the time it has, byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed, ProtocolError
from websockets.utils import accept_key

from rollback.guard.wire import socket_line

URL = "ws://127.0.0.1:9/ws"
NOW = 1000.0
TEXT, CLOSE, GARBAGE = b"\x81\x01x", b"\x88\x02\x03\xe8", b"\xff\xff"


class Wire:
    """An open line, our end of the socket under it, and the server's."""

    def __init__(self, raw: socket.socket, server: socket.socket) -> None:
        self.raw, self.server = raw, server
        self.line = socket_line.Line(raw, URL, (), None)


def _answer(server: socket.socket) -> None:
    asked = b""
    while b"\r\n\r\n" not in asked:
        piece = server.recv(65_536)
        if not piece:
            return
        asked += piece
    lines = asked.decode().split("\r\n")
    key = next(one.split(": ")[1] for one in lines if one.lower().startswith("sec-websocket-key"))
    server.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
    )


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Opened, on a clock that stands still."""
    monkeypatch.setattr(socket_line, "time", SimpleNamespace(monotonic=lambda: NOW))
    raw, server = socket.socketpair()
    with ThreadPoolExecutor(1) as pool, closing(server), closing(raw):
        made = Wire(raw, server)
        answering = pool.submit(_answer, server)
        assert made.line.open({}, 7.0).status_code == 101
        answering.result()
        assert raw.gettimeout() == 7.0
        yield made


@pytest.mark.parametrize("timeout_s", [0.25, 1.0, 5.0])
def test_a_read_has_the_time_that_is_left(wire: Wire, timeout_s: float) -> None:
    wire.server.sendall(TEXT)
    assert wire.line.receive(timeout_s) == "x"
    assert wire.raw.gettimeout() == timeout_s


@pytest.mark.parametrize("timeout_s", [0.0, -0.5, -3.0])
def test_no_time_is_left(wire: Wire, timeout_s: float) -> None:
    wire.server.close()
    with pytest.raises(TimeoutError, match="the time is over"):
        wire.line.receive(timeout_s)


@pytest.mark.parametrize(("said", "cause"), [(GARBAGE, ProtocolError), (CLOSE, type(None))])
def test_a_line_that_is_over_is_told_while_the_server_holds_it(
    wire: Wire, said: bytes, cause: type[object]
) -> None:
    wire.server.sendall(said)
    with pytest.raises(ConnectionClosed) as told:
        wire.line.receive(5.0)
    assert type(told.value.__cause__) is cause


def test_a_server_that_is_gone_before_it_is_answered_is_told_as_closed(wire: Wire) -> None:
    wire.server.sendall(CLOSE)
    wire.server.close()
    with pytest.raises(ConnectionClosed) as told:
        wire.line.receive(5.0)
    assert told.value.rcvd is not None
    assert told.value.rcvd.code == 1000


def test_a_close_has_the_time_that_is_left(wire: Wire) -> None:
    wire.server.shutdown(socket.SHUT_WR)
    wire.line.close(3.0)
    assert wire.raw.gettimeout() == 3.0
    assert wire.raw.fileno() == -1
