"""control.rehearsal.example: how a rehearsal looks into the simulator and moves it.

It needs the token written into ``ready.json`` and is never listed in the ledger.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import verbs
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply
from rollback.rehearsal.simulator.transitions import RefusedError

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation


def handle(
    simulation: Simulation, call: Call, token: str
) -> Reply:
    """Answer a control request."""
    if not secrets.compare_digest(call.bearer or "", token):
        return json_reply({"error": "unauthorized"}, 401)
    match call.method, call.path:
        case "GET", "/world":
            return json_reply(simulation.world.model_dump(mode="json"))
        case "GET", "/ledger":
            after = int(call.query.get("after", "0"))
            entries = [entry.model_dump(mode="json") for entry in simulation.ledger[after:]]
            return json_reply(entries)
        case "GET", "/changes":
            return json_reply([c.model_dump(mode="json") for c in simulation.world.changes])
        case "GET", "/summary":
            return json_reply(summary(simulation))
        case "POST", ("/fault" | "/act"):
            return _throw_or_act(simulation, call)
        case "POST", "/clear":
            verbs.clear_faults(simulation)
            return Reply(204)
        case "POST", "/stop":
            simulation.stopping.set()
            return Reply(204)
        case _:
            return json_reply({"error": "not found"}, 404)


def _throw_or_act(simulation: Simulation, call: Call) -> Reply:
    body = call.json()
    given: dict[str, Any] = body if isinstance(body, dict) else {}
    try:
        verbs.arm(
            simulation,
            call.path.removeprefix("/"),
            str(given.get("name", "")),
            dict(given.get("params") or {}),
            given.get("when"),
        )
    except verbs.UnknownVerbError as error:
        return json_reply({"error": f"no fault or verb is called {error}"}, 400)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        return json_reply({"error": f"{type(error).__name__}: {error}"}, 400)
    except RefusedError as error:
        return json_reply({"error": error.message}, 409)
    return Reply(204)


def summary(simulation: Simulation) -> dict[str, Any]:
    """Return the few facts a rehearsal asks for again and again."""
    world, now = simulation.world, simulation.now()
    return {
        "swaps": {name: home.swaps for name, home in world.sites.items()},
        "builds": {
            name: {slot: world.build_in(name, slot) for slot in home.slots}
            for name, home in world.sites.items()
        },
        "operations": {name: home.operation for name, home in world.sites.items()},
        "pinned_users": {
            name: {
                slot: sum(1 for until in expiries if until > now)
                for slot, expiries in home.pinned_until.items()
            }
            for name, home in world.sites.items()
        },
        "open_sockets": {name: len(found) for name, found in simulation.sockets.items()},
        "requests": len(simulation.ledger),
        "changes": len(world.changes),
        "armed": len(simulation.armed),
    }
