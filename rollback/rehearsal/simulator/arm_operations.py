"""Swaps as long-running operations, previews, start and stop."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import names, transitions, verbs
from rollback.rehearsal.simulator.arm_sites import find, resource, web_error
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply
from rollback.rehearsal.simulator.swap import drop_sockets, run_start, run_swap

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Operation


def swap(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Accept a swap: 202 with the place where its end can be asked for."""
    world = simulation.world
    home, held = find(world, site, slot)
    body = call.json()
    target = body.get("targetSlot") if isinstance(body, dict) else None
    if not isinstance(target, str) or not target:
        return web_error(400, "BadRequest", "The parameter targetSlot has an invalid value.")
    source, destination = held.name, target.lower()
    if source == names.PRODUCTION:
        source, destination = destination, source
    if source == destination:
        return web_error(400, "BadRequest", "Source and target slots are the same.")
    operation = transitions.begin_swap(
        world,
        simulation.now(),
        home.name,
        source=source,
        target=destination,
        principal=call.principal,
        correlation=call.correlation,
    )
    simulation.spawn(run_swap(simulation, operation))
    return _accepted(simulation, call, operation, slot).with_header(
        "ETag", simulation.arm_etag(home.name, source)
    )


def _accepted(simulation: Simulation, call: Call, operation: Operation, slot: str) -> Reply:
    base = transitions.resource_id(operation.site, slot)
    ticks = 621_355_968_000_000_000 + int(simulation.now().timestamp() * 10_000_000)
    place = (
        f"https://{names.ARM_HOST}{base}/operationresults/{operation.id}"
        f"?api-version={call.query['api-version']}&t={ticks}"
        f"&c={secrets.token_urlsafe(48)}&s={secrets.token_urlsafe(64)}&h={secrets.token_urlsafe(32)}"
    )
    wait = str(simulation.world.timings.retry_after_s)
    return Reply(202, b"", [("Location", place), ("Retry-After", wait)])


def poll(
    simulation: Simulation, call: Call, site: str, operation: str, slot: str = names.PRODUCTION
) -> Reply:
    """Answer 202 with a new place while it runs, then the source slot's resource."""
    world = simulation.world
    home, _ = find(world, site, slot)
    found = world.operations.get(operation)
    if found is None or found.site != home.name:
        return web_error(404, "NotFound", f"Cannot find operation {operation}.")
    if found.state == "running":
        return _accepted(simulation, call, found, slot)
    if found.state == "failed":
        return web_error(400, "BadRequest", found.error or "The operation failed.")
    source = home.slots[found.source]
    return json_reply(resource(home, source), ETag=simulation.arm_etag(home.name, source.name))


def preview(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Begin a swap with preview: the slot takes the target's settings and waits."""
    home, held = find(simulation.world, site, slot)
    transitions.refuse_while_busy(simulation.world, home.name)
    body = call.json()
    target = body.get("targetSlot") if isinstance(body, dict) else None
    held.target_swap_slot = str(target or names.PRODUCTION)
    return Reply(200)


def reset(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Cancel a swap with preview; without one nothing happens."""
    del call
    home, held = find(simulation.world, site, slot)
    transitions.refuse_while_busy(simulation.world, home.name)
    chosen = [held] if held.name != names.PRODUCTION else list(home.slots.values())
    for each in chosen:
        each.target_swap_slot = None
    return Reply(200)


def start(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Start a slot; its release starts."""
    home, held = find(simulation.world, site, slot)
    transitions.refuse_while_busy(simulation.world, home.name)
    if held.state == "Stopped":
        verbs.start_slot(simulation, site=home.name, slot=held.name)
        simulation.spawn(run_start(simulation, home.name, held.name))
    _log(simulation, call, home.name, held.name, "start/action")
    return Reply(200)


def stop(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Stop a slot; its sockets close."""
    home, held = find(simulation.world, site, slot)
    transitions.refuse_while_busy(simulation.world, home.name)
    held.state = "Stopped"
    if held.name == names.PRODUCTION:
        simulation.spawn(drop_sockets(simulation, home.name))
    _log(simulation, call, home.name, held.name, "stop/action")
    return Reply(200)


def _log(simulation: Simulation, call: Call, site: str, slot: str, action: str) -> None:
    slots = "" if slot == names.PRODUCTION else "slots/"
    transitions.log_activity(
        simulation.world,
        simulation.now(),
        caller=call.principal,
        operation=f"Microsoft.Web/sites/{slots}{action}",
        resource=transitions.resource_id(site, slot),
        correlation=call.correlation,
    )
