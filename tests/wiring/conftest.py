"""One desk a module: a simulator, an environment with channels, a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from playbooks import halt_only
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import set_stage
from rollback.wiring import PlanDocument
from tests.builders import make_plan
from tests.wiring.desk import CHANNELS, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with Simulator.start(folder / "simulator", default_world()) as sim:
        stage = set_stage(folder, sim, channels=CHANNELS)
        made = Desk(sim, stage, PlanDocument.of(make_plan()))
        document = made.operator(folder / "state").plan(halt_only, incident="INC-4711")
        yield Desk(sim, stage, document)
