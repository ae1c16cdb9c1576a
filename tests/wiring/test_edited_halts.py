"""A halt of a plan that was edited by hand: nobody signs it, so it may only ever narrow.

The plan says of a write to ramp-up rules that it moves toward safety, and everything about it is in
order but what it writes. What the world says goes before what the plan says.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import playbooks
from rollback.actions.halt_rollout import HaltRolloutAction
from rollback.connectors.secrets import VariableSecrets
from rollback.model.observation import Observation, World
from rollback.model.ports import ActionPlan, Catalogue, Clients, StepContext
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names, stories
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.world import RampRule
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import Operator, PlanDocument
from rollback.wiring.catalogue import built_in
from tests.guard.support import exact

SLOT = names.slot_host(names.BACKEND, names.STAGING)
ID = "ramp-rules-backend"
HALTS = playbooks.halt_only.model_copy(
    update={"steps": tuple(one for one in playbooks.halt_only.steps if one.name != "seal")}
)
"""The halts of it: what they send does not hang on what is captured, which takes longest."""

Edit = Callable[[dict[str, Any], dict[str, Any]], None]


def bad_canary() -> Any:
    """Production serves the stable release; 15 % of new users are sent to the bad one."""
    world = stories.already_rolled_back(stories.default_world())
    return stories.ramped(world, names.BACKEND, 15)


def operator(stage: Stage, *actions: Any) -> Operator:
    named = {one.name: one for one in (*built_in().actions, *actions)}
    return Operator(
        stage.environment,
        state=stage.state,
        secrets=VariableSecrets(stage.variables),
        user="ana",
        catalogue=Catalogue(tuple(named.values())),
    )


def change_of(content: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    for step in content["steps"]:
        for change in step["changes"]:
            if change["kind"] == "update" and change["id"] == ID:
                return step, change
    raise AssertionError(ID)


def writing(change: dict[str, Any], *rules: tuple[str, str, float]) -> None:
    """Have the change write these rules (name, host, percent), and say so throughout."""
    texts = sorted(f"{name}={host}={round(percent * 100)}" for name, host, percent in rules)
    for told in (change["after"], *(one["compared"] for one in change["predicts"])):
        for fact in told:
            if fact["name"] == "rules":
                fact["value"] = texts
    shown = [
        {"actionHostName": host, "name": name, "reroutePercentage": percent}
        for name, host, percent in rules
    ]
    body = json.dumps(
        {"properties": {"experiments": {"rampUpRules": shown}}},
        separators=(",", ":"),
        sort_keys=True,
    )
    change["effects"][0]["body"] = exact(body).model_dump(mode="json")


def widened(step: dict[str, Any], change: dict[str, Any]) -> None:
    del step
    writing(change, ("staging", SLOT, 100))


def under_another_name(step: dict[str, Any], change: dict[str, Any]) -> None:
    widened(step, change)
    change["id"] = "ramp-of-mine"


def to_a_slot_nobody_named(step: dict[str, Any], change: dict[str, Any]) -> None:
    del step
    writing(change, ("staging", f"{names.BACKEND}-secret.azurewebsites.net", 15))
    change["id"] = "ramp-of-mine"


EDITS: dict[str, Edit] = {
    "widened": widened,
    "widened under a name that the step does not plan": under_another_name,
    "to a slot that nobody named": to_a_slot_nobody_named,
}


def applied(folder: Path, edit: Edit, *actions: Any) -> tuple[list[str], Any, int]:
    """(writes at Resource Manager, the rules afterwards, exit) of an edited plan nobody signed."""
    with Simulator.start(folder / "simulator", bad_canary()) as sim:
        stage = set_stage(folder / "stage", sim)
        made = operator(stage).plan(HALTS, incident="INC-1")
        content = copy.deepcopy(json.loads(made.canonical))
        edit(*change_of(content))
        ran = operator(stage, *actions).apply(PlanDocument.read(canonical(content)), approvals=[])
        wrote = [
            one.path
            for one in sim.control.ledger()
            if one.write and one.path.endswith("/config/web")
        ]
        production = sim.control.world().sites[names.BACKEND].slots[names.PRODUCTION]
        return wrote, production.ramp_rules, ran.exit_status


class Blind(HaltRolloutAction):
    """Sees nothing: what it looks at does not answer, or it has a defect."""

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        raise RuntimeError(step.name, clients)


class Sends(HaltRolloutAction):
    """A third party's: sends what the effect says, and never mind what the change says of it."""

    def perform(self, step: StepContext, change: Any, clients: Clients) -> Any:
        from rollback.guard.rules.directions import ramp_rules
        from rollback.model.ramp_rules import rules_of

        written = ramp_rules(change.effects[0])
        assert written is not None
        after = tuple(one.model_copy(update={"value": written}) for one in change.after)
        assert rules_of(written)
        return super().perform(step, change.model_copy(update={"after": after}), clients)


class Defect(HaltRolloutAction):
    """Cannot plan any more."""

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        raise RuntimeError(step.name, world)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("action", [(), (Blind(),), (Defect(),)], ids=["seen", "blind", "defect"])
def test_an_edited_halt_sends_nobody_to_the_bad_release(
    tmp_path: Path, edit: Edit, action: tuple[Any, ...]
) -> None:
    wrote, rules, exit_status = applied(tmp_path, edit, *action)
    assert wrote == []
    assert [(one.name, one.percent) for one in rules] == [("staging", 15.0)]
    assert exit_status != 0


def test_what_counts_is_the_body_and_not_what_is_said_of_it(tmp_path: Path) -> None:
    """The facts of the change stay those of an honest halt; only the write is another."""

    def body_only(step: dict[str, Any], change: dict[str, Any]) -> None:
        after, predicts = copy.deepcopy((change["after"], change["predicts"]))
        widened(step, change)
        change["after"], change["predicts"] = after, predicts

    wrote, rules, _ = applied(tmp_path, body_only, Sends())
    assert wrote == []
    assert [one.percent for one in rules] == [15.0]


@pytest.mark.parametrize("action", [(), (Blind(),)], ids=["seen", "blind"])
def test_an_honest_halt_goes_out_seen_or_not(tmp_path: Path, action: tuple[Any, ...]) -> None:
    def nothing(step: dict[str, Any], change: dict[str, Any]) -> None:
        del step, change

    wrote, rules, _ = applied(tmp_path, nothing, *action)
    assert len(wrote) == 1
    assert rules == []


def test_rules_of_one_surface_are_not_written_to_another(tmp_path: Path) -> None:
    """The rule stands where the world is read, and the write goes somewhere else."""

    def elsewhere(step: dict[str, Any], change: dict[str, Any]) -> None:
        del step
        writing(change, ("staging", SLOT, 15))
        change["surface"] = "web"
        effect = change["effects"][0]
        effect["path"] = effect["path"].replace(names.BACKEND, names.WEB)

    wrote, _, _ = applied(tmp_path, elsewhere)
    assert wrote == []


def test_where_nobody_can_look_no_rule_is_kept_on_the_plans_word(tmp_path: Path) -> None:
    """It follows from what the plan says it saw, which was true once, or was made up."""
    world = bad_canary()
    rules = world.sites[names.BACKEND].slots[names.PRODUCTION].ramp_rules
    rules.append(RampRule(name="mine", host="mine.azurewebsites.net", percent=85))
    with Simulator.start(tmp_path / "simulator", world) as sim:
        stage = set_stage(tmp_path / "stage", sim)
        made = operator(stage).plan(HALTS, incident="INC-1")
        _, change = change_of(json.loads(made.canonical))
        assert "mine.azurewebsites.net" in change["effects"][0]["body"]["content"]
        sim.control.act("set_ramp", site=names.BACKEND, percent=15)  # that rule is there no more
        operator(stage, Blind()).apply(made, approvals=[])
        production = sim.control.world().sites[names.BACKEND].slots[names.PRODUCTION]
        assert [(one.name, one.percent) for one in production.ramp_rules] == [("staging", 15.0)]


@pytest.mark.parametrize("action", ["revert_deployment", "nobody_knows"])
def test_a_step_that_nobody_can_read_withholds_no_other_halt(tmp_path: Path, action: str) -> None:
    """What it was told fits another action, or none is known by that name; the run ends in order."""

    def unreadable_first(content: dict[str, Any]) -> None:
        halt = next(step for step in content["steps"] if step["action"] == "halt_rollout")
        first = copy.deepcopy(halt) | {"name": "first", "action": action}
        for change in first["changes"]:
            for effect in change.get("effects", []):
                effect["id"] = f"first-{effect['id']}"
        content["steps"].insert(0, first)

    with Simulator.start(tmp_path / "simulator", bad_canary()) as sim:
        stage = set_stage(tmp_path / "stage", sim)
        made = operator(stage).plan(HALTS, incident="INC-1")
        content = copy.deepcopy(json.loads(made.canonical))
        unreadable_first(content)
        ran = operator(stage).apply(PlanDocument.read(canonical(content)), approvals=[])
        assert ran.exit_status not in (0, 1)
        assert sim.control.world().sites[names.BACKEND].slots[names.PRODUCTION].ramp_rules == []
