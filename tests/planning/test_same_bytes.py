"""A plan made twice from the same observations, incident and planning time is the same bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rollback.connectors.secrets import VariableSecrets
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.running.clock import SystemClock
from rollback.wiring import Operator, PlanDocument

if TYPE_CHECKING:
    from pathlib import Path


class _StoppedClock(SystemClock):
    """One moment for every plan."""

    def now(self) -> datetime:
        return self.moment

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)


class _SameChance:
    """The same nonce for every plan."""

    def hex(self, n_bytes: int) -> str:
        return "ab" * n_bytes

    def fraction(self) -> float:
        return 0.5


def test_the_same_world_gives_the_same_bytes_and_survives_a_round_trip(tmp_path: Path) -> None:
    from playbooks import full_rollback

    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path, sim)
        clock = _StoppedClock()
        operators = [
            Operator(
                stage.environment,
                state=stage.state,
                secrets=VariableSecrets(stage.variables),
                clock=clock,
                randomness=_SameChance(),
                user="ana",
            )
            for _ in range(2)
        ]
        first, second = (
            one.plan(full_rollback, incident="INC-1", parameters={"bake": "1s"})
            for one in operators
        )
    assert first.plan.world_digest == second.plan.world_digest
    assert PlanDocument.read(first.canonical).digest == first.digest
    assert first.canonical == second.canonical
