"""STS: the configured role by a web identity token, there and so only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from rollback.guard.rules.judge import judge
from rollback.guard.rules.perimeter import perimeter_of, role_exchange
from rollback.guard.rules.request import Request
from rollback.guard.rules.sts import SESSION, is_token
from rollback.model.environment import Environment
from rollback.model.scope import GuardVerdict, HostKind, Phase, Scope, VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.support import ROLE, STS, environment, taking_role

PERIMETER = perimeter_of(taking_role())
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
FIELDS = {
    "Action": "AssumeRoleWithWebIdentity",
    "Version": "2011-06-15",
    "RoleArn": ROLE,
    "RoleSessionName": SESSION,
    "WebIdentityToken": "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl",
}
WHOLE = urlencode(FIELDS).encode()


def verdict(request: Request, known: Environment | None = None) -> GuardVerdict:
    perimeter = PERIMETER if known is None else perimeter_of(known)
    looking, acting = (
        judge(request, Scope(run="r", step="s", phase=phase), perimeter, {}) for phase in Phase
    )
    assert looking.kind is acting.kind, "in either phase"
    return looking


def asked(
    body: bytes = WHOLE, url: str = f"https://{STS}/", method: str = "POST"
) -> Request:
    return Request(method, url, tuple(FORM.items()), body)


def fields(**changes: str | None) -> Request:
    said = {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}
    return asked(urlencode(said).encode())


def denied(request: Request, rule: str, known: Environment | None = None) -> GuardVerdict:
    found = verdict(request, known)
    assert (found.kind, found.rule) == (VerdictKind.DENY, rule)
    return found


def test_the_role_is_taken() -> None:
    for request in (asked(), asked(url=f"https://{STS}"), asked(WHOLE.replace(b"-", b"%2D"))):
        assert verdict(request).kind is VerdictKind.EXCHANGE


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_stands_once_and_says_what_it_must(name: str) -> None:
    rule = {
        "Action": "exchange.action", "Version": "exchange.version", "RoleArn": "exchange.role",
        "RoleSessionName": "exchange.session", "WebIdentityToken": "exchange.token",
    }[name]  # fmt: skip
    denied(fields(**{name: None}), rule)
    denied(fields(**{name: ""}), rule)
    denied(fields(**{name: f"{FIELDS[name]} "}), rule)
    denied(fields(**{name: f" {FIELDS[name]}"}), rule)
    denied(fields(**{name: None, name.lower(): FIELDS[name]}), rule)
    denied(asked(WHOLE + b"&" + urlencode({name: FIELDS[name]}).encode()), "exchange.body")
    denied(asked(WHOLE + f"&{name}=".encode()), "exchange.body")


ACTIONS = (
    "AssumeRole", "AssumeRoleWithSAML", "AssumeRoot", "DecodeAuthorizationMessage",
    "GetAccessKeyInfo", "GetCallerIdentity", "GetDelegatedAccessToken", "GetFederationToken",
    "GetSessionToken", "GetWebIdentityToken", "Another",
)  # fmt: skip


def test_every_other_action_is_refused_with_its_own_reason() -> None:
    reasons = {denied(fields(Action=one), "exchange.action").reasons for one in ACTIONS}
    assert len(reasons) == len(ACTIONS)
    assert denied(fields(Action="Another"), "exchange.action") == denied(
        fields(Action="assumerolewithwebidentity"), "exchange.action"
    )


@pytest.mark.parametrize(
    "role", [ROLE + "x", ROLE[:-1], ROLE.upper(), ROLE.replace("12", "21"), "arn:aws:iam::1:role/a"]
)
def test_another_role_is_not_taken(role: str) -> None:
    denied(fields(RoleArn=role), "exchange.role")


@pytest.mark.parametrize(
    "name",
    ["Policy", "PolicyArns.member.1.arn", "DurationSeconds", "ProviderId", "Tags.member.1.Key", "x"],
)
def test_a_field_that_nobody_judged(name: str) -> None:
    denied(fields(**{name: ""}), "exchange.field")
    denied(fields(**{name: "3600"}), "exchange.field")


@pytest.mark.parametrize(
    "request_",
    [
        asked(b"", method="GET"), asked(b"", method="HEAD"), asked(method="PUT"),
        asked(method="DELETE"), asked(method="PATCH"), asked(method="OPTIONS"),
        asked(url=f"https://{STS}/?Action=GetCallerIdentity"), asked(url=f"https://{STS}/?a"),
        asked(b"", f"https://{STS}/?Action=GetCallerIdentity&Version=2011-06-15", "GET"),
    ],
)  # fmt: skip
def test_it_is_a_post_without_a_query(request_: Request) -> None:
    denied(request_, "exchange.shape")


@pytest.mark.parametrize("path", ["/x", "/sts", "//", "/?", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_nothing_else_is_at_that_host(path: str, method: str) -> None:
    if path == "/?":
        path = "/discovery/keys"
    body = WHOLE if method == "POST" else b""
    rule = "normal.path" if path == "//" else "identity.path"
    denied(asked(body, f"https://{STS}{path}", method), rule)


def test_issuers_elsewhere_still_show_their_documents() -> None:
    url = f"https://{names.LOGIN_HOST}/x/v2.0/.well-known/openid-configuration"
    for place in (None, "https://a.example", "https://z.example"):
        assert verdict(Request("GET", url), taking_role(sts_endpoint=place)).rule == "identity.read"


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=a"}, "exchange.signed"),
        ({"x_amz_security_token": "a"}, "exchange.signed"),
        ({"X_Amz_Target": "AWSSecurityTokenServiceV20110615.GetCallerIdentity"}, "exchange.signed"),
        ({"X_Amz_": "a"}, "exchange.signed"),
        ({"Content-Type": "application/json"}, "exchange.body"),
        ({"Content-Type": "application/x-amz-json-1.0"}, "exchange.body"),
        ({"Content-Type": "text/plain"}, "exchange.body"),
        ({"Content-Type": "application/x-zzz"}, "exchange.body"),
        ({"X_Amzn_Trace_Id": "Root=1"}, "exchange"),
        ({"amz_sdk_request": "attempt=1"}, "exchange"),
    ],
)
def test_nothing_is_signed_and_it_is_a_form(headers: dict[str, str], rule: str) -> None:
    said = {**FORM, **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = Request("POST", f"https://{STS}/", tuple(said.items()), WHOLE)
    assert verdict(request).rule == rule


def test_without_a_type_it_is_no_form() -> None:
    denied(Request("POST", f"https://{STS}/", (), WHOLE), "exchange.body")


@pytest.mark.parametrize(
    "body", [b"&" + WHOLE, WHOLE + b"&", WHOLE + b"&x", b"{}", WHOLE + b"&\xe9=1", b"%ff=1"]
)
def test_a_form_with_one_reading(body: bytes) -> None:
    denied(asked(body), "exchange.body")


def test_an_empty_form_names_no_action() -> None:
    denied(asked(b""), "exchange.action")


def test_the_longest_form_and_token() -> None:
    denied(fields(WebIdentityToken="a" * 20_001), "exchange.token")
    assert verdict(fields(WebIdentityToken="a" * 20_000)).kind is VerdictKind.EXCHANGE
    denied(fields(x="a" * (65_536 - len(WHOLE) - 3)), "exchange.field")
    denied(fields(x="a" * (65_536 - len(WHOLE) - 2)), "exchange.body")


@pytest.mark.parametrize("token", ["abc", "a b c", "a;b=c", "a&b=c", "é" * 4, "a\nbcd", "a,bcd", ""])
def test_what_is_no_token(token: str) -> None:
    denied(fields(WebIdentityToken=token), "exchange.token")
    assert not is_token(token)


@pytest.mark.parametrize("token", ["abcd", "Atza|IQEBL_jAsA", "a.b-c_d~e+f/g==", "0" * 20_000])
def test_what_is_one(token: str) -> None:
    assert verdict(fields(WebIdentityToken=token)).kind is VerdictKind.EXCHANGE
    assert is_token(token)


# --- the perimeter --------------------------------------------------------------------------------


def kind(known: Environment, host: str = STS) -> HostKind | None:
    found = perimeter_of(known).find(host)
    return None if found is None else found.kind


def test_without_a_role_sts_is_no_host_of_ours() -> None:
    assert kind(environment()) is None
    denied(asked(), "host.unknown", environment())
    keys = {"role_arn": None, "web_identity_token_file": None}
    assert role_exchange(taking_role(**keys).evidence.store) is None
    blobs = {"kind": "azure-blob", "endpoint": "https://a.example", "container": "evidence"}
    assert role_exchange(environment(evidence={"store": blobs}).evidence.store) is None
    assert role_exchange(None) is None


def test_it_is_the_regions_own() -> None:
    known = taking_role(region="eu-central-1")
    assert kind(known) is None
    assert kind(known, "sts.eu-central-1.amazonaws.com") is HostKind.IDENTITY
    denied(asked(url="https://sts.amazonaws.com/"), "host.unknown", known)
    (*_, role) = perimeter_of(known).exchanges
    assert (role.path, role.role, role.host) == ("/", ROLE, "sts.eu-central-1.amazonaws.com")
    assert len(perimeter_of(known).exchanges) == len(perimeter_of(environment()).exchanges) + 1


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [("https://STS.example:443", "sts.example"), ("http://127.0.0.1:8000/", "127.0.0.1:8000")],
)
def test_or_the_configured_one(endpoint: str, host: str) -> None:
    known = taking_role(sts_endpoint=endpoint)
    assert kind(known) is None
    assert kind(known, host) is HostKind.IDENTITY
    assert verdict(asked(url=endpoint.rstrip("/") + "/"), known).kind is VerdictKind.EXCHANGE


def test_a_store_may_be_its_own_sts() -> None:
    own = "https://s3.example"
    known = taking_role(endpoint=own, sts_endpoint=own)
    assert kind(known, "s3.example") is HostKind.STORE
    assert verdict(asked(url=f"{own}/"), known).kind is VerdictKind.EXCHANGE
    assert verdict(Request("GET", f"{own}/trading-evidence/x"), known).rule == "store.read"
    denied(asked(url=f"{own}/trading-evidence"), "store.write", known)
    denied(Request("GET", f"{own}/"), "exchange.shape", known)


def test_a_sign_in_service_may_be_sts_and_shows_no_document_then() -> None:
    url = f"https://{names.LOGIN_HOST}"
    known = taking_role(sts_endpoint=url)
    assert verdict(asked(url=f"{url}/"), known).kind is VerdictKind.EXCHANGE
    denied(Request("GET", f"{url}/x/.well-known/openid-configuration"), "identity.path", known)


@pytest.mark.parametrize(
    "host",
    [
        f"{names.BACKEND}.azurewebsites.net",
        f"{names.WEB}.azurewebsites.net",
        names.PLATFORM_HOST,
        names.ARM_HOST,
        names.COSMOS_HOST,
        names.GITHUB_HOST,
        names.WEBHOOK_HOST,
    ],
)
def test_at_a_host_with_another_role_nothing_is_asked_for(host: str) -> None:
    known = taking_role(sts_endpoint=f"https://{host}")
    request = asked(url=f"https://{host}/")
    assert kind(known, host) is kind(environment(), host)
    assert verdict(request, known) == verdict(request, environment())
    assert verdict(request, known).kind is VerdictKind.DENY
    assert all(not one.role for one in perimeter_of(known).exchanges)


def test_a_host_that_is_named_for_more_is_held_to_it() -> None:
    known: Any = taking_role()
    channel = known.channels[0].model_copy(update={"host": STS})
    known = known.model_copy(update={"channels": (channel,)})
    denied(asked(), "channel.write", known)
