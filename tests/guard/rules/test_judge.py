"""The rules one by one, each at its edge. The oracle covers their combinations."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from rollback.guard.rules.judge import decide, judge
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.request import Request
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, NoBody, Purpose, SelfAddressedBody
from rollback.model.scope import (
    CredentialExchange,
    GuardedHost,
    GuardVerdict,
    HostKind,
    Perimeter,
    Phase,
    Scope,
    VerdictKind,
)
from rollback.rehearsal.simulator import names
from tests.guard.support import ACCOUNT, SITES, environment, exact, swap

PERIMETER = perimeter_of(environment())
COSMOS = f"https://{names.COSMOS_HOST}"
FEED = f"{COSMOS}/dbs/d/colls/c/docs/"
ARM = f"https://{names.ARM_HOST}"
VERSION = "?api-version=2025-05-01"
BACKEND = f"https://{names.BACKEND}.azurewebsites.net"
DECLARED = "x-ms-thinclient-proxy-operation-type"
QUERY = {
    "Content-Type": "application/query+json",
    "x-ms-documentdb-isquery": "True",
    DECLARED: "SqlQuery",
}
PLAN = {
    "Content-Type": "application/json",
    "x-ms-cosmos-is-query-plan-request": "True",
    DECLARED: "QueryPlan",
}
SQL = b'{"query":"SELECT 1","parameters":[],"options":{}}'


def verdict(
    request: Request,
    *effects: Any,
    phase: Phase = Phase.APPLY,
    left: dict[str, int] | None = None,
    perimeter: Perimeter = PERIMETER,
) -> GuardVerdict:
    scope = Scope(run="r", step="s", phase=phase, permissions=effects)
    counts = {effect.id: 1 for effect in effects} if left is None else left
    return judge(request, scope, perimeter, counts)


def post(url: str, headers: dict[str, str], body: bytes | None) -> Request:
    return Request("POST", url, tuple(headers.items()), body)


def allowed(request: Request, *effects: Any, **named: Any) -> None:
    seen = verdict(request, *effects, **named)
    assert seen.kind is not VerdictKind.DENY, seen


def denied(request: Request, rule: str, *effects: Any, **named: Any) -> GuardVerdict:
    seen = verdict(request, *effects, **named)
    assert (seen.kind, seen.rule) == (VerdictKind.DENY, rule), seen
    assert seen.effect is None
    return seen


@pytest.mark.parametrize("headers", [QUERY, PLAN], ids=["query", "plan"])
@pytest.mark.parametrize("body", [SQL, b'{"query":""}', b'{"query":"q","options":1}'])
def test_queries_and_their_plans_read(headers: dict[str, str], body: bytes) -> None:
    allowed(post(FEED, headers, body))


@pytest.mark.parametrize(
    "declared", ["Read", "ReadFeed", "Query", "SqlQuery", "QueryPlan", "Head", "HeadFeed"]
)
def test_the_seven_reading_operations(declared: str) -> None:
    allowed(post(FEED, {**QUERY, DECLARED: declared}, SQL))
    allowed(Request("GET", FEED, ((DECLARED, declared),)))


@pytest.mark.parametrize(
    "declared",
    ["Create", "Upsert", "Replace", "Delete", "Patch", "Batch", "ExecuteJavaScript", "read", ""],
)
def test_any_other_declared_operation_is_refused(declared: str) -> None:
    """By itself: all other signals say that it reads."""
    denied(post(FEED, {**QUERY, DECLARED: declared}, SQL), "cosmos.declared")
    denied(Request("GET", FEED, ((DECLARED, declared),)), "cosmos.declared")


@pytest.mark.parametrize(
    "name",
    [
        "x-ms-documentdb-is-upsert",
        "x-ms-cosmos-is-batch-request",
        "x-ms-cosmos-batch-atomic",
        "x-ms-cosmos-batch-continue-on-error",
        "x-ms-documentdb-pre-trigger-include",
        "x-ms-documentdb-post-trigger-include",
        "x-ms-offer-throughput",
        "x-ms-cosmos-offer-autopilot-settings",
    ],
)
@pytest.mark.parametrize("value", ["True", "False", ""])
def test_a_writing_header_is_refused_by_itself(name: str, value: str) -> None:
    denied(post(FEED, {**QUERY, name.upper(): value}, SQL), "cosmos.writing-header")
    denied(Request("GET", FEED, ((name, value),)), "cosmos.writing-header")


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


@pytest.mark.parametrize(
    ("headers", "body", "rule"),
    [
        (without(QUERY, DECLARED), SQL, "cosmos.undeclared"),
        (without(PLAN, DECLARED), SQL, "cosmos.undeclared"),
        (without(QUERY, "x-ms-documentdb-isquery"), SQL, "cosmos.not-a-query"),
        ({**QUERY, "x-ms-documentdb-isquery": "False"}, SQL, "cosmos.not-a-query"),
        (without(PLAN, "x-ms-cosmos-is-query-plan-request"), SQL, "cosmos.not-a-query"),
        ({**PLAN, "x-ms-cosmos-is-query-plan-request": "False"}, SQL, "cosmos.not-a-query"),
        ({**QUERY, "Content-Type": "application/json"}, SQL, "cosmos.query-type"),
        ({**PLAN, "Content-Type": "application/query+json"}, SQL, "cosmos.query-plan"),
        (QUERY, None, "cosmos.query-body"),
        (QUERY, b"[]", "cosmos.query-body"),
        (QUERY, b'"query"', "cosmos.query-body"),
        (QUERY, b'{"query":1}', "cosmos.query-body"),
        (QUERY, b'{"parameters":[]}', "cosmos.query-body"),
        (QUERY, b'{"query":"q","id":"x"}', "cosmos.query-body"),
        (QUERY, b'{"query":"q","query":"q"}', "cosmos.query-body"),
        (QUERY, b'{"query":NaN}', "cosmos.query-body"),
        (QUERY, b"[" * 100_000, "cosmos.query-body"),
        (QUERY, b"\xef\xbb\xbf" + SQL, "cosmos.query-body"),
        (QUERY, SQL.decode().encode("utf-16"), "cosmos.query-body"),
    ],
)
def test_each_signal_of_a_query_is_needed(
    headers: dict[str, str], body: bytes | None, rule: str
) -> None:
    denied(post(FEED, headers, body), rule)


@pytest.mark.parametrize(
    ("path", "passes"),
    [
        ("/dbs", True),
        ("/dbs/d/colls", True),
        ("/dbs/d/colls/c/docs", True),
        ("/dbs/d/colls/c/sprocs/", True),
        ("/offers", True),
        ("/dbs/d", False),
        ("/dbs/d/colls/c/docs/1", False),
        ("/dbs/d/colls/c/sprocs/s", False),
        ("/dbs/d/colls/c/operations/partitionkeydelete", False),
        ("/dbs/d/colls/c/operations", False),
        ("/other", False),
        ("/other/d/docs", False),
        ("/", False),
    ],
)
def test_only_feeds_are_queried(path: str, passes: bool) -> None:
    request = post(COSMOS + path, QUERY, SQL)
    if passes:
        allowed(request)
    else:
        denied(request, "cosmos.not-a-feed")


def test_a_query_plan_is_asked_of_documents_only() -> None:
    denied(post(f"{COSMOS}/dbs/d/colls/", PLAN, SQL), "cosmos.query-plan")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_other_method_writes(method: str) -> None:
    denied(Request(method, FEED, tuple(QUERY.items()), SQL), "cosmos.method")


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("trading-cosmos-westeurope.documents.azure.com", "cosmos.read"),
        ("trading-cosmos-west-europe.documents.azure.com", "host.unknown"),
        ("trading-cosmos-.documents.azure.com", "host.unknown"),
        ("trading-cosmosx.documents.azure.com", "host.unknown"),
        ("other.documents.azure.com", "host.unknown"),
        ("trading-cosmos-westeurope.documents.azure.cn", "host.unknown"),
        ("trading-cosmos-westeurope.documents.azure.com:8443", "host.unknown"),
    ],
)
def test_regions_of_the_account_and_no_other_account(host: str, rule: str) -> None:
    seen = verdict(Request("GET", f"https://{host}/"))
    if rule == "host.unknown":
        assert seen.promise == "no-control-plane-rewrite"
    assert seen.rule == rule


def test_a_cosmos_name_is_cosmos_whatever_the_perimeter_says() -> None:
    """A hand-made perimeter that calls it a channel opens nothing."""
    for kind in (HostKind.CHANNEL, HostKind.STORE, HostKind.ARM, HostKind.WEB):
        perimeter = Perimeter(
            hosts=(
                GuardedHost(host=names.COSMOS_HOST, kind=kind, reads=("/dbs/d/colls/c/docs/",)),
            ),
            exchanges=(
                CredentialExchange(
                    host=names.COSMOS_HOST, path="/dbs/d/colls/c/docs/", grants=("password",)
                ),
            ),
        )
        body = b'{"grant_type":"password"}'
        request = post(FEED, {"Content-Type": "application/json"}, body)
        denied(request, "cosmos.undeclared", perimeter=perimeter)


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("GET", ACCOUNT, "resource-manager.read"),
        ("HEAD", ACCOUNT, "resource-manager.read"),
        ("GET", f"{ACCOUNT}/sqlRoleDefinitions", "resource-manager.read"),
        ("GET", f"{ACCOUNT}/sqlRoleAssignments", "resource-manager.read"),
        (
            "GET",
            f"{ACCOUNT}/providers/Microsoft.Authorization/permissions",
            "resource-manager.read",
        ),
        ("GET", f"{ACCOUNT}/sqlDatabases", "resource-manager.cosmos"),
        ("GET", f"{ACCOUNT}/readonlykeys", "resource-manager.cosmos-keys"),
        ("POST", f"{ACCOUNT}/readonlykeys", "resource-manager.cosmos-keys"),
        ("POST", f"{ACCOUNT}/listKeys", "resource-manager.cosmos-keys"),
        ("POST", f"{ACCOUNT}/LISTCONNECTIONSTRINGS", "resource-manager.cosmos-keys"),
        ("POST", ACCOUNT, "resource-manager.cosmos"),
        ("GET", "/subscriptions/other/resourceGroups/g", "resource-manager.subscription"),
        (
            "GET",
            f"/subscriptions/{names.SUBSCRIPTION}0/resourceGroups/g",
            "resource-manager.subscription",
        ),
        ("GET", "/providers/Microsoft.Web/sourcecontrols", "resource-manager.subscription"),
        ("GET", f"/subscriptions/{names.SUBSCRIPTION}", "resource-manager.read"),
        ("GET", f"{SITES}/x/providers/Microsoft.KeyVault/v", "resource-manager.provider"),
        ("GET", f"{SITES}/x/providers/Microsoft.Insights", "resource-manager.read"),
        ("GET", f"{SITES}/x/providers/Microsoft.Insights/metrics", "resource-manager.read"),
        ("GET", f"{SITES}/x/providers/Microsoft.Insights/metricAlerts/a", "resource-manager.provider"),
        ("GET", f"{SITES}/x/providers/Microsoft.Insights/actionGroups/a", "resource-manager.provider"),
        ("GET", f"{SITES}/x/hostruntime/admin/vfs", "resource-manager.tunnel"),
        ("GET", f"{SITES}/x/extensions/api/command", "resource-manager.tunnel"),
        ("GET", f"{SITES}/x/processes/1/dump", "resource-manager.secrets"),
        ("GET", f"{SITES}/x/functions/admin/token", "resource-manager.tunnel"),
        ("GET", f"{SITES}/x/config/authsettingsV2/list", "resource-manager.secrets"),
        ("GET", f"{SITES}/x/config/logs", "resource-manager.secrets"),
        ("GET", f"{SITES}/x/slots/s/config/logs/", "resource-manager.secrets"),
        ("GET", f"{SITES}/x/config/logs2", "resource-manager.read"),
        ("GET", f"{SITES}/x/instances/i/processes/1", "resource-manager.secrets"),
        ("GET", f"{SITES}/x/processes", "resource-manager.secrets"),
        ("GET", f"{SITES}/x/hybridConnection/r", "resource-manager.secrets"),
        ("GET", f"{SITES}/x/slots/s/networkFeatures/v", "resource-manager.secrets"),
        ("POST", f"{SITES}/x/publishxml", "resource-manager.secrets"),
        ("POST", f"{SITES}/x/config/connectionstrings/list", "resource-manager.secrets"),
        ("POST", f"{SITES}/x/config/publishingcredentials/list", "resource-manager.secrets"),
        ("POST", f"{SITES}/x/config/appsettings/list", "resource-manager.read"),
        ("POST", f"{SITES}/x/slots/s/config/appsettings/list", "resource-manager.read"),
        ("POST", f"{SITES}/x/slots/s/slotsdiffs", "resource-manager.read"),
        ("POST", f"{SITES}/x/containerlogs", "resource-manager.read"),
        ("POST", f"{SITES}/x/containerlogs/zip/download", "resource-manager.secrets"),
        ("POST", f"{SITES}/x/slots/s/t/slotsdiffs", "resource-manager.write"),
        ("POST", f"{SITES}/x/slotsdiffs/y", "resource-manager.write"),
        ("PUT", f"{SITES}/x/config/appsettings/list", "resource-manager.write"),
        ("POST", f"{SITES}/x/slotsswap", "resource-manager.write"),
        ("DELETE", f"{SITES}/x", "resource-manager.write"),
        ("OPTIONS", f"{SITES}/x", "resource-manager.write"),
    ],
)
def test_resource_manager_while_observing(method: str, path: str, rule: str) -> None:
    assert verdict(Request(method, f"{ARM}{path}{VERSION}"), phase=Phase.OBSERVE).rule == rule


@pytest.mark.parametrize("path", [ACCOUNT, f"{SITES}/x", "/subscriptions//x", "/"])
def test_a_perimeter_without_a_subscription_reads_nothing(path: str) -> None:
    perimeter = Perimeter(hosts=(GuardedHost(host=names.ARM_HOST, kind=HostKind.ARM),))
    assert verdict(Request("GET", ARM + path), perimeter=perimeter).kind is VerdictKind.DENY


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("GET", "/api/control/trading", "backend.read"),
        ("HEAD", "/", "backend.read"),
        ("POST", "/api/search", "backend.read"),
        ("POST", "/api/search?x=1", "backend.write"),
        ("POST", "/api/search/", "backend.write"),
        ("PUT", "/api/search", "backend.write"),
        ("POST", "/api/CONTROL/trading", "backend.control"),
        ("PUT", "/api/dynamic-config", "backend.control"),
        ("DELETE", "/api/feature-flags/x", "backend.control"),
        ("OPTIONS", "/api/orders", "backend.write"),
    ],
)
def test_surfaces(method: str, path: str, rule: str) -> None:
    seen = verdict(Request(method, BACKEND + path))
    assert seen.rule == rule
    assert seen.kind is VerdictKind.ALLOW or seen.promise == "no-control-plane-rewrite"


def test_a_declared_read_below_the_control_api_stays_refused() -> None:
    """An environment file cannot declare a control write to be a read."""
    perimeter = Perimeter(
        hosts=(
            GuardedHost(
                host="b.example",
                kind=HostKind.BACKEND,
                reads=("/api/control/x",),
                control_paths=("/api/control",),
            ),
        )
    )
    denied(
        Request("POST", "https://b.example/api/control/x"), "backend.control", perimeter=perimeter
    )


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TOKEN = f"https://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/token"
SIGN_IN = f"https://{names.PLATFORM_HOST}/auth/token"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("phase", list(Phase))
def test_token_requests_are_a_third_verdict(phase: Phase) -> None:
    for request in (
        post(TOKEN, FORM, b"client_id=c&grant_type=client_credentials&client_secret="),
        post(SIGN_IN, JSON, b'{"grant_type":"password","username":"u"}'),
        post(SIGN_IN, JSON, b'{"grant_type":"refresh_token"}'),
        post(SIGN_IN, FORM, b"grant_type=password"),
    ):
        assert verdict(request, phase=phase).kind is VerdictKind.EXCHANGE


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (post(TOKEN, FORM, b"grant_type=password"), "exchange.grant"),
        (post(TOKEN, FORM, b"grant_type="), "exchange.grant"),
        (post(TOKEN, FORM, b"client_id=c"), "exchange.grant"),
        (post(TOKEN, FORM, b"grant_type=client_credentials&grant_type=password"), "exchange.body"),
        (post(TOKEN, FORM, b"grant_type=client_credentials&&"), "exchange.body"),
        (post(TOKEN, FORM, "grant_type=client_credentials&é=1".encode()), "exchange.body"),
        (post(TOKEN, FORM, b"a=1&" * 70 + b"grant_type=client_credentials"), "exchange.body"),
        (post(TOKEN, FORM, b"grant_type=client_credentials&a=" + b"x" * 70_000), "exchange.body"),
        (post(TOKEN, {}, b"grant_type=client_credentials"), "exchange.body"),
        (post(f"{TOKEN}?grant_type=x", FORM, b"grant_type=client_credentials"), "exchange.shape"),
        (Request("PUT", TOKEN, tuple(FORM.items()), b"grant_type=client_credentials"), "exchange.shape"),
        (Request("GET", TOKEN), "exchange.shape"),
        (post(TOKEN.replace(names.TENANT, "common"), FORM, b"grant_type=client_credentials"), "identity.path"),
        (post(f"{TOKEN}/", FORM, b"grant_type=client_credentials"), "identity.path"),
        (post(SIGN_IN, JSON, b'{"grant_type":["password"]}'), "exchange.body"),
        (post(SIGN_IN, JSON, b'["password"]'), "exchange.body"),
        (post(SIGN_IN, JSON, b"{"), "exchange.body"),
        (post(SIGN_IN, JSON, b'{"grant_type":"client_credentials"}'), "exchange.grant"),
        (post(f"https://{names.PLATFORM_HOST}/auth/other", JSON, b"{}"), "platform-service.write"),
    ],
)  # fmt: skip
def test_nothing_else_is_one(request_: Request, rule: str) -> None:
    denied(request_, rule)


def test_a_managed_identity_asks_its_metadata_address_and_no_other() -> None:
    azure = environment().azure.model_copy(update={"identity": None})
    perimeter = perimeter_of(environment().model_copy(update={"azure": azure}))
    url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=r"
    said = (("Metadata", "true"),)
    assert verdict(Request("GET", url, said), perimeter=perimeter).kind is VerdictKind.EXCHANGE
    denied(Request("GET", url), "exchange.metadata", perimeter=perimeter)
    denied(Request("POST", url, said), "exchange.metadata", perimeter=perimeter)
    other = "http://169.254.169.254/metadata/instance?api-version=2018-02-01"
    denied(Request("GET", other, said), "identity.path", perimeter=perimeter)
    denied(Request("GET", url, said), "host.unknown")


SWAP = f"{ARM}{SITES}/{names.BACKEND}/slotsswap{VERSION}"
SWAP_BODY = b'{ "targetSlot" : "staging", "preserveVnet":true }'


def test_the_permitted_swap_in_any_spelling_of_its_json() -> None:
    seen = verdict(post(SWAP, JSON, SWAP_BODY), swap())
    assert (seen.kind, seen.effect) == (VerdictKind.ALLOW, "revert#swap")


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (post(SWAP, JSON, b'{"targetSlot":"other","preserveVnet":true}'), "permission.body"),
        (post(SWAP, JSON, b'{"targetSlot":"staging"}'), "permission.body"),
        (post(SWAP, JSON, b'{"targetSlot":"staging","preserveVnet":true,"x":1}'), "shape.swap"),
        (post(SWAP, {"Content-Type": "text/plain"}, SWAP_BODY), "shape.swap"),
        (post(SWAP, JSON, b"{"), "permission.body"),
        (post(f"{SWAP}&x=1", JSON, SWAP_BODY), "permission.none"),
        (post(SWAP.replace("2025", "2024"), JSON, SWAP_BODY), "permission.none"),
        (post(SWAP.partition("?")[0], JSON, SWAP_BODY), "permission.none"),
        (post(SWAP.replace("slotsswap", "Slotsswap"), JSON, SWAP_BODY), "shape.resource-manager"),
        (post(SWAP.replace("-backend", "-web"), JSON, SWAP_BODY), "permission.none"),
        (
            post(SWAP.replace("/slotsswap", "/slots/staging/slotsswap"), JSON, SWAP_BODY),
            "shape.swap",
        ),
        (Request("PUT", SWAP, tuple(JSON.items()), SWAP_BODY), "shape.resource-manager"),
    ],
)
def test_anything_but_the_permission_is_refused(request_: Request, rule: str) -> None:
    assert denied(request_, rule, swap()).promise == "plan-is-permission"


def test_spent_missing_and_foreign_permissions() -> None:
    request = post(SWAP, JSON, SWAP_BODY)
    denied(request, "permission.spent", swap(), left={"revert#swap": 0})
    denied(request, "permission.spent", swap(), left={})
    denied(request, "permission.spent", swap(), left={"revert#swap": -1})
    denied(request, "permission.none")
    denied(request, "resource-manager.write", swap(), phase=Phase.OBSERVE)
    second = verdict(request, swap(), swap("again"), left={"revert#swap": 0, "again": 1})
    assert second.effect == "again"


def bounded(host: str, path: str, *, method: str = "PUT", **changes: Any) -> HttpWrite:
    fields: dict[str, Any] = {
        "id": "e",
        "method": method,
        "host": host,
        "path": path,
        "body": BoundedBody(bytes_max=8),
        "direction": Direction.NEITHER,
        "purpose": Purpose.LEASE,
        "undo": Undo(possible=False, by=""),
    }
    return HttpWrite(**{**fields, **changes})


BUCKET = f"{names.EVIDENCE_BUCKET}.s3.eu-west-1.amazonaws.com"
CREATES = {"If-None-Match": "*"}
REPLACES = {"If-Match": '"etag"'}


def put(path: str, headers: dict[str, str], body: bytes = b"12345678") -> Request:
    return Request("PUT", f"https://{BUCKET}{path}", tuple(headers.items()), body)


@pytest.mark.parametrize(
    ("condition", "headers", "rule"),
    [
        ("create-only", CREATES, "permission"),
        ("create-only", REPLACES, "permission.condition"),
        ("create-only", {**CREATES, **REPLACES}, "permission.condition"),
        ("create-only", {"If-None-Match": '"x"'}, "permission.condition"),
        ("create-only", {}, "shape.store"),
        ("if-match", REPLACES, "permission"),
        ("if-match", CREATES, "permission.condition"),
        ("if-match", {"If-Match": "*"}, "permission.condition"),
        ("if-match", {"If-Match": ""}, "permission.condition"),
        ("if-match", {"If-Match": " "}, "permission.condition"),
        ("if-match", {"If-Match": '"*"'}, "permission.condition"),
        ("if-match", {"If-Match": '"a", "b"'}, "permission.condition"),
        ("if-match", {"If-Match": '"a",*'}, "permission.condition"),
        ("if-match", {**CREATES, **REPLACES}, "permission.condition"),
        ("none", CREATES, "permission"),
        ("none", {}, "shape.store"),
        ("create-only", {**CREATES, "x-amz-copy-source": "a/b"}, "permission.header"),
        ("create-only", {**CREATES, "x-amz-acl": "public-read"}, "permission.header"),
        ("create-only", {**CREATES, "x-amz-checksum-sha256": "c"}, "permission"),
        ("create-only", {**CREATES, "x-amz-object-lock-mode": "COMPLIANCE"}, "permission"),
        ("create-only", {**CREATES, "x-amz-object-lock-legal-hold": "ON"}, "permission"),
        ("create-only", {**CREATES, "x-amz-bypass-governance-retention": "true"}, "permission.header"),
        ("create-only", {**CREATES, "x-ms-blob-type": "BlockBlob"}, "permission"),
        ("create-only", {**CREATES, "x-ms-immutability-policy-mode": "Locked"}, "permission"),
        ("create-only", {**CREATES, "x-ms-legal-hold": "true"}, "permission"),
        ("create-only", {**CREATES, "x-ms-blob-type": "AppendBlob"}, "permission.header"),
        ("create-only", {**CREATES, "x-ms-copy-source": "https://a/b"}, "permission.header"),
        ("if-match", {**REPLACES, "x-ms-lease-action": "break"}, "permission.header"),
    ],
)
def test_store_conditions(condition: str, headers: dict[str, str], rule: str) -> None:
    effect = bounded(BUCKET, "/evidence/{key}", condition=condition)
    assert verdict(put("/evidence/a/b.json", headers), effect).rule == rule


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/evidence/a", "permission"),
        ("/evidence/a/b/c.d", "permission"),
        ("/evidence/", "permission.none"),
        ("/evidence/a%20b", "permission.none"),
        ("/evidence/.hidden", "permission.none"),
        ("/evidence/a/.b", "permission.none"),
        ("/evidencex/a", "permission.none"),
        ("/other", "permission.none"),
    ],
)
def test_keys_stay_below_their_prefix(path: str, rule: str) -> None:
    effect = bounded(BUCKET, "/evidence/{key}", condition="create-only")
    assert verdict(put(path, CREATES), effect).rule == rule


def test_sizes_are_bounded() -> None:
    effect = bounded(BUCKET, "/evidence/{key}", condition="create-only")
    denied(put("/evidence/a", CREATES, b"123456789"), "permission.body", effect)
    fixed = bounded(BUCKET, "/evidence/a", condition="create-only")
    allowed(put("/evidence/a", CREATES), fixed)
    denied(put("/evidence/b", CREATES), "permission.none", fixed)


def test_a_message_goes_to_its_channel_as_often_as_said() -> None:
    say = bounded(names.WEBHOOK_HOST, "/incident", method="POST", purpose=Purpose.NOTIFY)
    url = f"https://{names.WEBHOOK_HOST}/incident"
    allowed(post(url, JSON, b"{}"), say)
    denied(post(url, JSON, b"{}"), "channel.write", say, phase=Phase.OBSERVE)
    denied(Request("GET", url), "channel.write", say)
    denied(post(f"{url}/x", JSON, b"{}"), "permission.none", say)
    told = swap("e", host=names.WEBHOOK_HOST, path="/incident", query=(), body=exact('{"a":1}'))
    allowed(post(url, JSON, b'{ "a": 1 }'), told)
    denied(post(url, JSON, b'{"a":2}'), "permission.body", told)
    denied(post(url, JSON, b"not json"), "permission.body", told)


def test_a_bounded_body_opens_nothing_at_resource_manager() -> None:
    """Even if such an effect came out of a plan."""
    loose = bounded(
        names.ARM_HOST,
        f"{SITES}/{names.BACKEND}/slotsswap",
        method="POST",
        query=(("api-version", "2025-05-01"),),
        body=BoundedBody(bytes_max=999),
    )
    denied(post(SWAP, JSON, SWAP_BODY), "permission.body", loose)


def test_no_body_means_none() -> None:
    url = f"{ARM}{SITES}/{names.WEB}/slots/staging/start{VERSION}"
    start = swap("start", path=f"{SITES}/{names.WEB}/slots/staging/start", body=NoBody())
    allowed(Request("POST", url), start)
    allowed(Request("POST", url, (("Content-Length", "0"),), b""), start)
    denied(post(url, JSON, b"{}"), "shape.body", start)
    denied(post(url, {"Content-Type": "text/plain"}, b"x"), "permission.body", start)


def test_plain_http_only_on_this_machine() -> None:
    local = Perimeter(hosts=(GuardedHost(host="127.0.0.1:81", kind=HostKind.WEB),))
    allowed(Request("GET", "http://127.0.0.1:81/"), perimeter=local)
    denied(Request("GET", BACKEND.replace("https", "http")), "normal.scheme")
    denied(Request("GET", "http://127.0.0.1:82/"), "host.unknown", perimeter=local)


@pytest.mark.parametrize(("method", "passes"), [("GET", True), ("POST", False), ("HEAD", False)])
def test_sockets(method: str, passes: bool) -> None:
    seen = verdict(Request(method, BACKEND.replace("https", "wss") + "/ws"))
    assert (seen.kind is VerdictKind.ALLOW) is passes
    denied(Request("GET", COSMOS.replace("https", "wss") + "/"), "socket")
    denied(Request("GET", f"wss://{names.GITHUB_HOST}/"), "socket")


def test_no_token_is_asked_for_by_a_socket() -> None:
    """An answer that refuses the socket would hold the token, and nobody looks at that one."""
    denied(post(TOKEN.replace("https", "wss"), FORM, b"grant_type=client_credentials"), "socket")
    own = environment().azure.model_copy(update={"identity": None})
    machines = perimeter_of(environment().model_copy(update={"azure": own}))
    path = "169.254.169.254/metadata/identity/oauth2/token?resource=x"
    said = (("Metadata", "true"),)
    assert verdict(Request("GET", f"http://{path}", said), perimeter=machines).rule == "exchange"
    denied(Request("GET", f"ws://{path}", said), "socket", perimeter=machines)


def chunk(host: str = BUCKET, path: str = "/evidence/{sha256}", **changes: Any) -> HttpWrite:
    return bounded(
        host,
        path,
        **{"body": SelfAddressedBody(bytes_max=8), "purpose": Purpose.EVIDENCE, **changes},
    )


@pytest.mark.parametrize(
    ("path", "body", "headers", "rule"),
    [
        ("/evidence/{}", b"12345678", CREATES, "permission"),
        ("/evidence/{}", b"123456789", CREATES, "permission.body"),
        ("/elsewhere/{}", b"12345678", CREATES, "permission.none"),
        ("/evidence/deeper/{}", b"12345678", CREATES, "permission.none"),
        ("/evidence/x{}", b"12345678", CREATES, "permission.body"),
        ("/evidence/{}", b"12345678", REPLACES, "permission.condition"),
    ],
)
def test_self_addressed_bodies(path: str, body: bytes, headers: dict[str, str], rule: str) -> None:
    """Create-only by themselves, under their own digest, in their own place, bounded."""
    name = hashlib.sha256(body).hexdigest()
    assert verdict(put(path.format(name), headers, body), chunk()).rule == rule


def test_a_self_addressed_effect_without_its_place_covers_nothing() -> None:
    body = b"12345678"
    name = hashlib.sha256(body).hexdigest()
    denied(put(f"/evidence/{name}", CREATES, body), "permission.none", chunk(path="/evidence/x"))


def test_bodies_of_the_wrong_kind_for_a_host() -> None:
    """Self-addressed ones go to the store only; a change is never bounded."""
    name = hashlib.sha256(b"12345678").hexdigest()
    url = f"https://{names.WEBHOOK_HOST}/{name}"
    astray = chunk(names.WEBHOOK_HOST, "/{sha256}", method="POST")
    denied(post(url, CREATES, b"12345678"), "permission.body", astray)
    fields = dict(bounded(names.WEBHOOK_HOST, "/incident", method="POST", purpose=Purpose.NOTIFY))
    loose = HttpWrite.model_construct(**{**fields, "purpose": Purpose.CHANGE})
    scope = Scope.model_construct(
        run="r", step="s", attempt=1, phase=Phase.APPLY, permissions=(loose,)
    )
    request = post(f"https://{names.WEBHOOK_HOST}/incident", JSON, b"{}")
    assert judge(request, scope, PERIMETER, {"e": 1}).rule == "permission.body"


def test_an_exact_message_says_that_it_is_json() -> None:
    told = swap("e", host=names.WEBHOOK_HOST, path="/incident", query=(), body=exact('{"a":1}'))
    url = f"https://{names.WEBHOOK_HOST}/incident"
    denied(post(url, {"Content-Type": "text/plain"}, b'{"a":1}'), "permission.body", told)
    denied(post(url, JSON, None), "permission.body", told)


def test_judged_json_is_bounded() -> None:
    body = b'{"query":"' + b"x" * (1 << 20) + b'"}'
    denied(post(FEED, QUERY, body), "cosmos.query-body")


def test_unknown_hosts_are_about_the_control_plane_only_where_they_are_cosmos() -> None:
    assert denied(Request("GET", "https://evil.example/"), "host.unknown").promise == "fail-closed"
    other = Request("GET", "https://other.documents.azure.com/")
    assert denied(other, "host.unknown").promise == "no-control-plane-rewrite"


def test_an_error_while_judging_is_a_denial_and_keeps_the_form() -> None:
    """Fail-closed, and the journal still learns what it was about."""
    broken: Any = None
    scope = Scope(run="r", step="s", phase=Phase.APPLY)
    seen, normal = decide(Request("GET", f"{BACKEND}/a"), scope, broken, {})
    assert (seen.kind, seen.rule) == (VerdictKind.DENY, "guard.error")
    assert normal is not None
    assert normal.path == "/a"
    assert decide(Request("GET", "nowhere"), scope, PERIMETER, {})[1] is None
