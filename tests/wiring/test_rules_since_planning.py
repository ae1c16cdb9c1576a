"""A ramp-up rule that somebody opens between plan and apply, and what of a revert it stops.

A swap turns a rule around: those whom it leads to the stable release are on the bad one afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rollback.connectors.secrets import VariableSecrets
from rollback.loading.playbook import load_playbook
from rollback.model.change import Update
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import document, set_stage
from rollback.wiring import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.wiring import PlanDocument

ALONE = """\
playbook: revert-alone
summary: Bring one surface back, and read no rules.
retain: [trade-halt-authority]
parameters:
  way: {about: how to go back, default: auto}
steps:
  - authority: {action: retain_trade_halt}
  - revert: {action: revert_deployment, surface: SURFACE, way: $way, after: [authority]}
"""


class Desk:
    """An operator with a playbook that reverts one surface and has no other step read its rules."""

    def __init__(self, folder: Path, sim: Simulator) -> None:
        self._folder, self.sim = folder, sim
        surfaces = document(sim)["surfaces"]
        for name in ("backend", "web"):
            surfaces[name]["ways"] = ["swap", "image"]
        stage = set_stage(folder / "stage", sim, surfaces=surfaces)
        self._operator = Operator(
            stage.environment,
            state=stage.state,
            secrets=VariableSecrets(stage.variables),
            user="ana",
        )

    def plan(self, surface: str, way: str = "swap") -> PlanDocument:
        """The revert of one surface."""
        file = self._folder / f"{surface}.yaml"
        file.write_text(ALONE.replace("SURFACE", surface))
        given = {"way": way}
        return self._operator.plan(load_playbook(file), incident="INC-1", parameters=given)

    def apply(self, plan: PlanDocument) -> Any:
        """Applied with nobody's signature."""
        return self._operator.apply(plan, break_glass="a test")

    def rule(self, site: str, percent: float, slot: str = names.STAGING) -> None:
        """Somebody sends users of production to a slot; 0 leaves no rule."""
        self.sim.control.act("set_ramp", site=site, slot=slot, percent=percent)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Simulator.start(tmp_path / "simulator") as sim:
        yield Desk(tmp_path, sim)


def swap_of(plan: PlanDocument) -> Update:
    (swap,) = (change for _, change in plan.plan.updates if change.id == "swap")
    return swap


def test_nobody_is_led_back_by_a_rule_opened_after_planning(desk: Desk) -> None:
    """Promise halt-authority-retained: the plan was judged with nobody on the stable slot."""
    plan = desk.plan("backend")
    desk.rule(names.BACKEND, 20)
    result = desk.apply(plan)
    assert result.exit_status == 5
    assert desk.sim.control.swaps(names.BACKEND) == 0
    said = {name: reason for name, _, reason in result.steps}["revert"]
    assert "backend/users-led/staging percent_hundredths: the plan expects 0, found 2000" in said


def test_whoever_empties_a_rule_that_was_planned_with_keeps_nobody_back(desk: Desk) -> None:
    desk.rule(names.BACKEND, 20)
    plan = desk.plan("backend")
    assert swap_of(plan).also_to == (names.BAD_BUILD,)
    assert "swap.rule-leads-back" in {one.code for one in plan.plan.findings}
    desk.rule(names.BACKEND, 0)
    assert desk.apply(plan).exit_status == 0


@pytest.mark.parametrize(
    ("surface", "site", "way"),
    [("backend", names.BACKEND, "image"), ("web", names.WEB, "swap")],
    ids=["the slot stays as it is", "not the surface that carries authority"],
)
def test_a_rule_that_endangers_no_authority_keeps_nobody_back(
    desk: Desk, surface: str, site: str, way: str
) -> None:
    plan = desk.plan(surface, way)
    desk.rule(site, 20)
    assert desk.apply(plan).exit_status == 0


def test_a_rule_to_another_slot_keeps_nobody_back(desk: Desk) -> None:
    """As one that a halt could not empty: users on the bad release do not wait for it."""
    plan = desk.plan("backend")
    desk.rule(names.BACKEND, 20, "canary")
    assert desk.apply(plan).exit_status == 0
    assert desk.sim.control.swaps(names.BACKEND) == 1
