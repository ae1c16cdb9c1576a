"""One host over guarded httpx: what comes back when the other side misbehaves."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable

import pytest

from rollback.connectors.webhook import notify_effect
from rollback.errors import ConnectorError, GuardRefusal, ProductDefect
from rollback.model.effect import HttpWrite
from rollback.model.environment import Channel, Secret
from rollback.model.scope import HostKind
from tests.connectors.loopback import answer, host_at, serving
from tests.connectors.stand import PatientClock


def message(host: str) -> HttpWrite:
    """A message to a channel, which might be sent five times."""
    channel = Channel(name="n", address=Secret(variable="WEBHOOK"), host=host, path="/hook")
    effect = notify_effect(channel, "/hook", id="n#post")
    return effect.model_copy(update={"times_max": 5})


def test_an_answer_is_an_answer_whatever_its_status() -> None:
    with serving(lambda _: answer("503 Busy", b"later")) as little, host_at(little) as (http, *_):
        got = http.get("/a", query=(("q", "a b&c"),), tries=3)
    assert (got.status, got.body) == (503, b"later")
    assert len(little.asked) == 1, "not asked again"
    assert little.asked[0].startswith(b"GET /a?q=a+b%26c HTTP/1.1\r\n")


def test_a_read_nobody_answered_is_asked_again_on_the_runs_clock() -> None:
    with (
        serving(lambda n: None if n < 2 else answer("200 OK", b"{}")) as little,
        host_at(little) as (http, _, clock),
    ):
        assert http.get("/a", tries=3).status == 200
        assert clock.waited == [0.2, 0.4]
        assert len(little.asked) == 3


def test_in_the_end_it_is_told_that_nobody_answered() -> None:
    with serving(lambda _: None) as little, host_at(little) as (http, *_):
        with pytest.raises(ConnectorError) as caught:
            http.get("/secret-path?x=1", tries=2)
        assert len(little.asked) == 2
    assert (caught.value.code, caught.value.transient) == ("http.dropped", True)
    assert "?" not in caught.value.reason


@pytest.mark.parametrize("status", ["429 Slow", "500 No", "503 No", "504 No"])
def test_a_write_is_sent_once(status: str) -> None:
    with serving(lambda _: answer(status, b"", "Retry-After: 0")) as little:
        effect = message(little.host)
        with host_at(little, effect, kind=HostKind.CHANNEL) as (http, *_):
            assert http.send(effect, b"{}", ()).status == int(status[:3])
    assert len(little.asked) == 1


@pytest.mark.parametrize("target", ["", "/hook"])
def test_a_write_whose_answer_is_lost_is_sent_once(target: str) -> None:
    with serving(lambda _: None) as little:
        effect = message(little.host)
        with (
            host_at(little, effect, kind=HostKind.CHANNEL) as (http, *_),
            pytest.raises(ConnectorError) as caught,
        ):
            http.send(effect, b"{}", (), secret_target=target)
    assert caught.value.transient
    assert len(little.asked) == 1


def test_an_effect_for_another_host_is_a_defect() -> None:
    with serving(lambda _: answer("200 OK")) as little:
        effect = message("elsewhere.example")
        with (
            host_at(little, effect, kind=HostKind.CHANNEL) as (http, *_),
            pytest.raises(ProductDefect),
        ):
            http.send(effect, b"{}", ())
    assert not little.asked


def test_a_write_without_a_permission_is_refused_and_latched() -> None:
    with serving(lambda _: answer("200 OK")) as little, host_at(little) as (http, latch, _):
        with pytest.raises(GuardRefusal):
            http.read_by_post("/api/control/trading", b"{}", ())
        assert latch.tripped() is not None
    assert not little.asked


def test_a_redirect_is_not_followed_and_a_cookie_is_not_kept() -> None:
    moved = answer("302 Found", b"", "Location: http://127.0.0.1:1/x", "Set-Cookie: a=b; Path=/")
    with serving(lambda _: moved) as little, host_at(little) as (http, *_):
        assert http.get("/a").status == 302
        assert http.get("/a").status == 302
    assert all(b"cookie" not in asked.lower() for asked in little.asked)


def test_a_fresh_read_forbids_cached_answers() -> None:
    with serving(lambda _: answer("200 OK")) as little, host_at(little) as (http, *_):
        http.get("/a", fresh=True)
    assert b"cache-control: no-cache" in little.asked[0].lower()


@pytest.mark.parametrize(
    "said",
    [
        answer("200 OK", b"x" * 10_001),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2710\r\n" + b"x" * 10_000
        + b"\r\n1\r\nx\r\n0\r\n\r\n",
        answer("200 OK", gzip.compress(b"x" * 200_000), "Content-Encoding: gzip"),
    ],
    ids=["long", "chunked", "bomb"],
)  # fmt: skip
def test_an_answer_that_is_too_large_is_not_taken(said: bytes) -> None:
    with (
        serving(lambda _: said) as little,
        host_at(little) as (http, *_),
        pytest.raises(ConnectorError) as caught,
    ):
        http.get("/a", tries=3)
    assert (caught.value.code, caught.value.transient) == ("http.too-large", False)


@pytest.mark.parametrize(
    "said",
    [
        answer("200 OK", gzip.compress(gzip.compress(b"x")), "Content-Encoding: gzip, gzip"),
        answer("200 OK", gzip.compress(gzip.compress(b"x")), *["Content-Encoding: gzip"] * 2),
        answer("200 OK", b"x", "Content-Encoding: br"),
        answer("200 OK", b"x", "Content-Encoding: zstd"),
        answer("200 OK", b"x", "Content-Encoding: x"),
    ],
    ids=["twice", "in two lines", "br", "zstd", "unknown"],
)
def test_an_answer_is_packed_once_and_as_was_asked(said: bytes) -> None:
    """Packed twice, two kilobytes are two gigabytes before anybody can count them."""
    with (
        serving(lambda _: said) as little,
        host_at(little) as (http, *_),
        pytest.raises(ConnectorError) as caught,
    ):
        http.get("/a", tries=3)
    assert (caught.value.code, caught.value.transient) == ("http.unreadable", False)
    assert "packed in a way" in caught.value.reason
    (asked,) = little.asked
    assert b"\r\naccept-encoding: gzip, deflate\r\n" in asked.lower()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress), ("identity", bytes)],
)
def test_what_is_packed_as_asked_is_unpacked(coding: str, pack: Callable[[bytes], bytes]) -> None:
    said = answer("200 OK", pack(b"words"), f"Content-Encoding: {coding}")
    with serving(lambda _: said) as little, host_at(little) as (http, *_):
        assert http.get("/a").body == b"words"


def test_an_answer_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bad release's own hosts answer probes: none of them may hold up a halt for ever."""
    readings = itertools.count(0, 40)
    monkeypatch.setattr(PatientClock, "monotonic", lambda _: next(readings))
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50
    with (
        serving(lambda _: said) as little,
        host_at(little) as (http, *_),
        pytest.raises(ConnectorError) as caught,
    ):
        http.get("/a", tries=3)
    assert (caught.value.code, caught.value.transient) == ("http.timeout", False)


@pytest.mark.parametrize(
    "said",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header\x00: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n",
        answer("200 OK", b"no gzip", "Content-Encoding: gzip"),
    ],
)
def test_a_hostile_answer_is_an_error_of_ours(said: bytes) -> None:
    with (
        serving(lambda _: said) as little,
        host_at(little) as (http, *_),
        pytest.raises(ConnectorError) as caught,
    ):
        http.get("/a", tries=1)
    assert caught.value.code in {"http.dropped", "http.unreadable"}


def test_whether_the_request_id_was_echoed_is_told() -> None:
    with (
        serving(lambda n: answer("200 OK", b"", f"x-request-id: r-1.step.1.{n + 1}")) as little,
        host_at(little) as (http, *_),
    ):
        first, second = http.get("/a"), http.get("/a")
    with serving(lambda _: answer("200 OK")) as little, host_at(little) as (http, *_):
        silent = http.get("/a")
    assert (first.request_id, first.echoed) == ("r-1.step.1.1", True)
    assert (second.request_id, second.echoed) == ("r-1.step.1.2", True)
    assert silent.echoed is False


def test_a_header_that_would_split_the_request_is_refused() -> None:
    with (
        serving(lambda _: answer("200 OK")) as little,
        host_at(little) as (http, *_),
        pytest.raises((ConnectorError, GuardRefusal)),
    ):
        http.get("/a", headers=(("x-a", "b\r\nx-c: d"),))
    assert not little.asked


def test_a_socket_that_is_refused_or_nonsense_is_told_not_raised() -> None:
    with serving(lambda _: answer("401 No")) as little, host_at(little) as (http, *_):
        refused = http.socket("/ws")
    with serving(lambda _: b"nonsense\r\n\r\n") as little, host_at(little) as (http, *_):
        nonsense = http.socket("/ws")
    with serving(lambda _: None) as little, host_at(little) as (http, *_):
        silent = http.socket("/ws")
    assert (refused.status, refused.message) == (401, "")
    assert refused.problem
    assert nonsense.status == silent.status == 0
    assert nonsense.problem
    assert silent.problem


def test_a_socket_outside_the_perimeter_is_refused() -> None:
    with (
        serving(lambda _: None) as little,
        host_at(little, kind=HostKind.CHANNEL) as (http, *_),
        pytest.raises(GuardRefusal),
    ):
        http.socket("/ws")
    assert not little.asked
