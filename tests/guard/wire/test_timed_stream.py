"""An answer under httpx is bounded in time: its head, its interim answers and its body."""

from __future__ import annotations

import ssl
from typing import Any

import httpcore
import httpx
import pytest

from rollback.errors import ConnectorError
from rollback.guard.wire import httpx_wire, timed_stream
from rollback.guard.wire.timed_stream import TimedStream
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.connectors.loopback import answer, host_at, serving
from tests.guard.support import bench
from tests.guard.wire.raw import raw_server

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000
LATE = {
    "interim answers": [INTERIM, answer("200 OK", b"{}")],
    "a long body": [answer("200 OK", b" " * 200_000)],
}


@pytest.mark.parametrize("what", LATE)
def test_what_comes_in_time_is_whole(what: str) -> None:
    with (
        serving(lambda _: LATE[what]) as little,
        host_at(little, bytes_max=300_000) as (http, *_),
    ):
        assert http.get("/a").status == 200


@pytest.mark.parametrize("what", LATE)
def test_what_goes_on_too_long_is_not_waited_for(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_stream, "SECONDS_MAX", -1.0)
    with (
        serving(lambda _: LATE[what]) as little,
        host_at(little, bytes_max=300_000) as (http, *_),
        pytest.raises(ConnectorError) as caught,
    ):
        http.get("/a", tries=1)
    assert (caught.value.code, caught.value.transient) == ("http.timeout", True)


def test_each_answer_of_a_connection_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is short is read at once, however little time there is."""
    monkeypatch.setattr(timed_stream, "SECONDS_MAX", -1.0)
    with raw_server() as raw:
        guarded = GuardedHost(host=raw.host, kind=HostKind.BACKEND)
        wire = bench(perimeter=Perimeter(hosts=(guarded,))).wire
        with httpx.Client(transport=httpx_wire.transport(wire)) as client:
            for _ in range(3):
                assert client.get(f"{raw.url}/a").content == b"{}"
        assert (len(raw.taken), raw.lines) == (3, 1)


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("later", "stops"), [(120.0, False), (120.1, True)])
def test_it_counts_from_the_first_byte(
    monkeypatch: pytest.MonkeyPatch, later: float, *, stops: bool
) -> None:
    hands = Hands()
    monkeypatch.setattr(timed_stream, "time", hands)
    stream = TimedStream(httpcore.MockStream([b"a", b"b", b"c"]))
    hands.now += 500.0  # how long nothing comes is for the limit of httpx
    assert stream.read(9) == b"a"
    hands.now += later
    if stops:
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(9)
        stream.write(b"another request")
    assert stream.read(9) == b"b"


class Plain(httpcore.NetworkStream):
    """A connection that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        self.asked.append((ssl_context, server_hostname, timeout))
        return self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.asked.append((max_bytes, timeout))
        return b"a"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.asked.append((buffer, timeout))

    def get_extra_info(self, info: str) -> Any:
        return info.upper()

    def close(self) -> None:
        self.asked.append("close")


def test_all_of_a_connection_is_there_over_tls_too() -> None:
    plain, context = Plain(), ssl.create_default_context()
    stream = TimedStream(plain).start_tls(context, "a.example", 3.0)
    assert isinstance(stream, TimedStream)
    assert stream.read(5, 2.0) == b"a"
    stream.write(b"b", 1.0)
    assert stream.get_extra_info("socket") == "SOCKET"
    stream.close()
    assert plain.asked == [(context, "a.example", 3.0), (5, 2.0), (b"b", 1.0), "close"]
