"""Sign-in, refresh, and whether tokens verify: by key set, public key, HS256 where compatible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rollback.connectors import platform_service as platform
from rollback.errors import ConnectorError
from rollback.model.environment import Environment
from rollback.rehearsal.simulator import names
from tests.connectors.stand import environment, stand

if TYPE_CHECKING:
    from rollback.connectors.platform_service import TokenCheck
    from rollback.model.environment import Secret
    from rollback.model.ports import HttpPort
    from rollback.rehearsal.simulator.process import Simulator

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ISSUER = f"https://{names.PLATFORM_HOST}"
KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
SHARED = "a shared secret of at least thirty-two bytes"
CLAIMS = {"iss": ISSUER, "sub": "u", "tenant": "alpha", "exp": int(NOW.timestamp()) + 60}


def live(sim: Simulator) -> Environment:
    jwks = f"{ISSUER}/.well-known/jwks.json"
    given = {"api_url": ISSUER, "jwt": {"issuer": ISSUER, "jwks_url": jwks}}
    return environment(sim, platform=given)


def offline(**given: Any) -> Environment:
    mode = "hs256" if "secret" in given else "none"
    described = {"api_url": ISSUER, "jwt": {"issuer": ISSUER, **given}}
    return environment(platform=described, compatibility=mode)


def no_jwks(host: str) -> HttpPort:
    raise AssertionError(host)


def values(secret: Secret) -> str:
    return {"PUBLIC_KEY": PUBLIC.decode(), "JWT_SECRET": SHARED}[secret.variable]


def check(token: str, env: Environment, now: datetime = NOW) -> TokenCheck:
    return platform.verify_token(token, env, jwks=no_jwks, secret=values, now=now)


def test_a_user_signs_in_and_refreshes_and_the_tokens_verify(sim: Simulator) -> None:
    user = sim.control.world().users[0]
    env = live(sim)
    with stand(env) as here:
        http = here.clients.http(names.PLATFORM_HOST)
        assert platform.healthy(http, env.platform) == ""
        first = platform.sign_in(http, env.platform, user.id, user.password)
        second = platform.refresh(http, env.platform, first)
        checks = [
            platform.verify_token(
                one.access_token, env, jwks=here.clients.http, secret=here.secrets.get,
                now=here.clients.now(),
            )
            for one in (first, second)
        ]  # fmt: skip
        with pytest.raises(ConnectorError) as reused:
            platform.refresh(http, env.platform, first)
        with pytest.raises(ConnectorError) as wrong:
            platform.sign_in(http, env.platform, user.id, "not-the-password")
    assert [(one.valid, one.subject, one.tenant) for one in checks] == [
        (True, user.id, user.tenant)
    ] * 2
    assert reused.value.status == wrong.value.status == 401
    assert "not-the-password" not in str(wrong.value)
    assert first.access_token not in repr(first)
    assert first.refresh_token not in repr(first)


def test_a_platform_that_is_down_is_told(sim: Simulator) -> None:
    sim.control.fault("platform_down")
    env = live(sim)
    with stand(env) as here:
        http = here.clients.http(names.PLATFORM_HOST)
        assert platform.healthy(http, env.platform)
        with pytest.raises(ConnectorError) as caught:
            platform.sign_in(http, env.platform, "u", "p")
    assert caught.value.transient


def test_a_public_key_verifies_and_nothing_else_does() -> None:
    env = offline(public_key="${PUBLIC_KEY}")
    good = jwt.encode(CLAIMS, KEY, algorithm="RS256")
    other = jwt.encode(CLAIMS, rsa.generate_private_key(65537, 2048), algorithm="RS256")
    head, body, mark = good.split(".")
    assert check(good, env).valid
    for bad in (
        other,
        f"{head}.{body[:-2]}AA.{mark}",
        jwt.encode(CLAIMS, "", algorithm="none"),
        jwt.encode(CLAIMS, SHARED, algorithm="HS256"),
        jwt.encode({**CLAIMS, "iss": "https://other.example"}, KEY, algorithm="RS256"),
        jwt.encode({name: CLAIMS[name] for name in ("iss", "sub")}, KEY, algorithm="RS256"),
        "not.a.token",
        "",
    ):
        assert not check(bad, env).valid
    for algorithm, key in (("none", ""), ("HS256", SHARED)):
        forged = check(jwt.encode(CLAIMS, key, algorithm=algorithm), env)
        assert forged.problem == "its algorithm is not accepted here"


def test_expiry_is_held_against_the_runs_clock() -> None:
    env = offline(public_key="${PUBLIC_KEY}")
    token = jwt.encode(CLAIMS, KEY, algorithm="RS256")
    assert check(token, env, NOW + timedelta(seconds=60)).valid
    late = check(token, env, NOW + timedelta(seconds=66))
    assert (late.valid, late.problem) == (False, "it has expired")


def test_hs256_verifies_in_compatibility_only() -> None:
    env = offline(secret="${JWT_SECRET}")
    token = jwt.encode(CLAIMS, SHARED, algorithm="HS256")
    assert check(token, env).valid
    assert not check(jwt.encode(CLAIMS, KEY, algorithm="RS256"), env).valid
    smuggled = env.model_copy(update={"compatibility": "none"})
    assert not check(token, smuggled).valid


def test_an_audience_is_asked_for_where_one_is_declared() -> None:
    env = offline(public_key="${PUBLIC_KEY}", audience="trading")
    for audience, valid in (({"aud": "trading"}, True), ({"aud": "x"}, False), ({}, False)):
        token = jwt.encode({**CLAIMS, **audience}, KEY, algorithm="RS256")
        assert check(token, env).valid is valid


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\n", "tök\u20acn", "", "a" * 32_769, 5, ["a"]])
def test_a_token_that_no_header_can_hold_is_told(sim: Simulator, token: Any) -> None:
    """Else the guard refuses the next request, and ends the run for it."""
    body = {"access_token": token, "refresh_token": "r"}
    sim.control.fault("status", host=names.PLATFORM_HOST, status=200, count=1, body=body)
    env = live(sim)
    with stand(env) as here, pytest.raises(ConnectorError) as caught:
        platform.sign_in(here.clients.http(names.PLATFORM_HOST), env.platform, "u", "p")
    assert caught.value.code == "platform-service.unreadable"
    assert "no usable tokens" in caught.value.reason
