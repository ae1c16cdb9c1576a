"""Golden cases: a specification and facts in; changes, effects or a reason out.

A case is a file of two parts: what is given, as YAML (about, step, environment, world), and what
comes out, as text. ``python -m tests.actions.test_golden`` writes the second part anew, for a
reviewer to read in the difference; never where CI is set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rollback.actions.halt_rollout import HaltRolloutAction
from rollback.actions.restore_recorded import RestoreRecordedAction
from rollback.actions.restore_traffic import RestoreTrafficAction
from rollback.actions.revert_deployment import RevertDeploymentAction
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.effect import ExactBody, HttpWrite
from rollback.model.ports import StepContext
from rollback.model.scope import VerdictKind
from rollback.rehearsal.simulator import names
from tests.actions.deployments import trading
from tests.actions.worlds import DIGESTS, image, with_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.model.ports import Action, ActionPlan

CASES = Path(__file__).parents[1] / "golden" / "actions"
ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        HaltRolloutAction(),
        RevertDeploymentAction(),
        RestoreTrafficAction(),
        RestoreRecordedAction(),
    )
}


def environment(given: dict[str, Any]) -> Environment:
    """The simulated environment with images a reader recognises, and parts of surfaces replaced."""
    parts = {}
    for name, site in (("backend", names.BACKEND), ("web", names.WEB)):
        changes = dict(given.get(name, {}))
        entries = changes.pop("release", {})
        releases = [
            {
                "build": build,
                "image": image(site, build),
                "control_schema": [3, 5],
                "flags": ["backtest"],
            }
            | entries.get(build, {})
            for build in DIGESTS
        ]
        parts[name] = {"releases": releases, **changes}
    return trading(backend=parts["backend"], web=parts["web"])


def shown(made: ActionPlan) -> Iterator[str]:
    """A plan in a reviewer's terms."""
    for one in made.summaries:
        yield f"{one.surface}: {one.from_build} -> {one.to_build} by {one.way} ({one.identified_by})"
    for change in made.changes:
        match change:
            case NoOp():
                yield f"no-op {change.id} {change.resource}: {change.reason}"
            case RefusedChange():
                by = f" [{change.promise}]" if change.promise else ""
                yield f"refused {change.id} {change.resource}: {change.code}{by}"
                yield f"  because {change.reason}"
                yield f"  next: {change.next_move}"
            case Update():
                yield from _update(change)
    for finding in made.findings:
        yield f"{finding.weight} {finding.code}: {finding.text}"
    for exposed in made.exposures:
        many = "" if exposed.count is None else f" ({exposed.count})"
        yield f"exposed on {exposed.surface} for {exposed.until_s} s: {exposed.who}{many}"


def _update(change: Update) -> Iterator[str]:
    marks = [change.direction.value]
    marks += [f"moves users to {change.to_build}"] if change.moves_users else []
    marks += ["some of them only"] if change.some_users else []
    marks += [f"after {change.word} is attested"] if change.word else []
    marks += [f"starts {change.starts_build}"] if change.starts_build else []
    marks += [] if change.absolute else ["a toggle"]
    yield f"update {change.id} {change.resource}: {', '.join(marks)}"
    yield f"  {change.summary}"
    for effect in change.effects:
        assert isinstance(effect, HttpWrite)
        body = effect.body.content if isinstance(effect.body, ExactBody) else "no body"
        path = effect.path.partition("/providers/Microsoft.Web")[2] or effect.path
        yield f"  {effect.method} {effect.host} {path} {body}"
        yield f"  undone by {effect.undo.by}"
    for one in change.predicts:
        values = " ".join(f"{fact.name}={fact.value!r}" for fact in one.compared)
        yield f"  then {one.resource} {values}"


def outcome(given: dict[str, Any]) -> str:
    """What the action makes of a case. Every effect it plans must pass the planner's fence."""
    step = dict(given["step"])
    action = ACTIONS[step["action"]]
    spec = action.spec.model_validate(step)
    env = environment(given.get("environment", {}))
    world = with_facts(given.get("world", {}))
    surfaces = step["surfaces"]
    surface = surfaces[0] if action.name == "revert_deployment" else None
    made = action.plan(StepContext("step", spec, env, surface=surface), world)
    for change in made.changes:
        if isinstance(change, Update):
            for effect in change.effects:
                judged = judge_effect(effect, perimeter_of(env), env)
                assert judged.kind is VerdictKind.ALLOW, judged
            assert action.predict(StepContext("step", spec, env, surface=surface), change) == (
                change.predicts
            )
    return "\n".join(shown(made)) + "\n"


def parts(path: Path) -> tuple[str, str]:
    """What is given, and what is expected."""
    given, _, expected = path.read_text(encoding="utf-8").partition("\n---\n")
    return given, expected


@pytest.mark.parametrize("path", sorted(CASES.glob("*.case")), ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    given, expected = parts(path)
    assert outcome(yaml.safe_load(given)) == expected


def test_there_are_cases_of_every_action() -> None:
    seen = {yaml.safe_load(parts(path)[0])["step"]["action"] for path in CASES.glob("*.case")}
    assert seen == set(ACTIONS)


def rewrite() -> None:
    """Write what comes out into every case."""
    for path in sorted(CASES.glob("*.case")):
        given = parts(path)[0]
        path.write_text(f"{given}\n---\n{outcome(yaml.safe_load(given))}", encoding="utf-8")


if __name__ == "__main__" and not os.environ.get("CI"):
    rewrite()
