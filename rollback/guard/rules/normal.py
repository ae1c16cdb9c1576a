"""Normalisation before judgement. What two readers could read in two ways is refused.

The rules, each cited by its number where it is kept:

N1  a body is there in whole, or the request is refused; so are chunked and trailer framings,
    a change of protocol, and a body said to be a part of something. ``Connection`` names no
    header: what it names is taken out on the way (an ``If-None-Match`` would be)
N2  the address is plain ASCII without spaces, backslashes, fragment or user. Method, address and
    headers are text itself, never something that only answers like text
N3  the scheme is https (or wss); http only on this machine and to the local metadata address
N4  the host is a name or an IPv4 address in normal form; a trailing dot, an IPv6 form, a non-ASCII
    name or a port out of range is refused; a Host header says the same host
N5  the path is decoded once, strictly as UTF-8 (overlong forms fail); afterwards it holds no
    percent sign (double encoding), no encoded slash, no dot or empty segment, no path parameter
N6  each query name stands once, in whatever case, and is plain; no other separator than ``&``
N7  each header stands once, is named by letters, digits and dashes, and has a value of printable
    ASCII (beyond it, clients differ in the bytes they send)
N8  no header, query name or name in a form overrides the method; no header another target
N9  one content type, with no parameter but charset=utf-8; no content coding; the length agrees
N10 GET and HEAD have no body; the method is one of the seven known, in capitals
"""

from __future__ import annotations

import hashlib
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from rollback.guard.rules.request import NO_REWRITE, Denial, Normal, Pairs, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

METADATA_HOST: Final = "169.254.169.254:80"
"""Where managed identities ask for tokens (link-local, http by design)."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ADDRESS: Final = re.compile(
    r"(https?|wss?)://([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(\d{1,5}))?"
    r"(/[!-\"$-.0-9:-<>=@A-\[\]-~/]*)?(?:\?([!-\"$-\[\]-~]*))?",
    re.IGNORECASE,
)
_PLAIN_PATH: Final = re.compile(
    r"(?:/\.?[A-Za-z0-9_~!$&'()*+,=:@|{}-]+(?:\.+[A-Za-z0-9_~!$&'()*+,=:@|{}-]+)*)*/?"
)
"""A path that needs no decoding and has no segment that anybody could read in another way."""
_DECODED_PATH: Final = re.compile(r"/[ !$&-,.-:=@A-\[\]_a-~/-]*")
_AMBIGUOUS_SEGMENT: Final = re.compile(r"//|(?:^|/)\.{1,2}(?:/|$)|[. ](?:/|$)|/ ")
_ENCODED_SLASH: Final = re.compile(r"%(?:2[fF]|5[cC])")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUERY_NAME: Final = re.compile(r"[A-Za-z0-9$._~\[\]-]+")
_UNPRINTABLE: Final = re.compile(r"[^\t\x20-\x7e]")
_HEADER_NAMES: Final = re.compile(r"[a-z0-9\n-]*")
_MEDIA_TYPE: Final = re.compile(
    r"([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)(?:; ?charset=\"?utf-8\"?)?"
)
_NUMBER_HOST: Final = re.compile(r"(?:0[xX][0-9a-fA-F]+|\d+)(?:\.(?:0[xX][0-9a-fA-F]*|\d+))*")
_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?=\d)|$)){4}")
_OVERRIDING_HEADER: Final = re.compile(
    r"method|override|rewrite|forwarded|original|^x-host$", re.MULTILINE
)
_FRAMING_HEADERS: Final = frozenset({
    "transfer-encoding", "trailer", "x-amz-trailer", "upgrade", "content-range",
})  # fmt: skip
_CONNECTION: Final = frozenset({"keep-alive", "close", "upgrade"})
_FORMS: Final = frozenset({"", "application/x-www-form-urlencoded"})
"""A body without a type is taken for a form by some; that of a PUT, which is what stores keep, by
nobody."""
_OVERRIDING_NAMES: Final = frozenset({
    "_method", "_httpmethod", "x-http-method", "x-http-method-override", "x-method-override",
    "$method",
})  # fmt: skip
_PORTS: Final = {"https": "443", "wss": "443", "http": "80", "ws": "80"}
_SMELL: Final = re.compile(
    r"documents\.azure|cosmos\.azure|cosmosdb\.azure|documentdb|microsoftazure\.de", re.IGNORECASE
)
_EMPTY: Mapping[str, str] = MappingProxyType({})


def normalise(request: Request) -> Normal | Denial:
    """The normal form of a request, or why it has none. Never raises."""
    try:
        outcome = _normalise(request)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        outcome = Denial("normal.error", f"cannot be normalised: {type(error).__name__}")
    if isinstance(outcome, Denial) and _smells(request):
        return Denial(outcome.rule, outcome.reason, NO_REWRITE)
    return outcome


def _smells(request: Request) -> bool:
    url = request.url if isinstance(request.url, str) else repr(request.url)
    return _SMELL.search(url) is not None


def _normalise(request: Request) -> Normal | Denial:  # noqa: C901, PLR0911 (a way out per rule)
    if request.streamed:  # N1
        return Denial("normal.streamed", "a body that comes piece by piece cannot be judged")
    method, body = request.method, request.body
    if body is None:
        body = b""
    elif type(body) is not bytes:  # N1
        return Denial("normal.body", "the body is not bytes")
    if type(method) is not str or method not in _METHODS:  # N2, N10
        return Denial("normal.method", "a method that is not known, or not in capitals")
    if body and method in {"GET", "HEAD"}:  # N10
        return Denial("normal.body", f"{method} with a body")
    address = _ADDRESS.fullmatch(request.url)  # N2
    if address is None or type(request.url) is not str:
        return Denial("normal.address", "the address is not in a form that has one reading")
    headers = _headers(request.headers)
    if isinstance(headers, Denial):
        return headers
    scheme = address[1].lower()
    host = _host(scheme, address[2], address[3], headers.get("host"))
    if isinstance(host, Denial):
        return host
    path = _path(address[4] or "/")
    if isinstance(path, Denial):
        return path
    query = _query(address[5]) if address[5] else ()
    if isinstance(query, Denial):
        return query
    media_type = _content(headers, method, body)
    if isinstance(media_type, Denial):
        return media_type
    segments = tuple(path[1:].split("/")) if path != "/" else ()
    if segments and not segments[-1]:
        segments = segments[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return Normal(method, scheme, host, path, segments, query, headers, media_type, body, digest)


def _host(scheme: str, name: str, port: str | None, header: str | None) -> str | Denial:
    host = name.lower()
    if ".." in host:  # N4 (its length, at most 253, is the address's)
        return Denial("normal.host", "not a host name in normal form")
    if host[0].isdigit() and _NUMBER_HOST.fullmatch(host) and not _IPV4.fullmatch(host):  # N4
        return Denial("normal.host", "a number that is not an IPv4 address in normal form")
    local = host == "localhost" or (host.startswith("127.") and _IPV4.fullmatch(host) is not None)
    if port is not None:
        if port[0] == "0" or int(port) > 65535:  # N4  # noqa: PLR2004 (ports end there)
            return Denial("normal.port", "not a port in normal form")
        if port != "443" or scheme in {"http", "ws"}:
            host = f"{host}:{port}"
    elif scheme in {"http", "ws"}:
        host += ":80"
    if scheme in {"http", "ws"} and not local and host != METADATA_HOST:  # N3
        return Denial("normal.scheme", "not encrypted, and not on this machine")
    if header is not None:
        said = header.lower()
        if said != host and f"{said}:{_PORTS[scheme]}" != host and said != f"{host}:443":  # N4
            return Denial("normal.host-header", "the Host header names another host")
    return host


def _path(raw: str) -> str | Denial:
    if _PLAIN_PATH.fullmatch(raw):
        return raw
    if _BROKEN_ESCAPE.search(raw) or _ENCODED_SLASH.search(raw):  # N5
        return Denial("normal.path", "an encoded slash or a broken escape in the path")
    try:
        path = unquote_to_bytes(raw).decode("utf-8", "strict")
    except UnicodeDecodeError:
        return Denial("normal.path", "the path is not UTF-8 in its shortest form")
    if not _DECODED_PATH.fullmatch(path):  # N5
        return Denial("normal.path", "after decoding once, the path holds what can mean more")
    if _AMBIGUOUS_SEGMENT.search(path):  # N5
        return Denial("normal.path", "a dot segment, an empty segment, or one that ends in a dot")
    return path


def _query(raw: str) -> Pairs | Denial:
    if ";" in raw:  # N6
        return Denial("normal.query", "a semicolon in the query, which some take for a separator")
    pairs: dict[str, str] = {}
    names: set[str] = set()
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        if "%" in part:
            if _BROKEN_ESCAPE.search(part):
                return Denial("normal.query", "a broken escape in the query")
            try:
                name = unquote_to_bytes(name).decode("utf-8", "strict")
                value = unquote_to_bytes(value).decode("utf-8", "strict")
            except UnicodeDecodeError:
                return Denial("normal.query", "the query is not UTF-8 in its shortest form")
            if not value.isprintable():
                return Denial("normal.query", "a control character in the query")
        if not _QUERY_NAME.fullmatch(name):  # N6
            return Denial("normal.query", "a query name that is not plain")
        lower = name.lower()
        if lower in names:  # N6
            return Denial("normal.query", "a query name stands twice")
        if lower in _OVERRIDING_NAMES:  # N8
            return Denial("normal.override", "the query overrides the method")
        names.add(lower)
        pairs[name] = value
    return tuple(sorted(pairs.items()))


def _headers(given: Pairs) -> Mapping[str, str] | Denial:
    if not given:
        return _EMPTY
    headers = {}
    for name, value in given:
        if type(name) is not str or type(value) is not str:  # N2
            return Denial("normal.headers", "a header that is not text")
        headers[name.lower()] = value
    if len(headers) != len(given):  # N7
        return Denial("normal.headers", "a header stands twice")
    names = "\n".join(headers)
    if not _HEADER_NAMES.fullmatch(names) or names.count("\n") >= len(headers) or "" in headers:
        return Denial(
            "normal.headers", "a header name that is not letters, digits and dashes"
        )  # N7
    if _UNPRINTABLE.search("".join(headers.values())):  # N7
        return Denial("normal.headers", "a header value that is not printable ASCII")
    if _OVERRIDING_HEADER.search(names):  # N8
        return Denial("normal.override", "a header overrides the method, the target or the host")
    if not _FRAMING_HEADERS.isdisjoint(headers):  # N1
        return Denial("normal.streamed", "another framing or protocol cannot be judged")
    if headers.get("connection", "close").lower() not in _CONNECTION:  # N1
        return Denial("normal.connection", "a header that takes others out on the way")
    return headers


def _content(headers: Mapping[str, str], method: str, body: bytes) -> str | Denial:
    coding = headers.get("content-encoding")
    if coding is not None and coding.lower() != "identity":  # N9
        return Denial("normal.coding", "a coded body cannot be judged")
    length = headers.get("content-length")
    if length is not None and length != str(len(body)):  # N9
        return Denial("normal.length", "the length header does not agree with the body")
    said, media_type = headers.get("content-type"), ""
    if said is not None:
        media = _MEDIA_TYPE.fullmatch(said.lower())
        if media is None:  # N9
            return Denial("normal.content-type", "not one content type in normal form")
        media_type = media[1]
    if method != "PUT" and media_type in _FORMS and _form_overrides(body):  # N8
        return Denial("normal.override", "a form overrides the method")
    return media_type


def _form_overrides(body: bytes) -> bool:
    parts = re.split(b"[&;]", body.replace(b"+", b" "))
    names = (unquote_to_bytes(part.partition(b"=")[0]).strip().lower() for part in parts)
    return any(name.decode("latin-1") in _OVERRIDING_NAMES for name in names)
