"""Taking back what a run changed, and pressing the button again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.simulator import names, stories

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.world import World


def _much_to_undo(world: World) -> World:
    """Auto-swap on, a ramp-up rule to the stable release, and the web's stable slot stopped."""
    ramped = stories.ramped(stories.auto_swapping(world, names.BACKEND), names.BACKEND, 20.0)
    return stories.stopped(ramped, names.WEB)


UNDOS: tuple[Scenario, ...] = (
    Scenario(
        "undo",
        "a whole rollback is undone: releases, rules, auto-swap and a stopped slot as before",
        (0,),
        world=_much_to_undo,
        play=acts.undone,
        swaps=2,
    ),
    Scenario(
        "undo-refused",
        "the release to go back to was overwritten meanwhile: refused, with the next move",
        (3,),
        play=acts.undo_refused,
        swaps=1,
    ),
    Scenario(
        "replayed-plan", "the plan is applied a second time", (5,), play=acts.replayed, swaps=1
    ),
)
