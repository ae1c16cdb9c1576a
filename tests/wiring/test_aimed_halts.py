"""A halt that names its target: a run to cancel, a release to put on hold. Nobody signs it.

To cancel the run that brings the repair, or to put the stable release on hold, makes an incident last.
So what such a halt is aimed at has to be what the step plans by the world as it is or, where that
cannot be read, by the plan's own observations.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import playbooks
from rollback.actions.halt_rollout import HaltRolloutAction
from rollback.actions.hold_release import HoldReleaseAction
from rollback.model.change import Change, Update
from rollback.model.environment import Pipeline
from rollback.model.observation import Observation, World
from rollback.model.ports import ActionPlan, Clients, StepContext
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names, stories
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.world import PipelineRun
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import PlanDocument
from tests.guard.support import exact
from tests.wiring.test_edited_halts import operator

REPAIR, DEPLOYING, QUEUED, WAITING = "7099", "7098", "7002", "7003"
RUNS = f"/repos/{names.REPOSITORY}/actions/runs"
Edit = Callable[[dict[str, Any]], None]

HALTS = playbooks.backend_only.model_copy(
    update={
        "parameters": (),
        "steps": tuple(
            one for one in playbooks.backend_only.steps if one.name in ("halt", "hold", "authority")
        ),
    }
)
"""What of it nobody signs. Nothing is captured: halts do not wait for that, and it takes longest."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Simulator, Stage]]:
    """The bad release is live; one of its runs is queued, and another pipeline brings the repair."""
    world = stories.default_world()
    first = world.runs[0]
    for number, file in ((REPAIR, "repair.yml"), (DEPLOYING, "release-backend.yml")):
        run = {**first.model_dump(), "id": int(number), "file": file}
        world.runs.append(PipelineRun(**{**run, "status": "in_progress", "conclusion": None}))
    for one in world.runs:
        if str(one.id) == WAITING:
            one.file = "release-backend.yml"
    with Simulator.start(tmp_path / "simulator", world) as sim:
        stage = set_stage(tmp_path / "stage", sim)
        pipeline = Pipeline.model_validate(
            {
                "repository": names.REPOSITORY,
                "file": "release-backend.yml",
                "api_host": names.GITHUB_HOST,
                "token": "${GITHUB_TOKEN}",
            }
        )
        surfaces = tuple(
            (name, one.model_copy(update={"pipeline": pipeline}) if name == "backend" else one)
            for name, one in stage.environment.surfaces
        )
        yield (
            sim,
            replace(
                stage,
                environment=stage.environment.model_copy(update={"surfaces": surfaces}),
                variables={**stage.variables, "GITHUB_TOKEN": names.GITHUB_TOKEN},
            ),
        )


def applied(
    stage: tuple[Simulator, Stage], edit: Edit, *actions: Any
) -> tuple[list[str], dict[str, str | None], list[str], int]:
    """(writes at the pipelines' host, how runs ended, releases on hold, exit); nobody signed."""
    sim, staged = stage
    made = operator(staged).plan(HALTS, incident="INC-1")
    content = copy.deepcopy(json.loads(made.canonical))
    edit(content)
    ran = operator(staged, *actions).apply(PlanDocument.read(canonical(content)), approvals=[])
    wrote = [
        f"{one.method} {one.path}"
        for one in sim.control.ledger()
        if one.write and "/actions/" in one.path
    ]
    ended = {str(one.id): one.conclusion for one in sim.control.world().runs}
    held = sorted(one.parent.parent.name for one in staged.directory.rglob("holds/*/*/held/*.json"))
    return wrote, ended, held, ran.exit_status


def change_of(content: dict[str, Any], start: str) -> tuple[list[Any], dict[str, Any]]:
    """A change of that name, and the list it stands in."""
    for step in content["steps"]:
        for change in step["changes"]:
            if change["kind"] == "update" and change["id"].startswith(start):
                return step["changes"], change
    raise AssertionError(start)


def added(content: dict[str, Any], start: str, name: str) -> dict[str, Any]:
    """Another change like that one, under another name."""
    changes, change = change_of(content, start)
    made: dict[str, Any] = copy.deepcopy(change)
    made["id"] = name
    for effect in made["effects"]:
        effect["id"] = f"mine#{effect['id']}"
    changes.append(made)
    return made


def honest(content: dict[str, Any]) -> None:
    del content


def cancels_another(content: dict[str, Any]) -> None:
    made = added(content, "cancel-", f"cancel-backend-{REPAIR}")
    made["effects"][0]["path"] = f"{RUNS}/{REPAIR}/cancel"
    made["before"][0]["value"] = REPAIR


def cancels_what_deploys(content: dict[str, Any]) -> None:
    made = added(content, "cancel-", f"cancel-backend-{DEPLOYING}")
    made["effects"][0]["path"] = f"{RUNS}/{DEPLOYING}/cancel"


def cancels_another_under_an_honest_name(content: dict[str, Any]) -> None:
    change_of(content, "cancel-")[1]["effects"][0]["path"] = f"{RUNS}/{REPAIR}/cancel"


def rejects_another_under_an_honest_name(content: dict[str, Any]) -> None:
    change_of(content, "reject-")[1]["effects"][0]["path"] = f"{RUNS}/{REPAIR}/pending_deployments"


def rejects_more(content: dict[str, Any]) -> None:
    effect = change_of(content, "reject-")[1]["effects"][0]
    body = json.loads(effect["body"]["content"])
    body["environment_ids"].append(99)
    text = json.dumps(body, separators=(",", ":"), sort_keys=True)
    effect["body"] = exact(text).model_dump(mode="json")


def elsewhere_seen(content: dict[str, Any]) -> None:
    """As cancels_another; and the change speaks of what nobody looks at."""
    cancels_another(content)
    change_of(content, f"cancel-backend-{REPAIR}")[1]["resource"] = "backend/nothing"


def held(content: dict[str, Any], change: dict[str, Any]) -> None:
    del content
    text = json.dumps(change).replace(names.BAD_BUILD, names.STABLE_BUILD)
    change.update(json.loads(text))


def holds_the_stable_one(content: dict[str, Any]) -> None:
    held(content, added(content, "hold-", "hold-mine"))


def holds_the_stable_one_under_an_honest_name(content: dict[str, Any]) -> None:
    held(content, change_of(content, "hold-")[1])


def holds_the_stable_one_by_its_place(content: dict[str, Any]) -> None:
    for effect in change_of(content, "hold-")[1]["effects"]:
        effect["path"] = effect["path"].replace(names.BAD_BUILD, names.STABLE_BUILD)


class BlindHalt(HaltRolloutAction):
    """Sees nothing."""

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        raise RuntimeError(step.name, clients)


class BlindHold(HoldReleaseAction):
    """Sees nothing."""

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        raise RuntimeError(step.name, clients)


class DefectHalt(HaltRolloutAction):
    """Cannot plan any more."""

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        raise RuntimeError(step.name, world)


RUN_EDITS = {
    one.__name__.replace("_", " "): one
    for one in (
        cancels_another, cancels_what_deploys, cancels_another_under_an_honest_name,
        rejects_another_under_an_honest_name, rejects_more, elsewhere_seen,
    )
}  # fmt: skip
HOLD_EDITS = {
    one.__name__.replace("_", " "): one
    for one in (
        holds_the_stable_one, holds_the_stable_one_under_an_honest_name,
        holds_the_stable_one_by_its_place,
    )
}  # fmt: skip


@pytest.mark.parametrize("edit", RUN_EDITS.values(), ids=RUN_EDITS)
@pytest.mark.parametrize(
    "action", [(), (BlindHalt(),), (DefectHalt(),)], ids=["seen", "blind", "defect"]
)
def test_an_edited_halt_ends_no_other_run(
    stage: tuple[Simulator, Stage], edit: Edit, action: tuple[Any, ...]
) -> None:
    wrote, ended, _, exit_status = applied(stage, edit, *action)
    assert not [one for one in wrote if REPAIR in one or DEPLOYING in one]
    assert ended[REPAIR] is None
    assert ended[DEPLOYING] is None
    if edit is rejects_more:
        assert not [one for one in wrote if WAITING in one]
    assert f"PUT /repos/{names.REPOSITORY}/actions/workflows/release-backend.yml/disable" in wrote
    assert exit_status != 0


@pytest.mark.parametrize("edit", HOLD_EDITS.values(), ids=HOLD_EDITS)
@pytest.mark.parametrize("action", [(), (BlindHold(),)], ids=["seen", "blind"])
def test_an_edited_hold_does_not_keep_the_stable_release_back(
    stage: tuple[Simulator, Stage], edit: Edit, action: tuple[Any, ...]
) -> None:
    *_, held, exit_status = applied(stage, edit, *action)
    assert names.STABLE_BUILD not in held
    assert exit_status != 0


@pytest.mark.parametrize("action", [(), (BlindHalt(), BlindHold())], ids=["seen", "blind"])
def test_honest_halts_go_out_seen_or_not(
    stage: tuple[Simulator, Stage], action: tuple[Any, ...]
) -> None:
    wrote, ended, held, _ = applied(stage, honest, *action)
    assert len(wrote) == 3
    assert (ended[QUEUED], ended[WAITING]) == ("cancelled", "failure")
    assert held == [names.BAD_BUILD]


class TerseHalt(HaltRolloutAction):
    """Says nothing of how often a halt may be sent, as an action that somebody else wrote."""

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        made = super().plan(step, world)
        return replace(made, changes=tuple(map(sent_once, made.changes)))


def sent_once(change: Change) -> Change:
    if not isinstance(change, Update):
        return change
    effects = (one.model_copy(update={"returns_max": 0}) for one in change.effects)
    return change.model_copy(update={"effects": tuple(effects)})


def test_a_halt_is_sent_until_it_is_taken_whatever_its_action_says(
    stage: tuple[Simulator, Stage],
) -> None:
    sim, staged = stage
    made = operator(staged, TerseHalt()).plan(HALTS, incident="INC-1")
    sim.control.fault("drop", method="PUT", host=names.GITHUB_HOST, effect=False, count=2)
    operator(staged, TerseHalt()).apply(made, approvals=[])
    sent = [one.path for one in sim.control.ledger() if one.write and one.path.endswith("/disable")]
    assert len(sent) == 3
    assert sim.control.world().pipelines["release-backend.yml"] == "disabled_manually"
