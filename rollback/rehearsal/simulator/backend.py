"""The trading backend: halt authority, control state, flags, orders, profiles, the socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import sites, store
from rollback.rehearsal.simulator.arm_sites import precise
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Build

SCOPES = ("global", "tenant", "strategy")


def handle(simulation: Simulation, call: Call, at: sites.Where, build: Build) -> Reply:
    """Answer a backend request on one instance."""
    call.principal = principal_of(simulation, call.bearer) or "anonymous"
    reply = _answer(simulation, call, at, build)
    if not any(name.lower() == "cache-control" for name, _ in reply.headers):
        reply.headers.append(("Cache-Control", "no-store"))
    return reply


def _answer(
    simulation: Simulation, call: Call, at: sites.Where, build: Build
) -> Reply:
    match call.method, call.path.rstrip("/"):
        case "GET", "/api/release":
            return sites.release(simulation, at, build)
        case "GET", "/api/control/authority":
            return authority(simulation, call, at, build)
        case "GET", "/api/control/trading":
            return _if_known(call, json_reply(trading_control(simulation)))
        case (("PUT" | "POST" | "PATCH"), "/api/control/trading"):
            return change_trading(simulation, call)
        case (("PUT" | "POST" | "PATCH"), "/api/dynamic-config"):
            return change_config(simulation, call)
        case "GET", "/api/feature-flags":
            return _if_known(call, json_reply({"flags": simulation.world.flags, "schema": 1}))
        case "GET", "/api/orders/open":
            orders = simulation.world.orders
            return _if_known(call, json_reply({"orders": orders, "count": len(orders)}))
        case "GET", "/api/me/profile":
            return _profile(simulation, call, None)
        case "GET", path if path.startswith("/api/tenants/") and path.endswith("/profile"):
            return _profile(simulation, call, path.split("/")[3])
        case _:
            return json_reply({"error": "not found"}, 404)


def principal_of(simulation: Simulation, token: str | None) -> str | None:
    """Return the principal of a backend token or of a platform session, or None."""
    if token is None:
        return None
    grant = simulation.world.grants.get(token)
    if grant:
        return grant.principal
    session = simulation.sessions.get(token)
    return session[0] if session and session[2] > simulation.now() else None


def _if_known(call: Call, reply: Reply) -> Reply:
    """Refuse an unknown token; these reads are open to callers without one."""
    if call.bearer is not None and call.principal == "anonymous":
        return json_reply({"error": "unauthorized"}, 401)
    return reply


def authority(simulation: Simulation, call: Call, at: sites.Where, build: Build) -> Reply:
    """Answer whether the caller may halt trading, per scope, from this very instance."""
    behaviour = simulation.authority_of(at.instance)
    if behaviour == "missing":
        return json_reply({"error": "not found"}, 404)
    if behaviour == "silent":
        return Reply(status=0, dropped=True)
    everyone = behaviour == "yes-to-everyone"
    grant = simulation.world.grants.get(call.bearer or "")
    if grant is None and not everyone:
        return json_reply({"error": "unauthorized"}, 401)
    allowed = everyone or (grant is not None and grant.can_halt and behaviour != "denies")
    nonce = call.query.get("nonce", "")
    stale = simulation.keys.get("nonce", "")
    simulation.keys["nonce"] = nonce
    document = simulation.world.document("trading_controls", "global") or {}
    reachable = behaviour != "store-unreachable"
    return json_reply(
        {
            "nonce": stale if behaviour == "stale-nonce" else nonce,
            "principal": grant.principal if grant else "anonymous",
            "instance": at.instance.id,
            "build": build.id,
            "readAt": precise(simulation.now()),
            "scopes": [
                {
                    "scope": scope,
                    "canHalt": allowed,
                    "policyVersion": simulation.world.policy_version,
                }
                for scope in SCOPES
            ],
            "controlSchema": {
                "document": document.get("schema", 4),
                "supportedMin": build.control_min,
                "supportedMax": build.control_max,
            },
            "store": {
                "reachable": reachable,
                "etag": document.get("_etag") if reachable else None,
            },
        },
        Cache_Control="no-store",
    )


def trading_control(simulation: Simulation) -> dict[str, Any]:
    """Return the trading control state; tenants and strategies are named where halted."""
    documents = simulation.world.containers["trading_controls"].documents
    state: dict[str, Any] = {
        "global": {"halted": False, "by": None, "at": None},
        "tenants": {},
        "strategies": {},
        "etag": None,
        "schema": 4,
    }
    for document in documents:
        kind, _, name = str(document["id"]).partition(":")
        shown = {key: document.get(key) for key in ("halted", "by", "at")}
        if kind == "global":
            state["global"] = shown
            state["etag"], state["schema"] = document["_etag"], document.get("schema", 4)
        elif document.get("halted"):
            state["tenants" if kind == "tenant" else "strategies"][name] = shown
    return state


def change_trading(simulation: Simulation, call: Call) -> Reply:
    """Accept a change of the trading control, whoever sends it."""
    body = call.json()
    given = body if isinstance(body, dict) else {}
    now = simulation.now()
    scope = str(given.get("scope", "global"))
    store.update_document(
        simulation.world,
        now,
        principal=call.principal,
        container="trading_controls",
        document_id=scope,
        values={
            "scope": scope.partition(":")[0],
            "schema": 4,
            "halted": bool(given.get("halted", False)),
            "by": call.principal,
            "at": now.isoformat(),
        },
    )
    return json_reply(trading_control(simulation))


def change_config(simulation: Simulation, call: Call) -> Reply:
    """Accept a change of the dynamic configuration, whoever sends it."""
    body = call.json()
    given = {k: v for k, v in (body if isinstance(body, dict) else {}).items() if k != "id"}
    document = store.update_document(
        simulation.world,
        simulation.now(),
        principal=call.principal,
        container="dynamic_config",
        document_id="limits",
        values=given,
    )
    return json_reply(document)


def _profile(simulation: Simulation, call: Call, tenant: str | None) -> Reply:
    session = simulation.sessions.get(call.bearer or "")
    if session is None or session[2] <= simulation.now():
        return json_reply({"error": "unauthorized"}, 401)
    user, own, _ = session
    if tenant is not None and tenant != own:
        return json_reply({"error": "forbidden"}, 403)
    return json_reply({"user": user, "tenant": own, "roles": ["trader"]})
