"""management.azure.com: credentials, api-version, and the way to each provider's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from rollback.rehearsal.simulator import arm_config, arm_operations, arm_other, arm_sites, names
from rollback.rehearsal.simulator.exchange import Call, Reply, Route, dispatch, json_reply, route
from rollback.rehearsal.simulator.transitions import RefusedError, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.simulator.simulation import Simulation

_GROUP = f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}".replace(
    "-", r"\-"
)
_SITE = _GROUP + "/providers/Microsoft.Web/sites/{site}"
_SLOT = _SITE + "/slots/{slot}"


def handle(simulation: Simulation, call: Call) -> Reply:
    """Answer a Resource Manager request; every one needs a token of the login host."""
    identifier = call.correlation = str(uuid4())
    reply = _answer(simulation, call)
    if reply.dropped:
        return reply
    reply.headers += [
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Expires", "-1"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
        ("X-Content-Type-Options", "nosniff"),
        ("x-ms-request-id", identifier),
        ("x-ms-correlation-request-id", identifier),
        ("x-ms-routing-request-id", f"REHEARSAL:{identifier}"),
    ]
    return reply


def _answer(simulation: Simulation, call: Call) -> Reply:
    known = simulation.arm_tokens.get(call.bearer or "")
    if known is None or known[1] <= simulation.now():
        text = "Authentication failed. The 'Authorization' header is missing, invalid or expired."
        code = "AuthenticationFailed" if call.bearer is None else "InvalidAuthenticationToken"
        refused = json_reply({"error": {"code": code, "message": text}}, 401)
        return refused.with_header(
            "WWW-Authenticate",
            f'Bearer authorization_uri="https://{names.LOGIN_HOST}/{names.TENANT}"',
        )
    call.principal = f"client:{known[0]}"
    if "api-version" not in call.query:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        return json_reply({"error": {"code": "MissingApiVersionParameter", "message": text}}, 400)
    try:
        reply = dispatch(ROUTES, simulation, call)
    except RefusedError as refused_by:
        return arm_sites.web_error(refused_by.status, refused_by.code, refused_by.message)
    return reply or _anything_else(simulation, call)


def _anything_else(simulation: Simulation, call: Call) -> Reply:
    """Accept and record a write of any kind; a read of what is not simulated is a 404."""
    if call.method in {"GET", "HEAD"}:
        text = f"The Resource '{call.path}' under resource group 'trading' was not found."
        return json_reply({"error": {"code": "ResourceNotFound", "message": text}}, 404)
    note(
        simulation.world,
        simulation.now(),
        call.principal,
        "unmodelled-arm-write",
        method=call.method,
        path=call.path,
    )
    if "/microsoft.documentdb/" in call.path.lower():
        return arm_other.database_write(simulation, call)
    return json_reply(call.json() or {}, 200)


def _both(method: str, rest: str, handler: Callable[..., Reply]) -> tuple[Route, ...]:
    return (route(method, _SITE + rest, handler), route(method, _SLOT + rest, handler))


ROUTES = (
    *_both("GET", "", arm_sites.get),
    route("GET", _GROUP + "/providers/Microsoft.Web/sites", arm_sites.list_sites),
    route("GET", _SITE + "/slots", arm_sites.list_slots),
    *_both("GET", "/instances", arm_sites.instances),
    *_both("GET", "/deployments", arm_sites.deployments),
    *_both("POST", "/containerlogs", arm_sites.container_logs),
    *_both("GET", "/config/web", arm_config.get_web),
    *_both("PATCH", "/config/web", arm_config.change_web),
    *_both("PUT", "/config/web", arm_config.change_web),
    *_both("POST", "/config/appsettings/list", arm_config.list_settings),
    *_both("PUT", "/config/appsettings", arm_config.put_settings),
    *_both("POST", "/config/connectionstrings/list", arm_config.list_connections),
    route("GET", _SITE + "/config/slotConfigNames", arm_config.sticky_names),
    *_both("POST", "/slotsdiffs", arm_config.differences),
    *_both("POST", "/slotsswap", arm_operations.swap),
    *_both("POST", "/applySlotConfig", arm_operations.preview),
    *_both("POST", "/resetSlotConfig", arm_operations.reset),
    *_both("POST", "/start", arm_operations.start),
    *_both("POST", "/stop", arm_operations.stop),
    *_both("GET", "/operationresults/{operation}", arm_operations.poll),
    route(
        "GET",
        _GROUP + "/providers/Microsoft.DocumentDB/databaseAccounts/{account}",
        arm_other.account,
    ),
    *(
        route(
            "GET",
            _GROUP + "/providers/Microsoft.DocumentDB/databaseAccounts/{account}" + rest,
            handler,
        )
        for rest, handler in (
            ("/sqlRoleAssignments", arm_other.cosmos_role_assignments),
            ("/sqlRoleDefinitions", arm_other.cosmos_role_definitions),
        )
    ),
    route(
        "GET",
        "/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values",
        arm_other.activity_log,
    ),
    route(
        "GET",
        "(?P<scope>.*)/providers/Microsoft.Authorization/permissions",
        arm_other.permissions,
    ),
)
