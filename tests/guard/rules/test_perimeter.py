"""Every host of an environment, and as what."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.guard.rules.judge import judge
from rollback.guard.rules.perimeter import host_of, perimeter_of, store_place
from rollback.guard.rules.request import NO_REWRITE, Request
from rollback.model.environment import BlobStore, Environment, S3Store
from rollback.model.scope import GuardVerdict, HostKind, Phase, Scope, VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.support import environment


def kinds(known: Environment) -> dict[str, HostKind]:
    return {host.host: host.kind for host in perimeter_of(known).hosts}


def changed(**parts: Any) -> Environment:
    return environment().model_copy(update=parts)


def test_the_whole_of_it() -> None:
    """Nothing more and nothing less than the environment file says."""
    assert kinds(environment()) == {
        names.COSMOS_HOST: HostKind.COSMOS,
        names.ARM_HOST: HostKind.ARM,
        "trading-backend.azurewebsites.net": HostKind.BACKEND,
        "trading-backend-staging.azurewebsites.net": HostKind.BACKEND,
        "trading-web.azurewebsites.net": HostKind.WEB,
        "trading-web-staging.azurewebsites.net": HostKind.WEB,
        names.GITHUB_HOST: HostKind.PIPELINE,
        names.PLATFORM_HOST: HostKind.PLATFORM,
        names.LOGIN_HOST: HostKind.IDENTITY,
        "s3.eu-west-1.amazonaws.com": HostKind.STORE,
        "trading-evidence.s3.eu-west-1.amazonaws.com": HostKind.STORE,
        names.WEBHOOK_HOST: HostKind.CHANNEL,
    }
    perimeter = perimeter_of(environment())
    assert perimeter.subscription == names.SUBSCRIPTION
    backend = perimeter.find("trading-backend.azurewebsites.net")
    web = perimeter.find("trading-web.azurewebsites.net")
    assert backend is not None
    assert web is not None
    assert backend.reads == ("/api/search",)
    assert "/api/control/trading" in backend.control_paths
    assert web.control_paths == backend.control_paths  # it may pass requests on


def test_the_token_places() -> None:
    exchanges = {(e.host, e.path): e.grants for e in perimeter_of(environment()).exchanges}
    assert exchanges == {
        (names.LOGIN_HOST, f"/{names.TENANT}/oauth2/v2.0/token"): ("client_credentials",),
        (names.PLATFORM_HOST, "/auth/token"): ("password", "refresh_token"),
    }
    platform = environment().platform.model_copy(update={"api_url": "https://p.example/base/"})
    moved = perimeter_of(changed(platform=platform)).exchanges[1]
    assert (moved.host, moved.path) == ("p.example", "/base/auth/token")


def test_an_endpoint_of_ones_own() -> None:
    store = S3Store(region="eu", bucket="trading-evidence", endpoint="http://127.0.0.1:5000")
    evidence = environment().evidence.model_copy(update={"store": store})
    found = kinds(changed(evidence=evidence))
    assert found["127.0.0.1:5000"] is HostKind.STORE
    assert "s3.eu.amazonaws.com" not in found
    account = "http://127.0.0.1:10000/devstoreaccount1"
    blobs = BlobStore(endpoint=account, container="evidence")
    evidence = environment().evidence.model_copy(update={"store": blobs})
    assert kinds(changed(evidence=evidence))["127.0.0.1:10000"] is HostKind.STORE
    assert store_place(blobs) == ("127.0.0.1:10000", "/devstoreaccount1/evidence/")
    without = environment().evidence.model_copy(update={"store": None})
    assert HostKind.STORE not in kinds(changed(evidence=without)).values()


def test_keys_of_tokens_may_live_elsewhere() -> None:
    jwt = environment().platform.jwt.model_copy(update={"jwks_url": "https://keys.example/jwks"})
    platform = environment().platform.model_copy(update={"jwt": jwt})
    assert kinds(changed(platform=platform))["keys.example"] is HostKind.PLATFORM


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        (names.COSMOS_HOST, HostKind.COSMOS),
        ("trading-backend.azurewebsites.net", HostKind.BACKEND),
        (names.PLATFORM_HOST, HostKind.PLATFORM),
        (names.ARM_HOST, HostKind.ARM),
        (f"{names.ARM_HOST}:443", HostKind.ARM),
        (names.GITHUB_HOST, HostKind.PIPELINE),
    ],
)
def test_a_host_with_two_roles_is_held_to_the_stricter(host: str, kind: HostKind) -> None:
    """A channel that claims the address of something else opens nothing there."""
    channel = environment().channels[0].model_copy(update={"host": host})
    assert kinds(changed(channels=(channel,)))[host.removesuffix(":443")] is kind


def test_surfaces_without_a_site() -> None:
    """What the product does not roll back may still be looked at."""
    from rollback.model.environment import Surface

    mobile = Surface(provider="unsupported", human_step="in the store", hosts=("m.example",))
    found = kinds(changed(surfaces=(*environment().surfaces, ("mobile", mobile))))
    assert found["m.example"] is HostKind.WEB


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://A.example/", "a.example"),
        ("https://a.example:443", "a.example"),
        ("https://a.example:8443/x", "a.example:8443"),
        ("http://a.example", "a.example:80"),
        ("http://127.0.0.1:81/", "127.0.0.1:81"),
    ],
)
def test_hosts_of_addresses(url: str, host: str) -> None:
    assert host_of(url) == host


def test_the_backend_is_known_by_either_sign() -> None:
    """It carries authority, or the halt authority names it."""
    (name, backend), other = environment().surfaces
    unsaid = backend.model_copy(update={"carries_authority": False})
    host = "trading-backend.azurewebsites.net"
    assert kinds(changed(surfaces=((name, unsaid), other)))[host] is HostKind.BACKEND
    authority = environment().halt_authority.model_copy(update={"surface": "web"})
    found = kinds(changed(halt_authority=authority))
    assert found[host] is HostKind.BACKEND
    assert found["trading-web.azurewebsites.net"] is HostKind.BACKEND


def test_tokens_checked_by_a_key_need_no_host() -> None:
    from rollback.model.environment import Jwt

    jwt = Jwt.model_validate({"issuer": "trading", "public_key": "${PLATFORM_JWT_PUBLIC_KEY}"})
    platform = environment().platform.model_copy(update={"jwt": jwt})
    assert kinds(changed(platform=platform)) == kinds(environment())


BACKEND, WEB = "trading-backend.azurewebsites.net", "trading-web.azurewebsites.net"
CONTROL = "/api/control/trading"


def posted(known: Environment, host: str, path: str, body: bytes = b"{}") -> GuardVerdict:
    request = Request("POST", f"https://{host}{path}", (("Content-Type", "application/json"),), body)
    scope = Scope(run="r-1", step="look", phase=Phase.OBSERVE)
    return judge(request, scope, perimeter_of(known), {})


def declaring(host: str, *reads: str) -> Environment:
    """The surface at that host is said to have these reads."""
    surfaces = tuple(
        (name, one.model_copy(update={"reads": reads}) if host in one.hosts else one)
        for name, one in environment().surfaces
    )
    return changed(surfaces=surfaces)


@pytest.mark.parametrize("host", [BACKEND, WEB])
@pytest.mark.parametrize("path", [CONTROL, "/API/Dynamic-Config/x", "/api/feature-flags"])
def test_no_read_is_declared_at_a_control_api(host: str, path: str) -> None:
    """The web surface's host passes requests on to the backend, as many do."""
    known = declaring(host, path, "/api/find")
    refused = posted(known, host, path)
    assert (refused.kind, refused.promise) == (VerdictKind.DENY, NO_REWRITE)
    assert refused.rule.endswith(".control")
    assert posted(known, host, "/api/find").kind is VerdictKind.ALLOW


def test_no_token_is_asked_for_at_a_control_api() -> None:
    """The grant in its body would make a token request of a write."""
    body = b'{"grant_type":"password","halted":false}'
    for url, host in ((f"https://{BACKEND}", BACKEND), ("https://p.example", "p.example")):
        for path, kind in ((CONTROL, VerdictKind.DENY), ("/auth/token", VerdictKind.EXCHANGE)):
            update = {"api_url": url, "token_path": path}
            known = changed(platform=environment().platform.model_copy(update=update))
            assert posted(known, host, path, body).kind is kind


@pytest.mark.parametrize("host", [BACKEND, WEB])
def test_a_channel_at_a_surfaces_host_declares_no_read(host: str) -> None:
    """At a channel a path that can be listed is read by GET; as a surface's it would be a POST."""
    comment = "/rest/api/2/issue/INC-1/comment"
    jira = {"name": "j", "kind": "jira", "token": "${T}", "host": host, "path": comment}
    known = environment(channels=[jira])
    assert posted(known, host, comment, b'{"body":"x"}').kind is VerdictKind.DENY
    assert posted(known, BACKEND, "/api/search").kind is VerdictKind.ALLOW
    twice = environment(channels=[jira | {"host": "jira.example"}, jira | {"name": "k", "host": "jira.example"}])
    found = perimeter_of(twice).find("jira.example")
    assert found is not None
    assert found.reads == (comment,)


@pytest.mark.parametrize(
    "host",
    [
        "trading-cosmos.documents.azure.eaglex.ic.gov",
        "trading-cosmos.documents.sovcloud-api.fr",
        "trading.sql.cosmos.fabric.microsoft.com",
        "trading-cosmos.privatelink.documents.azure.com",
        "trading-cosmos.sqlx.cosmos.azure.com",
        "trading-cosmos.mongo.cosmos.azure.com:10255",
        "trading-cosmos.table.cosmosdb.azure.com",
        "trading-cosmos.documents.microsoftazure.de",
        "trading-cosmos.documents.azure.com.evil.example",
    ],
)
def test_what_looks_like_cosmos_is_cosmos_whatever_it_is_said_to_be(host: str) -> None:
    surfaces = tuple(
        (name, one.model_copy(update={"hosts": (host,), "reads": ("/dbs/d/colls/c/docs",)}))
        for name, one in environment().surfaces
    )
    refused = posted(changed(surfaces=surfaces), host, "/dbs/d/colls/c/docs")
    assert (refused.kind, refused.rule) == (VerdictKind.DENY, "cosmos.undeclared")
