"""A short, slow, obviously right reading of the guard's rules, and a generator of hostile requests.

The oracle shares no code with the guard: no regular expressions, no caching, one question after
another. It answers ``read``, ``exchange``, an effect's id, or None for a denial.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import rfc8785

from rollback.model.effect import BoundedBody, ExactBody, NoBody, SelfAddressedBody

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollback.guard.rules.request import Request
    from rollback.model.effect import HttpWrite

LETTERS_AND_DIGITS = set(string.ascii_letters + string.digits)
READ_OPERATIONS = {"Read", "ReadFeed", "Query", "SqlQuery", "QueryPlan", "Head", "HeadFeed"}
WRITE_HEADERS = {
    "x-ms-documentdb-is-upsert", "x-ms-cosmos-is-batch-request", "x-ms-cosmos-batch-atomic",
    "x-ms-cosmos-batch-continue-on-error", "x-ms-documentdb-pre-trigger-include",
    "x-ms-documentdb-post-trigger-include", "x-ms-offer-throughput",
    "x-ms-cosmos-offer-autopilot-settings",
}  # fmt: skip
FEEDS = {
    "dbs",
    "colls",
    "docs",
    "users",
    "permissions",
    "sprocs",
    "triggers",
    "udfs",
    "conflicts",
    "offers",
}


class No(Exception):
    """Denied."""


def need(condition: object) -> None:
    """Deny unless it holds."""
    if not condition:
        raise No


class Seen:
    """A request taken apart, character by character."""

    def __init__(self, request: Request) -> None:
        need(not request.streamed)
        self.method, self.body = request.method, request.body or b""
        need(self.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
        need(not (self.body and self.method in {"GET", "HEAD"}))
        need(all(" " < character < "\x7f" for character in request.url))
        need(not set(request.url) & {"#", "\\"})
        scheme, separator, rest = request.url.partition("://")
        self.scheme = scheme.lower()
        need(separator and self.scheme in {"https", "wss"})
        cut = min(len(rest), *(rest.find(mark) for mark in "/?" if mark in rest), len(rest))
        self.host = self.host_in_normal_form(rest[:cut])
        path, _, query = rest[cut:].partition("?")
        self.path = self.once_decoded(path or "/")
        self.segments = [part for part in self.path.split("/") if part]
        self.query = self.pairs(query)
        self.headers = self.each_once(request.headers)
        need(self.headers.get("host", self.host).lower() in {self.host, f"{self.host}:443"})
        self.media = self.one_type(self.headers.get("content-type", ""))
        need(self.headers.get("content-length", str(len(self.body))) == str(len(self.body)))
        if self.method != "PUT" and self.media in {"", "application/x-www-form-urlencoded"}:
            form = self.body.decode("latin-1").replace(";", "&").replace("+", " ")
            for part in form.split("&"):
                self.no_override(unquote(part.partition("=")[0], "latin-1").strip())
        need(self.headers.get("content-encoding", "identity").lower() == "identity")

    def host_in_normal_form(self, netloc: str) -> str:
        name, colon, port = netloc.lower().partition(":")
        need(name and set(name) <= set(string.ascii_lowercase + string.digits + ".-"))
        need(name[0] not in ".-" and name[-1] not in ".-" and ".." not in name)
        need(not name.replace(".", "").isdigit())
        if colon:
            need(port.isdecimal() and port[0] != "0" and 0 < int(port) < 65536)
        return name if port in {"", "443"} else f"{name}:{port}"

    def once_decoded(self, raw: str) -> str:
        pieces = raw.split("%")
        for piece in pieces[1:]:
            need(len(piece) >= 2 and set(piece[:2]) <= set(string.hexdigits))
            need(piece[:2].lower() not in {"2f", "5c"})
        try:
            path = unquote(raw, encoding="utf-8", errors="strict")
        except UnicodeDecodeError:
            raise No from None
        need(set(path) <= LETTERS_AND_DIGITS | set(" !$&'()*+,-./:=@[]_{|}~"))
        segments = path.split("/")
        for segment in segments[1:-1]:
            need(segment)
        for segment in segments:
            need(segment not in {".", ".."})
            need(not segment.endswith((".", " ")) and not segment.startswith(" "))
        return path

    def pairs(self, raw: str) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        need(";" not in raw)
        for part in raw.split("&") if raw else []:
            name, _, value = part.partition("=")
            for piece in part.split("%")[1:]:
                need(len(piece) >= 2 and set(piece[:2]) <= set(string.hexdigits))
            try:
                name, value = unquote(name, errors="strict"), unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise No from None
            need(name and set(name) <= LETTERS_AND_DIGITS | set("$._~[]-"))
            need(value.isprintable())
            need(name.lower() not in {known.lower() for known in found})
            self.no_override(name)
            found[name] = value
        return sorted(found.items())

    def no_override(self, name: str) -> None:
        need(name.lower() not in {"_method", "_httpmethod", "$method"})
        need(name.lower() not in {"x-http-method", "x-http-method-override", "x-method-override"})

    def each_once(self, given: Sequence[tuple[str, str]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in given:
            lower = name.lower()
            need(lower and set(lower) <= set(string.ascii_lowercase + string.digits + "-"))
            need(lower not in found)
            need(all(c == "\t" or " " <= c <= "~" for c in value))
            for word in ("method", "override", "original", "rewrite", "forwarded"):
                need(word not in lower)
            need(lower != "x-host")
            need(lower not in {"transfer-encoding", "trailer", "x-amz-trailer", "upgrade"})
            need(lower != "content-range")
            need(lower != "connection" or value.lower() in {"close", "keep-alive", "upgrade"})
            found[lower] = value
        return found

    def one_type(self, said: str) -> str:
        media, semicolon, parameter = said.lower().partition(";")
        if said:
            need(media.count("/") == 1 and not set(media) & set(", \t"))
        if semicolon:
            need(parameter.strip() in {"charset=utf-8", 'charset="utf-8"'})
        return media

    def form(self) -> dict[str, str]:
        need(all(byte < 128 for byte in self.body))
        said: dict[str, str] = {}
        for part in self.body.decode().split("&"):
            name, equals, value = part.replace("+", " ").partition("=")
            try:
                name, value = unquote(name, errors="strict"), unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise No from None
            need(equals and name not in said)
            said[name] = value
        return said

    def document(self) -> Any:
        try:
            return json.loads(self.body.decode())
        except ValueError:
            raise No from None


def oracle(
    request: Request,
    kinds: Mapping[str, str],
    tokens: Mapping[tuple[str, str], set[str]],
    roles: Mapping[str, str],
    *,
    applying: bool,
    effects: Sequence[HttpWrite],
    left: Mapping[str, int],
) -> str | None:
    """What must become of the request."""
    try:
        seen = Seen(request)
        kind = kinds.get(seen.host)
        region = seen.host.removeprefix("trading-cosmos-").removesuffix(".documents.azure.com")
        if seen.host == f"trading-cosmos-{region}.documents.azure.com" and region.isalnum():
            kind = "cosmos"
        need(kind)
        need(seen.scheme == "https" or (seen.method == "GET" and kind in {"backend", "web"}))
        if seen.host in roles and seen.path == "/":
            takes_role(seen, roles[seen.host])
            return "exchange"
        if (seen.host, seen.path) in tokens:
            need(seen.method == "POST" and not seen.query)
            if seen.media == "application/x-www-form-urlencoded":
                said = [seen.form().get("grant_type")]
            else:
                need(seen.media == "application/json")
                body = seen.document()
                need(isinstance(body, dict))
                said = [body.get("grant_type")]
            need(len(said) == 1 and said[0] in tokens[seen.host, seen.path])
            return "exchange"
        if reads(seen, str(kind)):
            return "read"
        need(applying and kind in {"arm", "store", "channel", "pipeline"})
        for effect in effects:
            if permits(effect, seen) and left.get(effect.id, 0) > 0:
                return effect.id
    except No:
        return None
    return None


BELOW = {
    "providers": {"microsoft.web", "microsoft.insights"},
    "microsoft.insights": {"eventtypes", "metrics", "metricdefinitions", "metricnamespaces"},
}
"""What may come after a name in a path of Resource Manager."""


def takes_role(seen: Seen, role: str) -> None:
    """Deny what is not exactly the one request that STS is sent."""
    need(seen.method == "POST" and not seen.query and len(seen.body) <= 2**16)
    need(seen.media == "application/x-www-form-urlencoded")
    need(not [name for name in seen.headers if name.startswith("x-amz-")])
    need("authorization" not in seen.headers)
    said = seen.form()
    token = said.pop("WebIdentityToken", "")
    need(4 <= len(token) <= 20000 and set(token) <= LETTERS_AND_DIGITS | set("._~+/=|-"))
    action = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15"}
    need(said == {**action, "RoleArn": role, "RoleSessionName": "trade-rollback"})


def reads(seen: Seen, kind: str) -> bool:
    """True where the request can only read."""
    plain = seen.method in {"GET", "HEAD"}
    lower = seen.path.lower().rstrip("/")
    if kind == "cosmos":
        return cosmos_reads(seen)
    if kind == "arm":
        inside = f"{lower}/".startswith("/subscriptions/00000000-0000-4000-8000-000000000001/")
        if not inside or "microsoft.documentdb" in lower:
            parts = lower.split("/")
            named = ["providers", "microsoft.documentdb", "databaseaccounts"]
            account = len(parts) == 9 and parts[3] == "resourcegroups" and parts[5:8] == named
            return inside and plain and account
        parts = lower.split("/")
        for name, after in itertools.pairwise(parts):
            if after not in BELOW.get(name, {after}):
                return False
        if {"hostruntime", "extensions", "dump", "networktrace", "token"} & set(parts):
            return False
        if {"networktraces", "masterkey", "publishingcredentials", "publishingusers"} & set(parts):
            return False
        secret = ("/listkeys", "/publishxml", "/config/connectionstrings/list", "/config/logs")
        if {"processes", "hybridconnection", "networkfeatures"} & set(parts) or lower.endswith(
            secret
        ):
            return False
        site = (
            len(parts) > 8
            and parts[3] == "resourcegroups"
            and parts[5:8] == ["providers", "microsoft.web", "sites"]
        )
        verb = "/".join(parts[11:] if parts[9:10] == ["slots"] else parts[9:])
        return plain or (
            seen.method == "POST"
            and site
            and verb in {"slotsdiffs", "config/appsettings/list", "containerlogs"}
        )
    if kind in {"backend", "web", "platform"}:
        declared = seen.path == "/api/search" and kind == "backend" and not seen.query
        return plain or (seen.method == "POST" and declared)
    if kind == "identity":
        return seen.method == "GET" and seen.path.endswith("/.well-known/openid-configuration")
    return plain and kind in {"store", "pipeline"}


def cosmos_reads(seen: Seen) -> bool:
    """The rule of section 1.2 of the measured facts."""
    if WRITE_HEADERS & set(seen.headers):
        return False
    declared = seen.headers.get("x-ms-thinclient-proxy-operation-type")
    if declared is not None and declared not in READ_OPERATIONS:
        return False
    if seen.method in {"GET", "HEAD"}:
        return True
    if seen.method != "POST" or declared is None or len(seen.segments) % 2 == 0:
        return False
    if not set(seen.segments[::2]) <= FEEDS:
        return False
    query = seen.headers.get("x-ms-documentdb-isquery", "").lower() == "true"
    plan = seen.headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true"
    if query and seen.media != "application/query+json":
        return False
    if not query and not (
        plan and seen.media == "application/json" and seen.segments[-1] == "docs"
    ):
        return False
    body = seen.document()
    return (
        isinstance(body, dict)
        and isinstance(body.get("query"), str)
        and set(body) <= {"query", "parameters", "options"}
    )


def plain_headers(seen: Seen) -> bool:
    """True where no header of a store makes another write of it."""
    vendors = [name for name in seen.headers if name.startswith(("x-amz-", "x-ms-"))]
    whole = seen.headers.get("x-ms-blob-type", "BlockBlob").lower() == "blockblob"
    return whole and set(vendors) <= {"x-ms-date", "x-ms-version", "x-ms-blob-type"}


def replaces(seen: Seen) -> bool:
    """True where it names what it replaces."""
    etag = seen.headers.get("if-match", "")
    one = bool(etag) and not any(mark in etag for mark in "*, \t")
    return one and "if-none-match" not in seen.headers


def permits(effect: HttpWrite, seen: Seen) -> bool:  # noqa: PLR0911 (one question each)
    """True where the effect covers exactly this request."""
    if (effect.method, effect.host, list(effect.query)) != (seen.method, seen.host, seen.query):
        return False
    creates = seen.headers.get("if-none-match") == "*" and "if-match" not in seen.headers
    body = effect.body
    head, _, tail = effect.path.rpartition("/")
    if effect.method == "PUT" and not plain_headers(seen):
        return False
    if isinstance(body, SelfAddressedBody):
        name = hashlib.sha256(seen.body).hexdigest()
        short = len(seen.body) <= body.bytes_max
        return seen.path == f"{head}/{name}" and tail == "{sha256}" and creates and short
    holds = {"create-only": creates, "if-match": replaces(seen), "none": True}
    if not holds[effect.condition]:
        return False
    if isinstance(body, BoundedBody):
        if len(seen.body) > body.bytes_max:
            return False
        if tail != "{key}":
            return seen.path == effect.path
        rest = seen.path.removeprefix(f"{head}/")
        parts = rest.split("/")
        safe = LETTERS_AND_DIGITS | set("._=@+-")
        return rest != seen.path and all(
            part and part[0] != "." and set(part) <= safe for part in parts
        )
    if seen.path != effect.path:
        return False
    if isinstance(body, NoBody):
        return not seen.body
    if not isinstance(body, ExactBody) or seen.media != "application/json":
        return False
    try:
        return hashlib.sha256(rfc8785.dumps(seen.document())).hexdigest() == body.sha256
    except ValueError:
        return False
