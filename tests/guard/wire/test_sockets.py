"""A web socket, against the real server of the same library: how it opens, is told of, and ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.http11 import Request as Asked
from websockets.http11 import Response
from websockets.sync.server import ServerConnection, serve

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
def greeting() -> Iterator[Greeting]:
    """A server that says hello, and stays on the line."""
    story = Greeting()

    def hello(line: ServerConnection) -> None:
        line.send("hello")
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

    with serve(hello, "127.0.0.1", 0, process_request=answer, process_response=number) as server:
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


def _timers() -> list[threading.Timer]:
    return [
        one
        for one in threading.enumerate()
        if isinstance(one, threading.Timer) and not one.finished.is_set()
    ]


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
    assert _timers() == []


@pytest.mark.parametrize("port", [":80", "", ":81"])
def test_a_socket_without_a_port_goes_to_its_schemes(server: Greeting, port: str) -> None:
    """A port that is named is kept: another one of the same host is another host."""
    host = f"localhost{port or ':80'}"
    told = _over(host, resolve=((host, server.host),))
    with socket_wire.connect(told.wire, f"ws://localhost{port}/live") as reader:
        assert reader.receive(5) == "hello"


def test_the_line_is_cut_at_twice_the_time_limit(server: Greeting) -> None:
    """By a thread that keeps no process alive, and is gone when the socket is."""
    told = _over(server.host)
    with socket_wire.connect(told.wire, f"ws://{server.host}/live") as reader:
        (cut,) = _timers()
        assert (cut.interval, cut.daemon) == (10, True)
        assert reader.receive(5) == "hello"
        cut.function(*cut.args)
        with pytest.raises(ConnectionClosed):
            reader.receive(60)
    assert _timers() == []
    cut.function(*cut.args)  # it may go off as the line is closed


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
    assert _timers() == []
