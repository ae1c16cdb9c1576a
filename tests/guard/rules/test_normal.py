"""Normalisation: one reading, or a refusal. Fuzzed, and by the forms people know."""

from __future__ import annotations

import os
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.guard.rules.normal import normalise
from rollback.guard.rules.request import Denial, Normal, Request

HOST = "trading-cosmos.documents.azure.com"
FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""More of them by `make guard-fuzz`."""
HEADER_TEXT = st.text(max_size=20)
HOSTILE = st.text(
    alphabet=st.sampled_from(list("aZ0.-_~%/\\?#@:;&=+ \t\r\n\x00é\uff0f\u2215[]{}|\"'<>^`$*(),!")),
    max_size=40,
)


@given(method=st.text(max_size=8), url=st.text(max_size=80), name=HEADER_TEXT, value=HEADER_TEXT)
@settings(max_examples=FUZZ_EXAMPLES or 300, deadline=None)
def test_never_raises(method: str, url: str, name: str, value: str) -> None:
    """Whatever comes in, there is a normal form or a denial."""
    outcome = normalise(Request(method, url, ((name, value),), b""))
    assert isinstance(outcome, Normal | Denial)


@given(tail=HOSTILE, prefix=st.sampled_from([f"https://{HOST}", f"https://{HOST}/", "https://"]))
@settings(max_examples=FUZZ_EXAMPLES or 700, deadline=None)
def test_a_normal_form_has_one_reading(prefix: str, tail: str) -> None:
    """Decoding again, resolving dots, or splitting differently changes nothing that was accepted."""
    outcome = normalise(Request("GET", prefix + tail))
    if isinstance(outcome, Denial):
        return
    assert unquote(outcome.path) == outcome.path
    assert "//" not in outcome.path
    assert not {".", ".."} & set(outcome.path.split("/"))
    assert not set(outcome.path) & set("\\%?#;\x00")
    assert outcome.path.isascii()
    assert outcome.host == outcome.host.lower()
    assert not set(outcome.host) & set("@[]%/ ")
    assert len({name for name, _ in outcome.query}) == len(outcome.query)


@given(
    segments=st.lists(
        st.text(alphabet="abcXYZ019-_~", min_size=1, max_size=8), min_size=1, max_size=5
    ),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_one_level_of_encoding_is_the_same_request(
    segments: list[str], data: st.DataObject
) -> None:
    """Any plain character written as an escape reads as itself."""
    plain = "/" + "/".join(segments)
    encoded = "".join(
        f"%{ord(character):02X}" if character != "/" and data.draw(st.booleans()) else character
        for character in plain
    )
    first = normalise(Request("GET", f"https://{HOST}{plain}"))
    second = normalise(Request("GET", f"https://{HOST}{encoded}"))
    assert isinstance(first, Normal)
    assert first == second


@pytest.mark.parametrize(
    "url",
    [
        f"https://{HOST}/dbs/%2e%2e/x",
        f"https://{HOST}/dbs/../x",
        f"https://{HOST}/dbs/./x",
        f"https://{HOST}/dbs//x",
        f"https://{HOST}//dbs",
        f"https://{HOST}/dbs%2Fd",
        f"https://{HOST}/dbs%5Cd",
        f"https://{HOST}/dbs\\d",
        f"https://{HOST}/%2564bs",
        f"https://{HOST}/d%C1%A2s",
        f"https://{HOST}/%c0%ae%c0%ae/",
        f"https://{HOST}/dbs%",
        f"https://{HOST}/dbs%0a",
        f"https://{HOST}/dbs%00",
        f"https://{HOST}/dbs;v=1",
        f"https://{HOST}/dbs.",
        f"https://{HOST}/dbs.%20/x",
        f"https://{HOST}/dbs#x",
        f"https://{HOST}/" + quote("\uff44bs"),
        f"https://{HOST}/dbs?a=1&a=2",
        f"https://{HOST}/dbs?a=1&A=2",
        f"https://{HOST}/dbs?a=1;b=2",
        f"https://{HOST}/dbs?_method=PUT",
        "http://127.trading.example/dbs",
        "http://127.0.0.1.trading.example/dbs",
        f"https://{HOST}/dbs?a%00=1",
        f"https://{HOST}/dbs?a=%0d%0aX:1",
        f"https://{HOST}./dbs",
        f"https://{HOST}:/dbs",
        f"https://{HOST}:0443/dbs",
        f"https://{HOST}:99999/dbs",
        f"https://user@{HOST}/dbs",
        f"https://user:word@{HOST}/dbs",
        f"https://{HOST}@evil.example/dbs",
        f"https:/{HOST}/dbs",
        f"https:///{HOST}/dbs",
        f"https:\\\\{HOST}/dbs",
        f"//{HOST}/dbs",
        f"http://{HOST}/dbs",
        f"ftp://{HOST}/dbs",
        f"file:///{HOST}/dbs",
        f"https://{HOST}/https://{HOST}/dbs",
        "https://[::1]/dbs",
        "https://[::ffff:127.0.0.1]/dbs",
        "https://127.1/dbs",
        "https://2130706433/dbs",
        "https://0x7f.0.0.1/dbs",
        "https://0177.0.0.1/dbs",
        "https://tràding.example/dbs",
        "https://trading。example/dbs",
        "https://a..b/dbs",
        "https://-a.example/dbs",
        "https:// a.example/dbs",
        f"https://{HOST}/dbs?a=%zz",
        f"https://{HOST}/dbs?a=%4",
        f"https://{HOST}/dbs?%ff=1",
        f"https://{HOST}/dbs?a=%ff",
        f"https://{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 12}.x/",
        "",
    ],
)
def test_what_has_two_readings_is_refused(url: str) -> None:
    """Each of these was, somewhere, read in two ways."""
    assert isinstance(normalise(Request("GET", url)), Denial), url


@pytest.mark.parametrize(
    "headers",
    [
        (("Host", "evil.example"),),
        (("Accept", "a"), ("accept", "b")),
        (("X-HTTP-Method-Override", "PUT"),),
        (("x-http-method", "PUT"),),
        (("X-Method-Override", "PUT"),),
        (("x_http_method_override", "PUT"),),
        (("X-Original-URL", "/admin"),),
        (("Transfer-Encoding", "chunked"),),
        (("transfer-encoding", "identity"),),
        (("Trailer", "x-amz-checksum-crc32"),),
        (("x-amz-trailer", "x-amz-checksum-crc32"),),
        (("Upgrade", "h2c"),),
        (("Content-Encoding", "gzip"),),
        (("Content-Encoding", "aws-chunked"),),
        (("Content-Length", "1"),),
        (("Content-Length", "7"),),
        (("Content-Length", "02"),),
        (("Content-Type", "application/json, text/plain"),),
        (("Content-Type", "application/json; charset=utf-16"),),
        (("Content-Type", "application/json; charset=utf-8; charset=utf-7"),),
        (("Accept", "a\r\nX-Evil: 1"),),
        (("Accept\n", "a"),),
        (("Acc\nept", "a"),),
        (("", "a"),),
        (("a b", "c"),),
        (("Accept", "\u0100"),),
        (("Accept", "\xe9"),),
        (("Accept", "\x7f"),),
    ],
)
def test_headers_that_change_the_meaning_are_refused(headers: tuple[tuple[str, str], ...]) -> None:
    """Overrides, framings, smuggled lines and doubled headers have no normal form."""
    assert isinstance(normalise(Request("POST", f"https://{HOST}/dbs", headers, b"{}")), Denial)


def test_bodies_that_cannot_be_judged_are_refused() -> None:
    """A stream, a body that is not bytes, and a body where none belongs."""
    url = f"https://{HOST}/dbs"
    assert isinstance(normalise(Request("POST", url, streamed=True)), Denial)
    assert isinstance(normalise(Request("POST", url, body="text")), Denial)  # type: ignore[arg-type]
    assert isinstance(normalise(Request("GET", url, body=b"x")), Denial)
    assert isinstance(normalise(Request("HEAD", url, body=b"x")), Denial)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "OPTIONS"])
def test_a_form_that_overrides_the_method_is_refused(method: str) -> None:
    """Said to be a form, or not said to be anything."""
    form = ("Content-Type", "application/x-www-form-urlencoded")
    for headers in ((), (form,)):
        for body in (b"_method=PUT", b"a=b&%5fmethod=PUT", b"a;+X-HTTP-Method=PUT", b"$Method=PUT"):
            found = normalise(Request(method, f"https://{HOST}/dbs", headers, body))
            assert isinstance(found, Denial), (headers, body)
    assert isinstance(normalise(Request(method, f"https://{HOST}/dbs", (form,), b"a=_method")), Normal)
    chunk = Request("PUT", f"https://{HOST}/chunk", (), b"\x28\xb5&_method=PUT")
    assert isinstance(normalise(chunk), Normal)


def test_the_normal_form_is_stated() -> None:
    """Case, default port and trailing slash, as documented."""
    seen = normalise(
        Request("GET", f"HTTPS://{HOST.upper()}:443/dbs/D/?b=2&a=%31", (("HOST", f"{HOST}:443"),))
    )
    assert isinstance(seen, Normal)
    assert (seen.host, seen.path, seen.segments) == (HOST, "/dbs/D/", ("dbs", "D"))
    assert seen.query == (("a", "1"), ("b", "2"))


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "GET ", "", "PROPFIND", "MERGE"])
def test_methods_nobody_knows_are_refused(method: str) -> None:
    """Also those that differ from a known one by letters only."""
    outcome = normalise(Request(method, f"https://{HOST}/dbs"))
    assert isinstance(outcome, Denial)
    assert outcome.rule == "normal.method"


def test_a_denial_says_which_promise_it_keeps() -> None:
    """A spoilt address of a Cosmos account is about the control plane; another is not."""
    spoilt = normalise(Request("PUT", f"https://{HOST}./dbs"))
    assert isinstance(spoilt, Denial)
    assert spoilt.promise == "no-control-plane-rewrite"
    other = normalise(Request("PUT", "https://elsewhere.example./dbs"))
    assert isinstance(other, Denial)
    assert other.promise == "fail-closed"
    number = normalise(Request("PUT", 7))  # type: ignore[arg-type]
    assert isinstance(number, Denial)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://3d.example", "3d.example", "/"),
        ("https://10.0.0.1/a", "10.0.0.1", "/a"),
        ("https://a.example:80/", "a.example:80", "/"),
        ("https://a.example:8443/", "a.example:8443", "/"),
        ("http://127.0.0.1/", "127.0.0.1:80", "/"),
        ("http://127.0.0.1:80/", "127.0.0.1:80", "/"),
        ("http://127.0.0.1:443/", "127.0.0.1:443", "/"),
        ("http://localhost:81/a//", None, None),
        ("wss://a.example/ws?x=1", "a.example", "/ws"),
        ("https://a.example/.well-known/a..b/c.d", "a.example", "/.well-known/a..b/c.d"),
    ],
)
def test_hosts_and_paths_in_normal_form(url: str, host: str | None, path: str | None) -> None:
    """Ports stay where they are not the scheme's own; plain http always says its port."""
    outcome = normalise(Request("GET", url))
    if host is None:
        assert isinstance(outcome, Denial)
    else:
        assert isinstance(outcome, Normal)
        assert (outcome.host, outcome.path) == (host, path)


@pytest.mark.parametrize(
    ("url", "said", "agrees"),
    [
        ("http://127.0.0.1/", "127.0.0.1", True),
        ("http://127.0.0.1:81/", "127.0.0.1:81", True),
        ("http://127.0.0.1:81/", "127.0.0.1", False),
        ("https://a.example/", "A.example:443", True),
        ("https://a.example/", "a.example:80", False),
        ("https://a.example:80/", "a.example", False),
    ],
)
def test_the_host_header_agrees(url: str, said: str, agrees: bool) -> None:
    outcome = normalise(Request("GET", url, (("Host", said),)))
    assert isinstance(outcome, Normal) is agrees


class Text(str):
    """Is text, and may be more."""

    __slots__ = ()


@pytest.mark.parametrize(
    "request_",
    [
        Request(Text("GET"), f"https://{HOST}/"),
        Request("GET", Text(f"https://{HOST}/")),
        Request("GET", f"https://{HOST}/", ((Text("accept"), "a"),)),
        Request("GET", f"https://{HOST}/", (("accept", Text("a")),)),
        Request("GET", f"https://{HOST}/", (("accept", b"a"),)),  # type: ignore[arg-type]
        Request("GET", f"https://{HOST}/", ((b"accept", "a"),)),  # type: ignore[arg-type]
        Request("GET", f"https://{HOST}/", (("accept", 1),)),  # type: ignore[arg-type]
    ],
)
def test_only_text_itself_is_judged(request_: Request) -> None:
    """A subclass may compare as one thing and be written as another."""
    assert isinstance(normalise(request_), Denial)
