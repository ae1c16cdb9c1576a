"""Worlds and settings that scenarios of several themes start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import names, stories

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.world import World


def auto_swap_on(world: World) -> World:
    """Auto-swap is on for the backend's stable slot: there is something to halt."""
    return stories.auto_swapping(world, names.BACKEND)
