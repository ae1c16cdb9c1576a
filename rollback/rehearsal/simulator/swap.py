"""Swaps and starts as they run: the phases of `transitions`, spread over time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import transitions
from rollback.rehearsal.simulator.verbs import fire

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Operation


async def _reached(simulation: Simulation, operation: Operation, phase: str) -> None:
    for armed in simulation.due(None, "phase", phase, operation.site):
        fire(simulation, armed)
    for key in (operation.site, "*"):
        if simulation.held_at.get(key) == phase:
            await simulation.released[key].wait()


async def run_swap(simulation: Simulation, operation: Operation) -> None:
    """Run an accepted swap to its end."""
    world = simulation.world
    workers = len(world.sites[operation.site].slots[operation.target].instances)
    pause_s = world.timings.swap_s / (workers + 2)
    await _reached(simulation, operation, "swap-started")
    await asyncio.sleep(pause_s)
    error = transitions.warm_up(world, simulation.now(), operation)
    if error:
        transitions.fail_swap(world, simulation.now(), operation, error)
        await _reached(simulation, operation, "swap-failed")
        return
    await _reached(simulation, operation, "warmed-up")
    more = True
    while more:
        await asyncio.sleep(pause_s)
        more = transitions.move_instance(world, simulation.now(), operation)
        if operation.moved == (workers + 1) // 2:
            await _reached(simulation, operation, "half-way")
    await asyncio.sleep(pause_s)
    transitions.finish_swap(world, simulation.now(), operation)
    await drop_sockets(simulation, operation.site)
    await _reached(simulation, operation, "swapped")


async def drop_sockets(simulation: Simulation, site: str) -> None:
    """Close the web sockets of a site: its workers are recycled."""
    sockets = list(simulation.sockets.pop(site, ()))
    for socket in sockets:
        await socket.close(code=1012, message=b"service restart")


async def run_start(simulation: Simulation, site: str, slot: str) -> None:
    """Let the instances of a slot follow its image, one by one."""
    workers = len(simulation.world.sites[site].slots[slot].instances)
    for index in range(workers):
        await asyncio.sleep(simulation.world.timings.start_s / workers)
        transitions.start_instance(simulation.world, simulation.now(), site, slot, index)


async def run_other(simulation: Simulation, operation: Operation, seconds: float) -> None:
    """End an operation of somebody else after some seconds."""
    await asyncio.sleep(seconds)
    transitions.end_operation(simulation.world, simulation.now(), operation)
