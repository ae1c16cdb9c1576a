"""A plan is planned again before it is applied; whatever that comes to, what halts still goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import playbooks
from rollback.actions.verify_release import VerifyRelease
from rollback.connectors.secrets import VariableSecrets
from rollback.model.ports import Catalogue
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.wiring import Operator
from rollback.wiring.catalogue import built_in

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.rehearsal.stage import Stage


class Moody(VerifyRelease):
    """Has a bug in what plans."""

    def plan(self, *args: Any) -> Any:
        """A bug that depends on what it is given."""
        del args
        raise AttributeError("a bug that planning did not meet")


def operator(stage: Stage, catalogue: Catalogue) -> Operator:
    return Operator(
        stage.environment,
        state=stage.state,
        secrets=VariableSecrets(stage.variables),
        user="ana",
        catalogue=catalogue,
    )


def test_an_action_that_cannot_plan_again_withholds_no_halt(tmp_path: Path) -> None:
    known = built_in()
    moody = Catalogue(
        tuple(Moody() if isinstance(one, VerifyRelease) else one for one in known.actions)
    )
    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path / "stage", sim)
        document = operator(stage, known).plan(playbooks.full_rollback, incident="INC-1")
        halts = [step.name for step, _ in document.plan.updates if step.name == "hold"]
        result = operator(stage, moody).apply(document)
        swaps = [sim.control.swaps(site) for site in (names.WEB, names.BACKEND)]
    assert halts
    steps = {name: status for name, status, _ in result.steps}
    assert steps["hold"] == "done"
    assert result.exit_status == 3
    assert "done" not in {status for name, status in steps.items() if name.startswith("revert")}
    assert swaps == [0, 0]
