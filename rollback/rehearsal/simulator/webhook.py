"""hooks.trading.example: an incident webhook that takes any JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation


def handle(simulation: Simulation, call: Call) -> Reply:
    """Take an incident message."""
    if call.path.rstrip("/") != "/incident":
        return json_reply({"error": "not found"}, 404)
    if call.method != "POST":
        return json_reply({"error": "method not allowed"}, 405)
    body = call.json()
    if not isinstance(body, dict):
        return json_reply({"error": "a JSON object is expected"}, 400)
    simulation.world.incidents.append(body)
    reply = json_reply({"accepted": True}, 202)
    if "x-request-id" in call.headers:
        reply.headers.append(("x-request-id", call.headers["x-request-id"]))
    return reply
