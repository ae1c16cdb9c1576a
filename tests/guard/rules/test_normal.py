"""Normalisation: one reading, or a refusal. Fuzzed, and by the forms people know."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.guard.rules.normal import normalise
from rollback.guard.rules.request import Denial, Normal, Request

HOST = "trading-cosmos.documents.azure.com"
HEADER_TEXT = st.text(max_size=20)
HOSTILE = st.text(
    alphabet=st.sampled_from(list("aZ0.-_~%/\\?#@:;&=+ \t\r\n\x00é\uff0f\u2215[]{}|\"'<>^`$*(),!")),
    max_size=40,
)


@given(method=st.text(max_size=8), url=st.text(max_size=80), name=HEADER_TEXT, value=HEADER_TEXT)
@settings(max_examples=300, deadline=None)
def test_never_raises(method: str, url: str, name: str, value: str) -> None:
    """Whatever comes in, there is a normal form or a denial."""
    outcome = normalise(Request(method, url, ((name, value),), b""))
    assert isinstance(outcome, Normal | Denial)


@given(tail=HOSTILE, prefix=st.sampled_from([f"https://{HOST}", f"https://{HOST}/", "https://"]))
@settings(max_examples=700, deadline=None)
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
        f"https://{HOST}/dbs?_method=PUT",
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
        (("Content-Length", "7"),),
        (("Content-Type", "application/json, text/plain"),),
        (("Content-Type", "application/json; charset=utf-16"),),
        (("Content-Type", "application/json; charset=utf-8; charset=utf-7"),),
        (("Accept", "a\r\nX-Evil: 1"),),
        (("Accept\n", "a"),),
        (("Acc\nept", "a"),),
        (("", "a"),),
        (("a b", "c"),),
        (("Accept", "\u0100"),),
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


def test_the_normal_form_is_stated() -> None:
    """Case, default port and trailing slash, as documented."""
    seen = normalise(
        Request("GET", f"HTTPS://{HOST.upper()}:443/dbs/D/?b=2&a=%31", (("HOST", f"{HOST}:443"),))
    )
    assert isinstance(seen, Normal)
    assert (seen.host, seen.path, seen.segments) == (HOST, "/dbs/D/", ("dbs", "D"))
    assert seen.query == (("a", "1"), ("b", "2"))
