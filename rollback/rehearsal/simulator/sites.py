"""What runs on an instance: the release it serves, and the surface's own answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import transitions
from rollback.rehearsal.simulator.arm_sites import precise
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply, text_reply

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Build, Instance, Site, Slot


@dataclass(frozen=True)
class Where:
    """The instance that answers."""

    site: Site
    slot: Slot
    instance: Instance


def answer(simulation: Simulation, call: Call, at: Where) -> Reply:
    """Answer a request on an instance, as the build it serves would."""
    from rollback.rehearsal.simulator import backend, web

    build = simulation.world.builds.get(at.instance.serves() or "")
    if build is None:
        return text_reply(":( Application Error", 503, "text/html")
    for prefix in build.failing_paths:
        if call.path.startswith(prefix) and at.site.surface == "backend":
            turn = simulation.turn(f"failing/{at.site.name}/{build.id}")
            if turn % build.fails_every == build.fails_every - 1:
                return json_reply({"error": "internal", "build": build.id}, 500)
    if at.site.surface == "backend":
        return backend.handle(simulation, call, at, build)
    return web.handle(simulation, call, at, build)


def release(simulation: Simulation, at: Where, build: Build) -> Reply:
    """Answer which release this instance is; its own health shows in the status."""
    if build.health_status != 200:  # noqa: PLR2004 - HTTP OK
        return json_reply({"error": "unhealthy", "build": build.id}, build.health_status)
    loop = transitions.trading_loop(simulation.world, at.site.name, at.slot.name, build.id)
    return json_reply(
        {
            "build": build.id,
            "artifactDigest": build.artifacts[at.site.name],
            "instance": at.instance.id,
            "startedAt": precise(at.instance.started_at),
            "tradingLoop": loop,
        },
        Cache_Control="no-store",
    )
