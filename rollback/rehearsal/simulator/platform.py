"""platform-service: sign-in, session refresh, signing keys, health."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.exchange import Call, Reply, dispatch, json_reply, route

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import User

KEY_ID = "rehearsal-1"


def handle(simulation: Simulation, call: Call) -> Reply:
    """Answer a request to the platform-service."""
    reply = dispatch(ROUTES, simulation, call) or json_reply({"error": "not found"}, 404)
    if "x-request-id" in call.headers:
        reply.headers.append(("x-request-id", call.headers["x-request-id"]))
    return reply


def signing_key(simulation: Simulation) -> RSAPrivateKey:
    """Return the signing key, made when first needed."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    if "signing" not in simulation.keys:
        simulation.keys["signing"] = rsa.generate_private_key(65537, 2048)
    key: RSAPrivateKey = simulation.keys["signing"]
    return key


def health(simulation: Simulation, call: Call) -> Reply:
    """Answer that the service is well."""
    del simulation, call
    return json_reply({"status": "ok"})


def keys(simulation: Simulation, call: Call) -> Reply:
    """Answer the public signing keys."""
    del call
    numbers = signing_key(simulation).public_key().public_numbers()

    def encoded(number: int) -> str:
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    key = {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": KEY_ID,
        "n": encoded(numbers.n),
        "e": encoded(numbers.e),
    }
    return json_reply({"keys": [key]}, Cache_Control="public, max-age=300")


def token(simulation: Simulation, call: Call) -> Reply:
    """Sign a user in, or refresh a session; a refresh token works once."""
    body = call.json()
    given: dict[str, Any] = body if isinstance(body, dict) else {}
    users = simulation.world.users
    user: User | None = None
    if given.get("grant_type") == "password":
        user = next(
            (
                each
                for each in users
                if each.id == given.get("username") and each.password == given.get("password")
            ),
            None,
        )
    elif given.get("grant_type") == "refresh_token":
        owner = simulation.refresh_tokens.pop(str(given.get("refresh_token")), None)
        user = next((each for each in users if each.id == owner), None)
    else:
        return json_reply({"error": "unsupported_grant_type"}, 400)
    if user is None:
        return json_reply({"error": "invalid_grant"}, 401)
    call.principal = user.id
    return json_reply(_session(simulation, user), Cache_Control="no-store")


def _session(simulation: Simulation, user: User) -> dict[str, Any]:
    import jwt

    now = simulation.now()
    lifetime = simulation.world.timings.token_s
    expiry = now + timedelta(seconds=lifetime)
    claims = {
        "iss": f"https://{names.PLATFORM_HOST}",
        "sub": user.id,
        "tenant": user.tenant,
        "iat": int(now.timestamp()),
        "exp": int(expiry.timestamp()),
        "jti": secrets.token_hex(8),
    }
    access = jwt.encode(claims, signing_key(simulation), algorithm="RS256", headers={"kid": KEY_ID})
    refresh = simulation.new_token("refresh")
    simulation.sessions[access] = (user.id, user.tenant, expiry)
    simulation.refresh_tokens[refresh] = user.id
    return {
        "access_token": access,
        "refresh_token": refresh,
        "token_type": "Bearer",
        "expires_in": lifetime,
    }


ROUTES = (
    route("GET", "/healthz", health),
    route("GET", r"/\.well-known/jwks\.json", keys),
    route("POST", "/auth/token", token),
)
