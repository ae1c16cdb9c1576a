"""Requests for the oracle: valid ones of every kind, then spoilt by none, one or several hands."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace

from rollback.guard.rules.request import Request
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, NoBody, Purpose, SelfAddressedBody
from rollback.rehearsal.simulator import names
from tests.guard.support import ACCOUNT, ROLE, SITES, STS, exact, swap

BACKEND = f"{names.BACKEND}.azurewebsites.net"
WEB = f"{names.WEB}.azurewebsites.net"
BUCKET = f"{names.EVIDENCE_BUCKET}.s3.eu-west-1.amazonaws.com"
BLOBS = "trading.blob.core.windows.net"
KINDS = {
    names.COSMOS_HOST: "cosmos",
    names.ARM_HOST: "arm",
    BACKEND: "backend",
    f"{names.BACKEND}-staging.azurewebsites.net": "backend",
    WEB: "web",
    f"{names.WEB}-staging.azurewebsites.net": "web",
    names.PLATFORM_HOST: "platform",
    names.LOGIN_HOST: "identity",
    "s3.eu-west-1.amazonaws.com": "store",
    BUCKET: "store",
    BLOBS: "store",
    STS: "sts",
    names.WEBHOOK_HOST: "channel",
    names.GITHUB_HOST: "pipeline",
}
TOKENS = {
    (names.LOGIN_HOST, f"/{names.TENANT}/oauth2/v2.0/token"): {"client_credentials"},
    (names.PLATFORM_HOST, "/auth/token"): {"password", "refresh_token"},
}
ROLES = {STS: ROLE}
_UNDO = Undo(possible=False, by="")
_RULES = '{"properties":{"experiments":{"rampUpRules":[]}}}'
_RUN = f"/repos/{names.REPOSITORY}/actions/runs/7"
EFFECTS: tuple[HttpWrite, ...] = (
    swap(),
    swap("halt#rules", method="PATCH", path=f"{SITES}/{names.BACKEND}/config/web", body=exact(_RULES)),
    swap("start", path=f"{SITES}/{names.WEB}/slots/staging/start", body=NoBody()),
    swap("cancel", host=names.GITHUB_HOST, path=f"{_RUN}/cancel", query=(), body=NoBody()),
    HttpWrite(
        id="chunks", method="PUT", host=BUCKET, path="/evidence/chunks/{sha256}",
        body=SelfAddressedBody(bytes_max=64), condition="create-only", times_max=9,
        direction=Direction.NEITHER, purpose=Purpose.EVIDENCE, undo=_UNDO,
    ),
    HttpWrite(
        id="lease", method="PUT", host=BUCKET, path="/evidence/leases/{key}",
        body=BoundedBody(bytes_max=64), condition="create-only", times_max=9,
        direction=Direction.NEITHER, purpose=Purpose.LEASE, undo=_UNDO,
    ),
    HttpWrite(
        id="blobs", method="PUT", host=BLOBS, path="/evidence/chunks/{sha256}",
        body=SelfAddressedBody(bytes_max=64), condition="create-only", times_max=9,
        direction=Direction.NEITHER, purpose=Purpose.EVIDENCE, undo=_UNDO,
    ),
    HttpWrite(
        id="renew", method="PUT", host=BLOBS, path="/evidence/leases/{key}",
        body=BoundedBody(bytes_max=64), condition="if-match", times_max=9,
        direction=Direction.NEITHER, purpose=Purpose.LEASE, undo=_UNDO,
    ),
    HttpWrite(
        id="say", method="POST", host=names.WEBHOOK_HOST, path="/incident",
        body=BoundedBody(bytes_max=64), direction=Direction.NEITHER, purpose=Purpose.NOTIFY,
        undo=_UNDO,
    ),
)  # fmt: skip

_JSON = ("Content-Type", "application/json")
_DECLARED = "x-ms-thinclient-proxy-operation-type"
_COLLECTION = f"https://{names.COSMOS_HOST}/dbs/trading/colls/audit_log"
_ARM = f"https://{names.ARM_HOST}"
_VERSION = "?api-version=2025-05-01"
_CHUNK = b"a chunk"
_QUERY = b'{"query":"SELECT * FROM c","parameters":[]}'


_FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
_ARN = ROLE.replace(":", "%3A").replace("/", "%2F")
_TAKEN = (
    f"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={_ARN}"
    "&RoleSessionName=trade-rollback&WebIdentityToken=a.b-c_d"
)


def _sts(body: str) -> Request:
    return Request("POST", f"https://{STS}/", (_FORM,), body.encode())


def _json(method: str, url: str, body: bytes) -> Request:
    return Request(method, url, (_JSON,), body)


SEEDS: tuple[Request, ...] = (
    Request("GET", f"https://{names.COSMOS_HOST}/"),
    Request("GET", f"{_COLLECTION}/docs/1/", ((_DECLARED, "Read"),)),
    Request(
        "POST",
        f"{_COLLECTION}/docs/",
        (("Content-Type", "application/query+json"), ("x-ms-documentdb-isquery", "true"), (_DECLARED, "SqlQuery")),
        _QUERY,
    ),
    Request(
        "POST",
        f"{_COLLECTION}/docs/",
        (_JSON, ("x-ms-cosmos-is-query-plan-request", "True"), (_DECLARED, "SqlQuery")),
        _QUERY,
    ),
    Request(
        "POST",
        f"{_COLLECTION}/docs/",
        (_JSON, (_DECLARED, "Upsert"), ("x-ms-documentdb-is-upsert", "True")),
        b'{"id":"x"}',
    ),
    Request("POST", f"{_COLLECTION}/sprocs/s/", (_JSON, (_DECLARED, "ExecuteJavaScript")), b"[]"),
    Request("GET", "https://trading-cosmos-westeurope.documents.azure.com/dbs/trading/colls/"),
    Request("GET", f"{_ARM}{SITES}/{names.BACKEND}{_VERSION}"),
    Request("GET", f"{_ARM}{SITES}/{names.BACKEND}/instances/i/processes/1{_VERSION}"),
    Request("GET", f"{_ARM}{SITES}/{names.BACKEND}/config/logs{_VERSION}"),
    Request("GET", f"{_ARM}{SITES}/{names.BACKEND}/providers/Microsoft.Insights/metrics{_VERSION}"),
    Request("GET", f"{_ARM}{SITES}/x/providers/Microsoft.Insights/components/c{_VERSION}"),
    Request("GET", f"{_ARM}{ACCOUNT}{_VERSION}"),
    Request("PUT", f"{_ARM}{ACCOUNT}{_VERSION}", (_JSON,), b"{}"),
    _json("POST", f"{_ARM}{SITES}/{names.BACKEND}/slots/staging/slotsdiffs{_VERSION}", b"{}"),
    Request("POST", f"{_ARM}{SITES}/{names.BACKEND}/config/appsettings/list{_VERSION}"),
    Request("POST", f"{_ARM}{SITES}/{names.BACKEND}/config/connectionstrings/list{_VERSION}"),
    _json(
        "POST", f"{_ARM}{SITES}/{names.BACKEND}/slotsswap{_VERSION}",
        b'{"targetSlot": "staging", "preserveVnet": true}',
    ),
    _json("PATCH", f"{_ARM}{SITES}/{names.BACKEND}/config/web{_VERSION}", _RULES.encode()),
    Request("POST", f"{_ARM}{SITES}/{names.WEB}/slots/staging/start{_VERSION}"),
    Request("GET", f"https://{BACKEND}/api/release"),
    _json("POST", f"https://{BACKEND}/api/search", b"{}"),
    _json("PUT", f"https://{BACKEND}/api/control/trading", b"{}"),
    Request("HEAD", f"https://{WEB}/assets/app-1.js"),
    Request(
        "POST", f"https://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/token",
        (("Content-Type", "application/x-www-form-urlencoded"),),
        b"grant_type=client_credentials&client_id=c",
    ),
    _json("POST", f"https://{names.PLATFORM_HOST}/auth/token", b'{"grant_type":"password"}'),
    Request("GET", f"https://{names.LOGIN_HOST}/{names.TENANT}/v2.0/.well-known/openid-configuration"),
    Request(
        "PUT", f"https://{BUCKET}/evidence/chunks/{hashlib.sha256(_CHUNK).hexdigest()}",
        (("If-None-Match", "*"),), _CHUNK,
    ),
    Request("PUT", f"https://{BUCKET}/evidence/leases/backend/1.json", (("If-None-Match", "*"),), b"me"),
    Request(
        "PUT", f"https://{BLOBS}/evidence/chunks/{hashlib.sha256(_CHUNK).hexdigest()}",
        (("If-None-Match", "*"), ("x-ms-blob-type", "BlockBlob"), ("x-ms-version", "2026-10-06")), _CHUNK,
    ),
    Request(
        "PUT", f"https://{BLOBS}/evidence/leases/backend.json",
        (("x-ms-blob-type", "BlockBlob"), ("x-ms-date", "now"), ("If-Match", '"0x1"')), b"me",
    ),
    Request("PUT", f"https://{BLOBS}/evidence/leases/backend.json?comp=lease", (("If-Match", '"0x1"'), ("x-ms-lease-action", "break"))),
    Request("GET", f"https://{BLOBS}/evidence?restype=container&comp=list"),
    Request("GET", f"https://{BUCKET}/evidence/chunks/x"),
    _json("POST", f"https://{names.WEBHOOK_HOST}/incident", b'{"text":"reverted"}'),
    Request("GET", f"https://{names.GITHUB_HOST}/repos/trading/monorepo/actions/runs?status=queued"),
    Request("POST", f"https://{names.GITHUB_HOST}{_RUN}/cancel"),
    Request("GET", "https://elsewhere.example/"),
    _sts(_TAKEN),
    _sts(_TAKEN),
    _sts("Action=GetCallerIdentity&Version=2011-06-15"),
    _sts(f"{_TAKEN}&Policy=%7B%7D"),
    Request("GET", f"https://{STS}/"),
    Request("GET", f"https://{STS}/.well-known/openid-configuration"),
)  # fmt: skip

_METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "post",
    "POST ",
)
_HEADERS = (
    ("X-HTTP-Method-Override", "PUT"), ("X-HTTP-Method", "DELETE"), ("x_http_method", "PUT"),
    ("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip"), ("Content-Encoding", "identity"),
    ("Host", "evil.example"), ("Host", names.ARM_HOST), ("Content-Length", "5"), ("Accept", "a\r\nb: c"),
    ("x-ms-documentdb-is-upsert", "True"), ("x-ms-cosmos-is-batch-request", "True"),
    (_DECLARED, "Create"), (_DECLARED, "Query"), ("x-ms-documentdb-isquery", "True"),
    ("Content-Type", "application/json"), ("Content-Type", "application/query+json"),
    ("Content-Type", "application/json; charset=utf-8"), ("Content-Type", "text/plain, application/json"),
    ("If-None-Match", "*"), ("If-Match", "*"), ("If-Match", '"etag"'), ("Upgrade", "h2c"),
    ("x-amz-copy-source", "other/secret"), ("x-ms-copy-source", "https://other/secret"),
    ("x-ms-blob-type", "AppendBlob"), ("x-ms-lease-id", "1"), ("x-ms-tags", "a=b"), ("x-ms-meta-a", "b"), ("Accept", "application/json"), ("x-amz-trailer", "x"),
    ("Connection", "If-None-Match"), ("Connection", "close, x-ms-documentdb-isquery"), ("Connection", "Keep-Alive"),
    ("X-Original-Host", "a"), ("X-Forwarded-Path", "/a"), ("X-Host", "a"), ("Content-Range", "bytes 0-1/2"),
    ("Authorization", "AWS4-HMAC-SHA256 x"), ("X-Amz-Target", "GetCallerIdentity"), ("amz-sdk-request", "attempt=1"),
    ("If-Match", '"a", "b"'), ("If-Match", " "), ("If-Match", '"*"'),
)  # fmt: skip
_BODIES: tuple[bytes | None, ...] = (
    None, b"", b"{}", b"[]", b"not json", b'{"query":1}', _QUERY, b'{"query":"q","id":"x"}', b"x" * 65,
    b'{"preserveVnet":true,"targetSlot":"staging"}', b'{"targetSlot":"other","preserveVnet":true}',
    b'{"properties":{"COSMOS_ENDPOINT":"https://elsewhere"}}', b"grant_type=refresh_token",
    b"grant_type=client_credentials", b"\xff\xfe", b"a=b&_method=DELETE", b"%5Fmethod=PUT", b"a;+X-HTTP-Method=PUT",
)  # fmt: skip
_FIELDS = (
    "Action=AssumeRole", "Action=GetSessionToken", "action=AssumeRoleWithWebIdentity", "Version=2011-06-16",
    f"RoleArn={_ARN}x", f"RoleArn={ROLE}", f"RoleArn={_ARN.lower()}", "RoleArn=", "RoleSessionName=somebody",
    "RoleSessionName=trade%2Drollback", "WebIdentityToken=", "WebIdentityToken=abc", "WebIdentityToken=a+b+c",
    "WebIdentityToken=a.b;c=d", "WebIdentityToken=a%26b%3Dc", "WebIdentityToken=" + "x" * 20_001, "%57ebIdentityToken=abcd",
    "WebIdentityToken=%ff%fe%fd%fc", "DurationSeconds=900", "ProviderId=x", "PolicyArns.member.1.arn=a", "Policy", "",
    "=", "X=%zz",
)  # fmt: skip
_HOSTS = (
    *KINDS,
    "evil.example",
    "documents.azure.com",
    "127.1",
    "0x7f000001",
    "[::1]",
    "xn--e1afmkfd.example",
)


def spoil(request: Request, chance: random.Random) -> Request:  # noqa: C901, PLR0911, PLR0912
    """One hand's work on a request."""
    url = request.url
    at = chance.randrange(8, len(url))
    match chance.randrange(17):
        case 0:
            return replace(request, method=chance.choice(_METHODS))
        case 1 | 2:
            return replace(request, headers=(*request.headers, chance.choice(_HEADERS)))
        case 3:
            return replace(request, body=chance.choice(_BODIES))
        case 4:
            return replace(request, url=f"{url[:at]}%{ord(url[at]):02x}{url[at + 1 :]}")
        case 5:
            return replace(request, url=f"{url[:at]}%25{ord(url[at]):02X}{url[at + 1 :]}")
        case 6:
            piece = chance.choice(
                ("/..", "/.", "//", "/%2e%2e", "%2f", "\\", "%5c", ";a=b", "%00", "%c0%ae", " ", "é", "#f", "?", "&", "%", ".", "%20", "@", ":443", ":8443")
            )  # fmt: skip
            return replace(request, url=url[:at] + piece + url[at:])
        case 7:
            return replace(request, url=url[:at] + url[at:].swapcase())
        case 8:
            host = url.split("/")[2]
            return replace(request, url=url.replace(host, chance.choice(_HOSTS), 1))
        case 9:
            host = url.split("/")[2]
            form = chance.choice(
                (
                    f"{host}.",
                    f"{host}:443",
                    f"{host}:444",
                    f"user@{host}",
                    host.upper(),
                    f"{host}:0443",
                    f"{host}:",
                )
            )
            return replace(request, url=url.replace(host, form, 1))
        case 10:
            scheme = chance.choice(("http", "HTTPS", "ftp", "ws", "wss"))
            return replace(request, url=url.replace("https", scheme, 1))
        case 11:
            extra = chance.choice(
                ("a=b", "api-version=2025-05-01", "_method=PUT", "a%20b=c", "a=%0a", "x=%E2%80%AE")
            )
            return replace(request, url=f"{url}{'&' if '?' in url else '?'}{extra}")
        case 12:
            return replace(request, streamed=chance.random() < 0.5)
        case 13:
            return replace(request, headers=request.headers[:-1])
        case 14:
            other = chance.choice(SEEDS)
            return replace(request, url=other.url)
        case 15:
            return replace(request, body=_other_fields(request.body or b"", chance))
        case _:
            other = chance.choice(SEEDS)
            return replace(request, method=other.method, body=other.body, headers=other.headers)


def _other_fields(form: bytes, chance: random.Random) -> bytes:
    """A form with a field more, less, twice, in another place, or for another."""
    fields = form.split(b"&")
    at, other = chance.randrange(len(fields)), chance.choice(_FIELDS).encode()
    match chance.randrange(5):
        case 0:
            fields.insert(at, other)
        case 1:
            del fields[at]
        case 2:
            fields.append(fields[at])
        case 3:
            chance.shuffle(fields)
        case _:
            fields[at] = other
    return b"&".join(fields)


@dataclass(frozen=True)
class Case:
    """One generated question."""

    request: Request
    applying: bool
    left: dict[str, int]


def case(chance: random.Random) -> Case:
    """The next question."""
    request = chance.choice(SEEDS)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3))):
        request = spoil(request, chance)
    spent = {effect.id: chance.choice((0, 1, 1, 1, 2)) for effect in EFFECTS}
    return Case(request, chance.random() < 0.8, spent)
