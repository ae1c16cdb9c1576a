"""The guard under requests: nothing of the process, of an earlier answer, or of a caller gets in."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests
from azure.core import PipelineClient
from azure.core.pipeline.policies import RedirectPolicy
from azure.core.rest import HttpRequest

from rollback.connectors.together import AT_ONCE
from rollback.errors import GuardRefusal
from rollback.guard.wire import azure_wire
from rollback.guard.wire.requests_adapter import guarded_session
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.guard.support import bench
from tests.guard.wire.leaving import agrees, azure_request, over
from tests.guard.wire.raw import Raw, raw_server

ELSEWHERE = b"HTTP/1.1 307 X\r\nLocation: https://evil.example/x\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def raw() -> Iterator[Raw]:
    with raw_server() as running:
        yield running


def test_no_login_is_taken_from_a_file_of_the_person(
    raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests would look into ~/.netrc, and send what it finds there for the host."""
    logins = tmp_path / "netrc"
    logins.write_text("default login somebody password word")
    monkeypatch.setenv("NETRC", str(logins))
    azure_wire.transport(over(raw).wire).send(azure_request("GET", f"{raw.url}/b/1", {}, None))
    (taken,) = raw.taken
    assert taken.header("authorization") == []


def test_a_cookie_is_not_sent_back(raw: Raw) -> None:
    raw.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}"
    transport = azure_wire.transport(over(raw).wire)
    for _ in range(2):
        transport.send(azure_request("GET", f"{raw.url}/b/1", {}, None))
    assert [taken.header("cookie") for taken in raw.taken] == [[], []]


def test_a_redirect_is_an_answer(raw: Raw) -> None:
    """Whoever asked decides what comes of it; nothing is followed below the guard."""
    told = over(raw)
    raw.answer = ELSEWHERE
    answer = azure_wire.transport(told.wire).send(azure_request("GET", f"{raw.url}/b/1", {}, None))
    assert (answer.status_code, answer.headers["location"]) == (307, "https://evil.example/x")
    assert [seen.status for seen in told.exchanges.seen_all] == [307]
    assert len(raw.taken) == 1


def test_a_redirect_that_azure_core_follows_is_judged(raw: Raw) -> None:
    told = over(raw)
    raw.answer = ELSEWHERE
    made: Any = azure_wire.transport(told.wire)
    with (
        PipelineClient[Any, Any](raw.url, policies=[RedirectPolicy()], transport=made) as client,
        pytest.raises(GuardRefusal) as refused,
    ):
        client.send_request(HttpRequest("GET", f"{raw.url}/b/1"))
    assert refused.value.code == "guard.host.unknown"
    assert len(raw.taken) == 1


def test_a_prepared_body_without_a_length_leaves_whole(raw: Raw) -> None:
    """Under the adapter requests would send it in chunks: another framing than was judged."""
    told = over(raw)
    made = requests.Request("PUT", f"{raw.url}/b/1", {"If-None-Match": "*"}, data=b"abc").prepare()
    del made.headers["Content-Length"]
    with guarded_session(told.wire) as session:
        session.send(made)
    (taken,) = raw.taken
    agrees(told.wire.admitted[-1], taken)  # type: ignore[attr-defined]
    assert (taken.header("content-length"), taken.body) == (["3"], b"abc")


@pytest.mark.parametrize("known", ["localhost", "localhost:80"])
def test_a_name_without_a_port_is_mapped_as_port_80(raw: Raw, known: str) -> None:
    told = bench(
        perimeter=Perimeter(hosts=(GuardedHost(host="localhost:80", kind=HostKind.WEB),)),
        network=Network(resolve=((known, raw.host),)),
    )
    azure_wire.transport(told.wire).send(azure_request("GET", "http://localhost/b/1", {}, None))
    (taken,) = raw.taken
    assert taken.header("host") == ["localhost"]


def test_as_many_connections_are_kept_as_are_read_by_side_by_side(raw: Raw) -> None:
    """One more than that at once is served too, but not kept: the next time it is opened again."""
    transport = azure_wire.transport(over(raw).wire)
    everyone = AT_ONCE + 1
    raw.meet = Barrier(everyone)
    with ThreadPoolExecutor(everyone) as readers:
        for _ in range(2):
            list(readers.map(
                lambda number: transport.send(azure_request("GET", f"{raw.url}/b/{number}", {}, None)),
                range(everyone),
            ))  # fmt: skip
    assert len(raw.taken) == 2 * everyone
    assert raw.lines == everyone + 1


def test_a_closed_transport_ends_its_connections(raw: Raw) -> None:
    """Also where somebody still holds its session: nothing stays open for that."""
    transport = azure_wire.transport(over(raw).wire)
    transport.send(azure_request("GET", f"{raw.url}/b/1", {}, None))
    session = transport.session
    assert not raw.hung_up.acquire(blocking=False)
    transport.close()
    assert raw.hung_up.acquire(timeout=30)
    assert (session is None, transport.session) == (False, None)
