"""What leaves is what was judged: the bytes at a socket, held against the normal form.

The guard reads a request above the last lines of each client. Whatever those lines do to it (encode
anew, frame, add headers, send again) is seen here, by a server that shares no code with either.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from rollback.errors import GuardRefusal
from rollback.guard.wire import azure_wire
from tests.guard.wire.leaving import CLIENTS, agrees, azure_request, over, sender
from tests.guard.wire.raw import Raw, raw_server

CASES = 250


@pytest.fixture
def raw() -> Iterator[Raw]:
    with raw_server() as running:
        yield running


@pytest.fixture(params=CLIENTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


PIECES = (
    "a", "Z9", "-._~", "!$&'()*+,=:@", "%20", "%7e", "%7E", "%2d", "%41", "{k}", "|", "^", '"', "<b>",
    "[1]", ";v=1", "%3B", "%3b", "%2f", "%5C", "%25", "%2e", "..", ".", "%c3%a9", "é", "%00", "%", "`",
    "\\", "#f", "?",
)  # fmt: skip


def _case(chance: random.Random) -> tuple[str, str, dict[str, str], bytes | None]:
    def text() -> str:
        return "".join(chance.choice(PIECES[: chance.choice((9, 9, 9, len(PIECES)))]) for _ in range(chance.randint(1, 4)))

    path = "/b/" + "/".join(text() for _ in range(chance.randint(1, 3))) + chance.choice(("", "", "/"))
    if chance.random() < 0.4:
        names = [chance.choice(("a", "B", "api-version", "$top", "x%2dy", text())) for _ in range(2)]
        values = [chance.choice((text(), quote(text()), "a+b", "", "1")) for _ in names]
        path += "?" + "&".join(f"{one}={two}" for one, two in zip(names, values, strict=True))
    headers = {
        chance.choice(("x-ms-date", "X-Plain", "accept", "if-match")): chance.choice(
            ("a", " padded ", "tab\tin", "é", "a,b", '"e"')
        )
        for _ in range(chance.randint(0, 2))
    }
    if chance.random() < 0.7:
        return chance.choice(("GET", "GET", "HEAD")), path, headers, None
    body = bytes(chance.randrange(256) for _ in range(chance.randint(0, 40)))
    headers |= {"If-None-Match": "*", "Content-Type": "application/octet-stream"}
    if chance.random() < 0.7:
        headers["Content-Length"] = str(len(body))
    return "PUT", f"/b/{chance.randint(0, 999)}", headers, body


def test_the_bytes_are_those_of_the_normal_form(name: str, raw: Raw) -> None:
    """Thousands of odd requests; those that are let through arrive as they were judged."""
    told = over(raw)
    send = sender(name, told.wire)
    chance = random.Random(20261127)
    refused = 0
    for _ in range(CASES):
        method, path, headers, body = _case(chance)
        before = len(raw.taken)
        admitted = told.wire.admitted  # type: ignore[attr-defined]
        admitted.clear()
        try:
            send(method, raw.url + path, headers, body)
        except GuardRefusal:
            refused += 1
            told.latch.refusals.clear()
            assert len(raw.taken) == before
            continue
        except AssertionError:
            raise
        except Exception:  # noqa: BLE001 (what the client itself does not take)
            told.latch.refusals.clear()
            assert len(raw.taken) == before
            continue
        assert len(raw.taken) == before + 1, (method, path)
        agrees(admitted[-1], raw.taken[-1])
    assert refused > CASES // 20
    assert len(raw.taken) > CASES // 3


def test_a_lost_answer_is_not_asked_for_again(name: str, raw: Raw) -> None:
    """One verdict, one permission, one sending: no client sends again below the guard."""
    told = over(raw, times=5)
    send = sender(name, told.wire)
    raw.drops = 9
    headers = {"If-None-Match": "*", "Content-Type": "text/plain", "Content-Length": "1"}
    for method, path, said, body in (
        ("PUT", "/b/1", headers, b"x"),
        ("GET", "/b/1", {}, None),
    ):
        before = len(raw.taken)
        with pytest.raises(Exception) as lost:  # noqa: PT011 (each client has its own)
            send(method, raw.url + path, said, body)
        assert not isinstance(lost.value, GuardRefusal | AssertionError)
        assert len(raw.taken) == before + 1, method
        assert not isinstance(lost.value, NameError)
    assert len(told.ledger.spent) == 1
    assert [(seen.method, seen.status) for seen in told.exchanges.seen_all] == [("PUT", None), ("GET", None)]
    assert all(seen.problem for seen in told.exchanges.seen_all)


@pytest.mark.parametrize("name", ["azure-core", "azure-core-aio"])
@pytest.mark.parametrize(
    "more",
    [
        {"params": {"_method": "DELETE"}},
        {"json": {"targetSlot": "other"}},
        {"compress": True},
        {"chunked": True},
        {"headers": {"X-HTTP-Method": "DELETE"}},
        {"cookies": {"a": "b"}},
        {"auth": None},
        {"server_hostname": "elsewhere.example"},
        {"skip_auto_headers": ["host"]},
        {"allow_redirects": True},
        {"trace_request_ctx": 1},
        {"verify": False},
        {"cert": "none.pem"},
        {"proxy": "http://127.0.0.1:9"},
        {"ssl": False},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_a_caller_adds_for_the_client_below_changes_nothing(
    name: str, raw: Raw, more: dict[str, Any]
) -> None:
    """azure-core passes words it does not know on, down to the client; after the verdict, in aiohttp."""
    told = over(raw)
    headers = {"If-None-Match": "*", "Content-Type": "text/plain", "Content-Length": "0"}
    send = sender(name, told.wire)
    try:
        send("PUT", f"{raw.url}/b/1", headers, b"", **more)
    except (GuardRefusal, TypeError, ValueError):
        assert raw.taken == []
        return
    agrees(told.wire.admitted[-1], raw.taken[-1])  # type: ignore[attr-defined]
    assert raw.taken[-1].target == "/b/1"


@pytest.mark.parametrize("name", ["azure-core", "azure-core-aio"])
@pytest.mark.parametrize(
    "more",
    [
        {"connection_verify": False},
        {"connection_cert": "none.pem"},
        {"proxies": {"http": "http://127.0.0.1:9"}},
        {"stream": True},
        {"connection_timeout": 30, "read_timeout": 30},
    ],
    ids=lambda more: next(iter(more)),
)
def test_the_words_of_azure_core_are_taken(name: str, raw: Raw, more: dict[str, Any]) -> None:
    """Its clients say them by themselves. What the environment file settles has no effect."""
    told = over(raw)
    sender(name, told.wire)("GET", f"{raw.url}/b/1", {}, None, **more)
    (taken,) = raw.taken
    agrees(told.wire.admitted[-1], taken)  # type: ignore[attr-defined]


@pytest.mark.parametrize("opened", [False, True])
def test_a_closed_transport_sends_nothing_unguarded(raw: Raw, opened: bool) -> None:
    """azure-core would make itself a new session, without the guard, in one closed before its first use."""
    told = over(raw)
    transport = azure_wire.transport(told.wire)
    if opened:
        transport.open()
    transport.close()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"closed|no session"):
            transport.send(azure_request("DELETE", f"{raw.url}/b/1", {}, None))
    assert raw.taken == []
