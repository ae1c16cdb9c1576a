"""A store that is hostile, or broken: nothing of it is read without an end, and it says what it was."""

from __future__ import annotations

import itertools
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rollback.connectors import object_store
from rollback.errors import ConnectorError
from rollback.guard.wire import botocore_leaf, bounded_answer, timed_answer
from rollback.rehearsal.simulator.s3 import S3Server
from tests.connectors.loopback import Little, Said, answer, serving
from tests.connectors.stand import VARIABLES, Stand, stand
from tests.connectors.test_object_store import bucket, effect

ECHO = VARIABLES["S3_KEY"]
MOST, PARSED = 2**20, 2**16
ETAG = 'ETag: "x"'


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are reached soon."""
    monkeypatch.setattr(bounded_answer, "BYTES_MAX", MOST)
    monkeypatch.setattr(botocore_leaf, "PARSED_BYTES_MAX", PARSED)


@contextmanager
def store(say: Callable[[int], Said]) -> Iterator[tuple[Stand, Little]]:
    with serving(say) as little:
        env = bucket(S3Server(f"http://{little.host}", "x", "", None))  # type: ignore[arg-type]
        with stand(env) as here:
            yield here, little
        assert here.latch.tripped() is None, "an odd answer does not end the run"


def failure(
    say: Callable[[int], Said], read: Callable[[Stand], object]
) -> tuple[ConnectorError, int]:
    """The error of a read, and how often it was asked."""
    with store(say) as (here, little):
        with pytest.raises(ConnectorError) as caught:
            read(here)
        assert ECHO not in "".join(traceback.format_exception(caught.value))
        return caught.value, len(little.asked)


def get(here: Stand) -> object:
    return here.clients.s3().get("evidence/x")


def keys(here: Stand) -> object:
    return here.clients.s3().keys("evidence/")


def head(status: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, ETAG.encode(), *lines, b"", b""])


def chunked(status: bytes) -> Iterator[bytes]:
    yield head(status, b"Transfer-Encoding: chunked")
    while True:
        yield b"10000\r\n" + b"<a/>" * 16_384 + b"\r\n"


def until_closed(status: bytes) -> Iterator[bytes]:
    yield head(status)
    while True:
        yield b" " * 65_536


@pytest.mark.parametrize("without_end", [chunked, until_closed])
@pytest.mark.parametrize(
    ("status", "read"),
    [(b"200 OK", get), (b"404 Not Found", get), (b"500 Oops", get), (b"200 OK", keys)],
    ids=["an object", "no object", "an error", "a list"],
)
def test_an_answer_without_end_is_not_read_to_its_end(
    without_end: Callable[[bytes], Iterator[bytes]],
    status: bytes,
    read: Callable[[Stand], object],
) -> None:
    error, asked = failure(lambda _: without_end(status), read)
    assert (error.code, error.transient, asked) == ("object-store.too-large", False, 1)
    assert "larger, or takes longer, than it may" in error.reason


def test_nor_is_the_answer_to_a_write() -> None:
    with serving(lambda _: chunked(b"200 OK")) as little:
        env = bucket(S3Server(f"http://{little.host}", "x", "", None))  # type: ignore[arg-type]
        put = effect(env, "evidence/{key}")
        with stand(env, put) as here, pytest.raises(ConnectorError) as caught:
            here.clients.s3().create(put, "evidence/x", b"x")
        assert len(little.asked) == 1
    assert caught.value.code == "object-store.too-large"
    assert here.ledger.counts["e#put"] == 8, "it was sent"


@pytest.mark.parametrize("more", [0, 1])
def test_an_object_may_be_as_large_as_any_answer(*, more: int) -> None:
    body = b"z" * (MOST + more)
    if more:
        error, _ = failure(lambda _: answer("200 OK", body, ETAG), get)
        assert error.code == "object-store.too-large"
        return
    with store(lambda _: answer("200 OK", body, ETAG)) as (here, _):
        assert get(here) == (body, '"x"')


@pytest.mark.parametrize("more", [0, 1])
def test_a_list_may_be_smaller(*, more: int) -> None:
    """What is parsed takes many times its size."""
    begin, end = b"<ListBucketResult><Contents><Key>k</Key></Contents>", b"</ListBucketResult>"
    body = begin + b" " * (PARSED - len(begin) - len(end) + more) + end
    if more:
        error, _ = failure(lambda _: answer("200 OK", body), keys)
        assert error.code == "object-store.too-large"
        return
    with store(lambda _: answer("200 OK", body)) as (here, _):
        assert keys(here) == ("k",)


@pytest.mark.parametrize("read", [get, keys])
def test_trailers_without_end_are_not_waited_for(
    read: Callable[[Stand], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_answer, "SECONDS_MAX", -1.0)
    begin = head(b"200 OK", b"Transfer-Encoding: chunked") + b"4\r\n<a/>\r\n0\r\n"
    error, asked = failure(lambda _: [begin, b"X: y\r\n" * 5_000 + b"\r\n"], read)
    assert (error.code, error.transient, asked) == ("object-store.timeout", True, 3)


def test_a_list_whose_pages_do_not_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names another next page, and holds nothing."""
    monkeypatch.setattr(object_store, "PAGES_MAX", 20)
    numbers = itertools.count()

    def page(_: int) -> bytes:
        told = f"<NextContinuationToken>{next(numbers)}</NextContinuationToken>"
        more = "<IsTruncated>true</IsTruncated>"
        return answer("200 OK", f"<ListBucketResult>{more}{told}</ListBucketResult>".encode())

    error, asked = failure(page, keys)
    assert (error.code, asked) == ("object-store.unreadable", 20)
    assert "the list does not end" in error.reason


@pytest.mark.parametrize(
    "said",
    [
        answer("301 Moved", b"<Error><Code>PermanentRedirect</Code></Error>"),
        answer("301 Moved", b"", "x-amz-bucket-region: eu-west-2"),
        answer("301 Moved", b"", "x-amz-bucket-region: elsewhere.example/x"),
        answer("307 Moved", b"", "Location: http://elsewhere.example/x"),
        answer(
            "400 Bad",
            b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region></Error>",
        ),
    ],
)
@pytest.mark.parametrize("read", [get, keys])
def test_a_store_that_points_elsewhere_is_not_followed(
    said: bytes, read: Callable[[Stand], object]
) -> None:
    error, asked = failure(lambda _: said, read)
    assert (error.code, asked) == ("object-store.refused", 1)


ODD = {
    "no etag": (answer("200 OK", b"abc"), "unreadable", 1),
    "a date that is none": (
        answer("200 OK", b"abc", ETAG, "Last-Modified: never"),
        "unreadable",
        1,
    ),
    "cut short": (answer("200 OK", b"abc" * 9, ETAG)[:-2], "unreachable", 3),
    "an error cut short": (
        head(b"500 Oops", b"Transfer-Encoding: chunked") + b"ff\r\n<a/>",
        "unreachable",
        3,
    ),
    "a length that is none": (head(b"200 OK", b"Content-Length: -5") + b"abc", "unreachable", 3),
    "a page": (answer("403 No", f"<html>{ECHO}".encode()), "denied", 1),
    "the secret": (answer("403 No", f"<Error><Code>{ECHO}</Code></Error>".encode()), "denied", 1),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_told_as_that(what: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    said, code, tries = ODD[what]
    error, asked = failure(lambda _: said, get)
    assert (error.code, asked) == (f"object-store.{code}", tries)
    assert ECHO not in caplog.text
