"""Every host of an environment, and as what."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.guard.rules.perimeter import host_of, perimeter_of, store_place
from rollback.model.environment import BlobStore, Environment, S3Store
from rollback.model.scope import HostKind
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
    assert web.control_paths == ()


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
