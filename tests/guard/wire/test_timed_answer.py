"""An answer under azure-core and botocore is bounded in time: its head and its trailers too."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3  # type: ignore[import-untyped, unused-ignore]
import pytest
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import HttpRequest
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.exceptions import HTTPClientError  # type: ignore[import-untyped, unused-ignore]
from urllib3.exceptions import HTTPError

from rollback.guard.wire import azure_wire, botocore_wire, timed_answer
from rollback.guard.wire.bounded_answer import whole
from rollback.guard.wire.timed_answer import TimedResponse
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.connectors.loopback import answer, serving
from tests.guard.support import bench

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n"
TRAILERS = b"X: y\r\n" * 5_000 + b"\r\n"
LONG = b"x" * 300_000
LATE = {
    "interim answers": [INTERIM, answer("200 OK", b"{}")],
    "a long head": [answer("200 OK", b"{}", *(f"X-{n}: {'y' * 900}" for n in range(90)))],
    "trailers": [CHUNKED, TRAILERS],
}
CLIENTS = {"azure-core": AzureError, "botocore": HTTPClientError}


def read(client: str, said: list[bytes]) -> bytes:
    """What a client makes of that answer."""
    with serving(lambda _: said) as little:
        guarded = GuardedHost(host=little.host, kind=HostKind.STORE)
        wire = bench(perimeter=Perimeter(hosts=(guarded,))).wire
        if client == "azure-core":
            with azure_wire.transport(wire) as transport:
                request = HttpRequest("GET", f"http://{little.host}/b/1")
                return bytes(transport.send(request).body())
        s3 = boto3.client(
            "s3", region_name="eu", endpoint_url=f"http://{little.host}",
            aws_access_key_id="a", aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )  # fmt: skip
        with closing(botocore_wire.guard(wire, s3)):
            return bytes(s3.get_object(Bucket="bucket", Key="1")["Body"].read())


@pytest.mark.parametrize("what", LATE)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_comes_in_time_is_whole(client: str, what: str) -> None:
    assert read(client, LATE[what]) == b"{}"


@pytest.mark.parametrize("what", LATE)
@pytest.mark.parametrize("client", CLIENTS)
def test_what_goes_on_too_long_is_not_waited_for(
    client: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_answer, "SECONDS_MAX", -1.0)
    with pytest.raises(CLIENTS[client]):
        read(client, LATE[what])


def test_a_body_in_one_piece_is_not_waited_for_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of Cosmos is read by one call, which only what is below it can end in time."""
    with serving(lambda _: [answer("200 OK", LONG)]) as little:
        guarded = GuardedHost(host=little.host, kind=HostKind.STORE)
        wire = bench(perimeter=Perimeter(hosts=(guarded,))).wire
        with azure_wire.transport(wire) as transport:
            request = HttpRequest("GET", f"http://{little.host}/b/1")
            response: Any = transport.send(request, stream=True)
            assert whole(response.internal_response.raw) == LONG
            monkeypatch.setattr(timed_answer, "SECONDS_MAX", -1.0)
            response = transport.send(request, stream=True)
            with pytest.raises(HTTPError):
                whole(response.internal_response.raw)


class Hands:
    """A clock that a test sets; `step` goes on at each look."""

    def __init__(self, now: float = 0.0, step: float = 0.0) -> None:
        self.now, self.step = now, step

    def monotonic(self) -> float:
        seen = self.now
        self.now += self.step
        return seen


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    made = Hands()
    monkeypatch.setattr(timed_answer, "time", made)
    return made


@contextmanager
def reading(said: bytes) -> Iterator[TimedResponse]:
    """An answer that is all there, more of it than is read at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        response = TimedResponse(ours)
        yield response
        response.close()


@pytest.mark.parametrize(("later", "stops"), [(60.0, False), (60.1, True)])
def test_the_head_has_a_minute_from_its_first_byte(
    hands: Hands, later: float, *, stops: bool
) -> None:
    with reading(INTERIM + answer("200 OK", b"{}")) as response:
        hands.now = 1_000.0  # how long nothing came is for the socket's own limit
        response.fp.peek(1)
        hands.now += later
        if stops:
            with pytest.raises(TimeoutError):
                response.begin()
        else:
            response.begin()
            assert response.read() == b"{}"


@pytest.mark.parametrize(("later", "stops"), [(60.0, False), (60.1, True)])
def test_what_follows_has_a_minute_from_the_end_of_the_head(
    hands: Hands, later: float, *, stops: bool
) -> None:
    with reading(CHUNKED + TRAILERS) as response:
        response.begin()
        hands.now += later
        if stops:
            with pytest.raises(TimeoutError):
                response.read()
        else:
            assert response.read() == b"{}"


def test_a_slow_head_takes_no_time_from_what_follows(hands: Hands) -> None:
    long = [f"X-{n}: {'y' * 900}" for n in range(12)]
    with reading(answer("200 OK", b"z" * 9_000, *long)) as response:
        hands.step = 40.0
        response.begin()
        hands.step = 0.0
        hands.now -= 40.0  # as it was when the head ended
        hands.now += 60.0
        assert response.read() == b"z" * 9_000


def test_a_closed_answer_leaves_its_connection_to_nobody(hands: Hands) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        response: Any = TimedResponse(ours)
        under = response.fp
        ours.close()
        response.close()
        assert theirs.recv(1) == b""
        assert under.closed
    assert hands.now == 0.0
