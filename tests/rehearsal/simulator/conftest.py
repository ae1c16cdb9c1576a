"""One simulator a test: started with the standard story, or with the one the test states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollback.rehearsal.simulator.world import World


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[World], Simulator]]:
    """Return how to start a simulator with a world; it is quick: swaps take 0.1 s."""
    running: list[Simulator] = []

    def begin(world: World) -> Simulator:
        world.timings.swap_s = 0.1
        world.timings.start_s = 0.05
        world.timings.retry_after_s = 0
        running.append(Simulator.start(tmp_path / f"s{len(running)}", world))
        return running[-1]

    yield begin
    for each in running:
        each.close()


@pytest.fixture
def simulator(start: Callable[[World], Simulator]) -> Simulator:
    """Return a simulator of the standard story."""
    return start(default_world())
