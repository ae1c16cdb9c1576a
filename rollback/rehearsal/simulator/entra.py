"""login.microsoftonline.com: discovery and client credentials."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.exchange import Call, Reply, dispatch, json_reply, route

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation


def handle(simulation: Simulation, call: Call) -> Reply:
    """Answer a request to the login host."""
    return dispatch(ROUTES, simulation, call) or json_reply({"error": "not_found"}, 404)


def discovery(simulation: Simulation, call: Call, tenant: str) -> Reply:
    """Answer the OpenID configuration of a tenant."""
    del simulation, call
    base = f"https://{names.LOGIN_HOST}/{tenant}"
    return json_reply(
        {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
        }
    )


def token(simulation: Simulation, call: Call, tenant: str) -> Reply:
    """Exchange client credentials for an access token."""
    form = {name: values[-1] for name, values in parse_qs(call.body.decode()).items()}
    client = form.get("client_id", "")
    call.principal = f"client:{client}"
    if form.get("grant_type") != "client_credentials":
        return _refused("unsupported_grant_type", "AADSTS70003: unsupported grant type.", 400)
    if tenant != names.TENANT:
        return _refused("invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.", 400)
    secret = form.get("client_secret")
    if secret is None or simulation.world.clients.get(client) != secret:
        return _refused("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
    lifetime = simulation.world.timings.token_s
    expiry = simulation.now() + timedelta(seconds=lifetime)
    issued = _token(simulation, client, int(expiry.timestamp()))
    simulation.arm_tokens[issued] = (client, expiry)
    return json_reply(
        {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": issued,
        },
        Cache_Control="no-store, no-cache",
    )


def _token(simulation: Simulation, client: str, expiry: int) -> str:
    """A token as Entra makes it, but for its signature, which is opaque text nobody checks."""
    claims: dict[str, Any] = {
        "aud": f"https://{names.ARM_HOST}",
        "iss": f"https://sts.windows.net/{names.TENANT}/",
        "exp": expiry,
        "appid": client,
        "oid": names.OBJECT_ID,
        "tid": names.TENANT,
        **simulation.world.claims,
    }
    parts = [json.dumps(one).encode() for one in ({"typ": "JWT", "alg": "RS256"}, claims)]
    opaque = simulation.new_token("entra-").replace(".", "")
    opaque += "A" * (-len(opaque) % 4)
    return ".".join([*(urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts), opaque])


def _refused(error: str, description: str, status: int) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)


ROUTES = (
    route("GET", "/{tenant}/v2.0/.well-known/openid-configuration", discovery),
    route("POST", "/{tenant}/oauth2/v2.0/token", token),
)
