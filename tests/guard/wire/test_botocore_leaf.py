"""What a store answers is bounded under boto3: an object as any answer, what is parsed sooner."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped, unused-ignore]
    ClientError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from rollback.guard.wire import botocore_leaf, bounded_answer
from tests.connectors.loopback import answer, serving
from tests.guard.wire.counting import Counting
from tests.guard.wire.test_botocore import BUCKET, KEY, client_of

MOST, PARSED = 2**17, 2**16
LIST = (b"<ListBucketResult>", b"</ListBucketResult>")
Ask = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are reached soon."""
    monkeypatch.setattr(bounded_answer, "BYTES_MAX", MOST)
    monkeypatch.setattr(botocore_leaf, "PARSED_BYTES_MAX", PARSED)


def get(client: Any) -> bytes:
    data: bytes = client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    return data


def listed(client: Any) -> Any:
    return client.list_objects_v2(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"]


def heard(status: str, body: bytes, ask: Ask) -> Any:
    with serving(lambda _: answer(status, body)) as little:
        return ask(client_of(Counting(port=little.port)))


def a_list(size: int) -> bytes:
    begin, end = LIST
    return begin + b" " * (size - len(begin) - len(end)) + end


def test_up_to_the_bound_it_is_read() -> None:
    assert heard("200 OK", b"z" * MOST, get) == b"z" * MOST
    assert heard("200 OK", a_list(PARSED), listed) == 200


@pytest.mark.parametrize(
    ("status", "size", "ask"),
    [
        ("200 OK", PARSED + 1, listed),
        ("300 Multiple Choices", PARSED + 1, get),
        ("404 Not Found", PARSED + 1, get),
    ],
    ids=["a list", "where to look", "an error"],
)
def test_above_it_what_is_parsed_is_not(status: str, size: int, ask: Ask) -> None:
    with pytest.raises(ResponseStreamingError):
        heard(status, a_list(size), ask)


def test_nor_is_an_object() -> None:
    with pytest.raises(Exception, match="larger, or takes longer"):
        heard("200 OK", b"z" * (MOST + 1), get)


def test_an_error_in_bounds_is_what_it_says() -> None:
    said = b"<Error><Code>NoSuchKey</Code></Error>"
    with pytest.raises(ClientError) as caught:
        heard("404 Not Found", said, get)
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"


def test_a_list_whose_end_does_not_come_is_a_time_limit_passed() -> None:
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            line.recv(65_536)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<a")
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        client = client_of(Counting(port=listener.getsockname()[1]), read_timeout=0.2)
        with pytest.raises(ReadTimeoutError):
            listed(client)
        over.set()
        thread.join()
