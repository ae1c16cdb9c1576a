"""A web socket, against the real server of the same library: how it opens, is told of, and ends."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.http11 import Request as Asked
from websockets.http11 import Response
from websockets.sync.server import ServerConnection, serve
from websockets.utils import accept_key

from rollback.errors import ConnectorError
from rollback.guard.wire import first_use, socket_wire
from rollback.guard.wire.net import Net, Sighting
from rollback.guard.wire.trap import CanaryEscaped
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.guard.support import Bench, bench
from tests.guard.wire.raw import raw_server


class Greeting:
    """The server's side: what it was asked with."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[Headers] = []
        self.status: int | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def greeting(
    says: Callable[[ServerConnection], object] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Greeting]:
    """A server that says hello, or what it is given, and stays on the line."""
    story = Greeting()

    def hello(line: ServerConnection) -> None:
        if says is None:
            line.send("hello")
        else:
            says(line)
        for _ in line:
            pass

    def answer(_: ServerConnection, asked: Asked) -> Response | None:
        story.asked.append(asked.headers)
        if story.status is None:
            return None
        return Response(story.status, "No", Headers({"X-Request-Id": "theirs", "X-Ms-Request-Id": "n-2"}), b"")

    def number(_: ServerConnection, __: Asked, response: Response) -> Response:
        response.headers.setdefault("X-Ms-Request-Id", "n-1")
        return response

    with serve(hello, "127.0.0.1", 0, ssl=tls, process_request=answer, process_response=number) as server:
        story.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield story
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[Greeting]:
    with greeting() as running:
        yield running


def _over(*hosts: str, **network: Any) -> Bench:
    guarded = tuple(GuardedHost(host=host, kind=HostKind.WEB) for host in hosts)
    return bench(perimeter=Perimeter(hosts=guarded), network=Network(**network))


def test_an_open_socket_is_told_and_read(server: Greeting) -> None:
    """Under the id of its scope, with the number that the service gave it."""
    told = _over(server.host)
    with socket_wire.connect(told.wire, f"ws://{server.host}/live") as reader:
        assert (reader.status, reader.receive(5)) == (101, "hello")
    (seen,) = told.exchanges.seen_all
    assert (seen.status, seen.provider_id, seen.path) == (101, "n-1", "/live")
    assert seen.request_id == f"{told.wire.scope.request_prefix}.1"
    assert server.asked[0]["x-request-id"] == seen.request_id
    own = (("x-request-id", "mine"),)
    with socket_wire.connect(told.wire, f"ws://{server.host}/live", own):
        assert server.asked[1].get_all("x-request-id") == ["mine"]


def test_a_refused_socket_is_an_answer(server: Greeting) -> None:
    told = _over(server.host)
    server.status = 403
    with (
        pytest.raises(InvalidStatus),
        socket_wire.connect(told.wire, f"ws://{server.host}/live"),
    ):
        pass
    (seen,) = told.exchanges.seen_all
    assert (seen.status, seen.provider_id, seen.echoed, seen.problem) == (403, "n-2", False, "")


def test_a_socket_that_nobody_answers_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        host = f"127.0.0.1:{gone.getsockname()[1]}"
    told = _over(host)
    with pytest.raises(ConnectionRefusedError), socket_wire.connect(told.wire, f"ws://{host}/live"):
        pass
    (seen,) = told.exchanges.seen_all
    assert (seen.status, seen.problem) == (None, "ConnectionRefusedError")


@pytest.mark.parametrize("port", [":80", "", ":81"])
def test_a_socket_without_a_port_goes_to_its_schemes(server: Greeting, port: str) -> None:
    """A port that is named is kept: another one of the same host is another host."""
    host = f"localhost{port or ':80'}"
    told = _over(host, resolve=((host, server.host),))
    with socket_wire.connect(told.wire, f"ws://localhost{port}/live") as reader:
        assert reader.receive(5) == "hello"


def _said(says: Callable[[ServerConnection], object]) -> str | bytes:
    """The first message of a server that says so."""
    with greeting(says) as server:
        told = _over(server.host)
        with socket_wire.connect(told.wire, f"ws://{server.host}/live") as reader:
            return reader.receive(5)


def _raw(data: bytes, *, fin: bool = True) -> Callable[[ServerConnection], object]:
    def says(line: ServerConnection) -> None:
        with line.send_context():
            line.protocol.send_text(data, fin)

    return says


def _pinged(line: ServerConnection) -> None:
    line.ping("are you there").wait()  # until it is answered
    line.send("hello")


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (lambda line: line.send("hello"), "hello"),
        (lambda line: line.send(b"hello"), b"hello"),
        (lambda line: line.send(["he", "l", "lo"]), "hello"),
        (lambda line: line.send(["\u00e9", "\u00e8"]), "\u00e9\u00e8"),
        (lambda line: line.send(""), ""),
        (lambda line: line.send("x" * 200_000), "x" * 200_000),
        (_pinged, "hello"),
    ],
    ids=["text", "bytes", "parts", "letters", "empty", "long", "pinged"],
)
def test_a_message_is_heard_whole(
    says: Callable[[ServerConnection], object], message: str | bytes
) -> None:
    assert _said(says) == message


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (lambda line: line.close(), ConnectionClosed),
        (lambda line: line.close(1011, "no"), ConnectionClosed),
        (lambda line: line.socket.shutdown(socket.SHUT_RDWR), ConnectionClosed),
        (lambda line: line.send("x" * (2**20 + 1)), ConnectionClosed),
        (_raw(b"\xff"), ValueError),
        (lambda line: (_raw(b"half", fin=False)(line), line.close()), ConnectionClosed),
    ],
    ids=["closed", "failed", "hung up", "too long", "no letters", "half"],
)
def test_a_socket_that_says_nothing_whole_is_an_error(
    says: Callable[[ServerConnection], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        _said(says)


def test_no_other_thread_is_on_the_line(
    server: Greeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once over TLS lose answers, in a Python without a lock there."""
    began: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        if threading.current_thread() is threading.main_thread():
            began.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    told = _over(server.host)
    with socket_wire.connect(told.wire, f"ws://{server.host}/live") as reader:
        assert reader.receive(5) == "hello"
    assert began == []


def test_what_comes_after_a_message_is_the_next() -> None:
    def twice(line: ServerConnection) -> None:
        line.send("one")
        line.send("two")

    with greeting(twice) as server:
        told = _over(server.host)
        with socket_wire.connect(told.wire, f"ws://{server.host}/live") as reader:
            assert (reader.receive(5), reader.receive(5)) == ("one", "two")
            with pytest.raises(TimeoutError):
                reader.receive(1.1)


@pytest.mark.parametrize("each", [b"H", b"x-more: 1\r\n"], ids=["a byte", "a header"])
def test_an_answer_that_comes_in_bits_does_not_hold_the_socket_open(each: bytes) -> None:
    """Each bit comes in time; all of it has the time limit."""
    stop = threading.Event()

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line, suppress(OSError):
            line.sendall(b"HTTP/1.1 101 Switching Protocols\r\n"[: 1 if each == b"H" else None])
            while not stop.wait(0.02):
                line.sendall(each)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        told = _over(host)
        with (
            pytest.raises((TimeoutError, InvalidMessage)),
            socket_wire.connect(told.wire, f"ws://{host}/live", timeout_s=1.1),
        ):
            pass
        stop.set()
        thread.join()
    (seen,) = told.exchanges.seen_all
    assert seen.status is None


def test_a_server_that_does_not_hang_up_is_hung_up_on() -> None:
    """A socket is closed in its time limit, though what comes never ends."""
    stop = threading.Event()

    def on_and_on(line: ServerConnection) -> None:
        line.send("hello")
        while not stop.wait(0.02):
            try:
                line.ping()
            except ConnectionClosed:
                break
        stop.wait()

    with greeting(on_and_on) as server:
        told = _over(server.host)
        with socket_wire.connect(told.wire, f"ws://{server.host}/live", timeout_s=1.1) as reader:
            assert reader.receive(5) == "hello"
        stop.set()


def test_who_hangs_up_is_the_server() -> None:
    """Cut under what a server still says, its own end would be a broken line."""
    ended: list[str] = []

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            key = re.search(rb"sec-websocket-key: (\S+)", line.recv(65_536), re.IGNORECASE)
            accept = accept_key(key[1].decode()) if key else ""
            said = ["HTTP/1.1 101 X", "Upgrade: websocket", "Connection: Upgrade"]
            said += [f"Sec-WebSocket-Accept: {accept}", "", ""]
            line.sendall("\r\n".join(said).encode())
            assert line.recv(65_536)[0] == 0x88, "the frame that ends it"
            try:
                line.sendall((b"\x82\x7e\xff\xff" + bytes(65_535)) * 256)  # more than waits anywhere
            except OSError as error:
                ended.append(type(error).__name__)
            else:
                ended.append("said all")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        with socket_wire.connect(_over(host).wire, f"ws://{host}/live", timeout_s=60):
            pass
        thread.join()
    assert ended == ["said all"]


def test_a_canary_does_not_open_a_socket(server: Greeting) -> None:
    told = _over(server.host)
    told.wire.trap.arm("c.canary")
    with (
        pytest.raises(CanaryEscaped),
        socket_wire.connect(told.wire, f"ws://{server.host}/live", (("x-request-id", "c.canary"),)),
    ):
        pass
    assert server.asked == []


def test_a_guarded_socket_passes_the_net_unseen(server: Greeting) -> None:
    told = _over(server.host)
    seen: list[Sighting] = []
    net = Net(told.wire.perimeter, seen.append)
    net.cast()
    try:
        with socket_wire.connect(told.wire, f"ws://{server.host}/live") as reader:
            assert reader.receive(5) == "hello"
    finally:
        net.draw_in()
    assert seen == []


def test_what_a_socket_stands_on_is_loaded_before_anything_is_judged(
    server: Greeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one thread at a time, as for each client."""
    monkeypatch.setattr(first_use, "SOCKETS", ("no_such_module_is_there",))
    told = _over(server.host)
    with pytest.raises(ConnectorError), socket_wire.connect(told.wire, f"ws://{server.host}/live"):
        pass
    assert (told.exchanges.seen_all, server.asked) == ([], [])


def test_an_answer_that_is_none_leaves_no_line_open() -> None:
    """A server that hangs up, or speaks something else: told, and closed."""
    with raw_server() as raw:
        told = _over(raw.host)
        raw.drops = 1
        with pytest.raises(InvalidMessage) as refused, socket_wire.connect(told.wire, f"ws://{raw.host}/live"):
            pass
        (seen,) = told.exchanges.seen_all
        assert (seen.status, seen.problem) == (None, type(refused.value).__name__)
