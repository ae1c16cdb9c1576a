"""Halt authority is watched by a thread that no stuck step can starve."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import playbooks
from rollback.actions.revert_deployment import RevertDeploymentAction
from rollback.connectors.secrets import VariableSecrets
from rollback.model.ports import Catalogue
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import document, set_stage
from rollback.wiring import Operator
from rollback.wiring.catalogue import built_in

if TYPE_CHECKING:
    from pathlib import Path

STUCK_S_MAX = 20.0
"""How long the step is stuck where nobody is told anything: less than a proof may be old."""


class Stuck(RevertDeploymentAction):
    """Its last look before the move goes on until a loss of authority was told."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.applying = False
        self.told = threading.Event()

    def observe(self, *given: Any) -> Any:
        """What the action sees; while a plan is applied, after the backend began to deny."""
        if self.applying:
            self.applying = False
            self._sim.control.fault("authority_denies", site=names.BACKEND)
            self.told.wait(STUCK_S_MAX)
        return super().observe(*given)


def test_a_loss_is_told_while_a_step_is_stuck_and_stops_what_it_was_about_to_send(
    tmp_path: Path,
) -> None:
    """Promise halt-authority-retained: the proof made before that look is not yet too old."""
    with Simulator.start(tmp_path / "simulator") as sim:
        content = document(sim)
        stage = set_stage(
            tmp_path / "stage",
            sim,
            halt_authority={**content["halt_authority"], "watch_interval_s": 1, "age_s_max": 600},
            policy={**content["policy"], "steps_at_once_max": 1},
        )
        stuck = Stuck(sim)
        known = (stuck if one.name == stuck.name else one for one in built_in().actions)
        operator = Operator(
            stage.environment,
            state=tmp_path / "state",
            secrets=VariableSecrets(stage.variables),
            user="ana",
            catalogue=Catalogue(tuple(known)),
        )
        plan = operator.plan(playbooks.web_only, incident="INC-1", parameters={"bake": "1s"})
        said: list[str] = []

        def hears(event: str, step: str, text: str) -> None:
            if event == "authority":
                said.append(f"{step}: {text}")
                stuck.told.set()

        stuck.applying = True
        result = operator.apply(plan, break_glass="a test", progress=hears)

        assert said, "nobody was told while the step was stuck"
        assert said[0].startswith("production: lost: ")
        assert "denies halting scope global" in said[0]
        assert said[0].endswith("nobody is moved without proof; halts and captures still go out")
        assert len(said) == 1, "it is told when it changes"
        assert result.exit_status == 7
        assert sim.control.swaps(names.WEB) == 0
        assert any("halts and captures still work: " in one for one in result.next_moves)

        halts = operator.plan(playbooks.halt_only, incident="INC-1")
        assert operator.apply(halts, only_safe=True).exit_status == 0
