"""An answer under azure-core is bounded: in size as it is unpacked, and in time."""

from __future__ import annotations

import gzip
import zlib
from contextlib import nullcontext
from io import BytesIO
from typing import Any

import pytest
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import HttpRequest
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.response import HTTPResponse

from rollback.guard.wire import azure_wire, bounded_answer
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.connectors.loopback import answer, serving
from tests.guard.support import bench

WORDS = b'{"a":"' + b"0123456789" * 40_000 + b'"}'


def chunked(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Connection: close", *headers, "", ""]
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    told = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return "\r\n".join(lines).encode() + told + b"0\r\n\r\n"


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(bytes(2**20)) for _ in range(bounded_answer.BYTES_MAX // 2**20 + 1)]
    return b"".join([*packed, packer.flush()])


def read(said: bytes, *, stream: bool, whole: bool = False) -> bytes:
    """What azure-core makes of that answer. whole: taken below it, in one piece."""
    with serving(lambda _: said) as little:
        guarded = GuardedHost(host=little.host, kind=HostKind.STORE)
        told = bench(perimeter=Perimeter(hosts=(guarded,)))
        with azure_wire.transport(told.wire) as transport:
            request = HttpRequest("GET", f"http://{little.host}/b/1")
            response: Any = transport.send(request, stream=stream or whole)
            if whole:
                return bytes(bounded_answer.whole(response.internal_response.raw))
            return b"".join(response.stream_download(None)) if stream else response.body()


GZIP = "Content-Encoding: gzip"


HONEST = {
    "plain": answer("200 OK", WORDS),
    "gzip": answer("200 OK", gzip.compress(WORDS), GZIP),
    "deflate": answer("200 OK", zlib.compress(WORDS), "Content-Encoding: deflate"),
    "chunked": chunked(WORDS),
    "chunked gzip": chunked(gzip.compress(WORDS), GZIP),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("said", HONEST.values(), ids=HONEST)
def test_an_honest_answer_is_whole(said: bytes, *, stream: bool) -> None:
    assert read(said, stream=stream) == WORDS


@pytest.mark.parametrize("said", HONEST.values(), ids=HONEST)
def test_in_one_piece_an_answer_is_the_same(said: bytes) -> None:
    assert read(said, stream=True, whole=True) == WORDS


def test_in_one_piece_it_is_unpacked_and_counted_all_the_same() -> None:
    for said in (answer("200 OK", bomb(), GZIP), answer("200 OK", WORDS)[:-1]):
        with pytest.raises(HTTPError):
            read(said, stream=True, whole=True)


@pytest.mark.parametrize("bound", [("BYTES_MAX", len(WORDS) - 1), ("SECONDS_MAX", -1.0)])
def test_in_one_piece_it_is_held_to_the_same_bounds(
    monkeypatch: pytest.MonkeyPatch, bound: tuple[str, float]
) -> None:
    monkeypatch.setattr(bounded_answer, *bound)
    with pytest.raises(bounded_answer.TooMuchError):
        read(answer("200 OK", WORDS), stream=True, whole=True)


def test_in_one_piece_a_connection_is_kept() -> None:
    with serving(lambda _: answer("200 OK", WORDS, "Connection: keep-alive")) as little:
        guarded = GuardedHost(host=little.host, kind=HostKind.STORE)
        told = bench(perimeter=Perimeter(hosts=(guarded,)))
        with azure_wire.transport(told.wire) as transport:
            request = HttpRequest("GET", f"http://{little.host}/b/1")
            response: Any = transport.send(request, stream=True)
            assert bounded_answer.whole(response.internal_response.raw) == WORDS
            assert response.internal_response.raw.isclosed()
            assert response.internal_response.raw.connection is None  # it is back in its pool


@pytest.mark.parametrize("stream", [False, True])
def test_no_body_is_none(*, stream: bool) -> None:
    assert read(answer("204 No Content"), stream=stream) == b""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("frame", [answer, lambda _, body, header: chunked(body, header)])
def test_what_unpacks_to_more_than_fits_is_not_taken(frame: Any, *, stream: bool) -> None:
    packed = bomb()
    assert len(packed) < 200_000
    with pytest.raises(AzureError):
        read(frame("200 OK", packed, GZIP), stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_what_takes_too_long_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, *, stream: bool
) -> None:
    monkeypatch.setattr(bounded_answer, "SECONDS_MAX", -1.0)
    with pytest.raises(AzureError):
        read(answer("200 OK", WORDS), stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_cut_short_is_an_error(*, stream: bool) -> None:
    with pytest.raises(AzureError):
        read(answer("200 OK", WORDS)[:-1], stream=stream)


def test_an_answer_of_megabytes_fits() -> None:
    large = WORDS * 8
    assert len(large) > 2**21
    assert read(answer("200 OK", large), stream=False) == large


def bounded(body: bytes) -> HTTPResponse:
    raw = HTTPResponse(BytesIO(body), preload_content=False)
    bounded_answer.bound(raw)
    return raw


@pytest.mark.parametrize("asked", [None, -1])
def test_all_of_it_is_at_most_64_mebibytes(asked: int | None) -> None:
    most = 64 * 2**20
    assert len(bounded(bytes(most)).read(asked)) == most
    with pytest.raises(ProtocolError):
        bounded(bytes(most + 1)).read(asked)


@pytest.mark.parametrize(("asked", "given"), [(0, b""), (1, b"a"), (3, b"abc")])
def test_a_part_is_as_large_as_was_asked_for(asked: int, given: bytes) -> None:
    raw = bounded(b"abcdef")
    assert raw.read(asked) == given
    assert raw.data == b"abcdef"[asked:]


@pytest.mark.parametrize(("now", "stops"), [(160.0, False), (160.1, True)])
def test_the_time_counts_from_the_head(
    monkeypatch: pytest.MonkeyPatch, now: float, *, stops: bool
) -> None:
    readings = iter((100.0, now))
    monkeypatch.setattr("rollback.guard.wire.bounded_answer.time.monotonic", lambda: next(readings))
    raw = bounded(b"x")
    with pytest.raises(ProtocolError) if stops else nullcontext():
        assert raw.read() == b"x"
