"""One simulator a module for tests that only read; a fresh one where the test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.rehearsal.simulator.world import World


def quick() -> World:
    """The standard story, with swaps of a tenth of a second."""
    world = default_world()
    world.timings.swap_s = 0.1
    world.timings.start_s = 0.05
    world.timings.retry_after_s = 0
    return world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(tmp_path_factory.mktemp("simulator"), quick()) as running:
        yield running


@pytest.fixture
def sim(shared: Simulator) -> Iterator[Simulator]:
    """The module's simulator, without faults."""
    yield shared
    shared.control.clear_faults()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Simulator]:
    """A simulator of the test's own, for what changes the world."""
    with Simulator.start(tmp_path / "simulator", quick()) as running:
        yield running
