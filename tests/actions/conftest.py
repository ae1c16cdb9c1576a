"""A simulator a module, taken back to its story after each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Return one simulator for a module's tests that only read or take their faults back."""
    with Simulator.start(tmp_path_factory.mktemp("simulator"), default_world()) as running:
        yield running


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Iterator[Simulator]:
    """Return the module's simulator, without faults."""
    yield shared_simulator
    shared_simulator.control.clear_faults()
