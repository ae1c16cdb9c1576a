"""An action with a bug: its step is refused, nobody is moved, and what halts still goes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import playbooks
from rollback.actions.halt_rollout import HaltRolloutAction
from rollback.actions.retain_trade_halt import RetainTradeHalt
from rollback.actions.revert_deployment import RevertDeploymentAction
from rollback.actions.verify_release import VerifyRelease
from rollback.connectors.secrets import VariableSecrets
from rollback.errors import ConnectorError
from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.effect import ExactBody
from rollback.model.observation import Observation
from rollback.model.ports import ActionPlan, Catalogue
from rollback.planning.canonical import sha256_hex
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.rendering.faces import first_screen_text
from rollback.wiring import Operator, PlanDocument
from rollback.wiring.catalogue import built_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollback.rehearsal.stage import Stage


def fails(*_: Any) -> Any:
    """A bug, with words that nobody may read: they could be a secret."""
    raise ZeroDivisionError("hunter2-hunter2")


def leaves(*_: Any) -> Any:
    """What ends a script, and here would end the plan, with a status that says all is well."""
    sys.exit(0)


def nothing(*_: Any) -> Any:
    """Another bug: a forgotten return."""
    return


def unwritable(*_: Any) -> Any:
    """What has no one written form, so that no plan could be signed with it."""
    return (Observation(resource="strange", compared=facts(size=2**60), at=datetime.now(UTC)),)


def unreachable(*_: Any) -> Any:
    """What cannot be read has to be a gap, and no exception."""
    raise ConnectorError("host.down", "the order book does not answer", transient=True)


def lists(*_: Any) -> Any:
    """Not what the protocol says."""
    return ActionPlan(("a change",))  # type: ignore[arg-type]


class Verify(VerifyRelease):
    """A step that changes nothing."""


class Revert(RevertDeploymentAction):
    """A step that moves users."""


def twice(self: Revert, *given: Any) -> ActionPlan:
    """The same change, two times over."""
    made = RevertDeploymentAction.plan(self, *given)
    return ActionPlan((*made.changes, *made.changes), made.findings)


def called_safe(self: Revert, *given: Any) -> ActionPlan:
    """A swap that is called a halt, so that it would wait for nobody."""
    made = RevertDeploymentAction.plan(self, *given)
    return ActionPlan(
        tuple(
            one.model_copy(update={"direction": Direction.TOWARD}) if isinstance(one, Update) else one
            for one in made.changes
        )
    )


BUGS: dict[str, tuple[type[Any], str, Any, str]] = {
    "observe raises": (Verify, "observe", fails, "failed while it looked (ZeroDivisionError at"),
    "observe leaves": (Verify, "observe", leaves, "failed while it looked (SystemExit at"),
    "plan leaves": (Verify, "plan", leaves, "failed while it planned (SystemExit at"),
    "observe returns nothing": (Verify, "observe", nothing, "did not return observations"),
    "observe sees no fact": (Verify, "observe", unwritable, "did not return what can be written"),
    "observe lets an answer out": (Verify, "observe", unreachable, "the order book does not answer"),
    "plan raises": (Verify, "plan", fails, "failed while it planned (ZeroDivisionError at test_def"),
    "plan returns nothing": (Verify, "plan", nothing, "did not return an ActionPlan"),
    "plan returns words": (Verify, "plan", lists, "did not return a tuple of its changes"),
    "predict raises": (Revert, "predict", fails, "failed while it planned (ZeroDivisionError at"),
    "predict returns nothing": (Revert, "predict", nothing, "did not return predictions"),
    "a change twice": (Revert, "plan", twice, "made two changes named"),
    "a swap called safe": (Revert, "plan", called_safe, "this is a bug in the action"),
}


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[tuple[Stage, Simulator]]:
    with Simulator.start(tmp_path / "simulator") as sim:
        yield set_stage(tmp_path / "stage", sim), sim


def operator(stage: Stage, state: Path, kind: type[Any], method: str, bug: Any) -> Operator:
    buggy = type("Buggy", (kind,), {method: bug, "__module__": __name__})()
    known = tuple(buggy if one.name == kind().name else one for one in built_in().actions)
    return Operator(
        stage.environment,
        state=state,
        secrets=VariableSecrets(stage.variables),
        user="ana",
        catalogue=Catalogue(known),
    )


@pytest.mark.parametrize(("kind", "method", "bug", "said"), BUGS.values(), ids=BUGS)
def test_its_step_is_refused_and_every_other_is_planned(
    staged: tuple[Stage, Simulator],
    tmp_path: Path,
    kind: type[Any],
    method: str,
    bug: Any,
    said: str,
) -> None:
    stage, sim = staged
    them = operator(stage, tmp_path, kind, method, bug)
    document = them.plan(playbooks.full_rollback, incident="INC-1")
    action = kind().name
    refused = [one for step in document.plan.steps if step.action == action for one in step.refused]
    assert refused
    assert all(one.promise == "fail-closed" and said in one.reason for one in refused)
    assert document.plan.verdict == "refused"
    assert document.exit_status == 1
    first = first_screen_text(document.plan, document.digest, colour=False, width=10_000)
    assert said in first
    assert "hunter2" not in document.to_json() + document.to_markdown()
    assert any(change.direction is Direction.TOWARD for _, change in document.plan.updates)

    again = PlanDocument.read(document.canonical)
    result = them.apply(again)
    assert ("hold", "done") in {(name, status) for name, status, _ in result.steps}
    assert result.exit_status == 3  # the run was refused what is away from safety; nothing broke
    assert [sim.control.swaps(site) for site in (names.WEB, names.BACKEND)] == [0, 0]


def test_where_nobody_can_look_for_halt_authority_users_stay_where_they_are(
    staged: tuple[Stage, Simulator], tmp_path: Path
) -> None:
    """The exit says so: somebody has to halt at the venue."""

    class Authority(RetainTradeHalt):
        """It looks, and fails."""

    stage, _ = staged
    them = operator(stage, tmp_path, Authority, "observe", fails)
    document = them.plan(playbooks.full_rollback, incident="INC-1")
    assert document.exit_status == 7
    assert any(change.direction is Direction.TOWARD for _, change in document.plan.updates)


def test_a_halt_that_fails_withholds_no_other_halt(
    staged: tuple[Stage, Simulator], tmp_path: Path
) -> None:
    class Halt(HaltRolloutAction):
        """It plans, and fails."""

    stage, _ = staged
    document = operator(stage, tmp_path, Halt, "plan", fails).plan(playbooks.full_rollback)
    toward = {step.action for step, one in document.plan.updates if one.direction is Direction.TOWARD}
    assert toward == {"hold_release"}


RULES = '{"properties":{"experiments":{"rampUpRules":[{"actionHostName":"trading-backend-staging.azurewebsites.net","name":"[secret]","reroutePercentage":5}]}}}'


def in_a_fact(change: Update) -> Update:
    return change.model_copy(update={"after": facts(rules=("canary=10", "[secret]=5"))})


def in_a_body(change: Update) -> Update:
    """The facts say nothing of it."""
    patch = {
        "method": "PATCH",
        "path": change.effects[0].path.partition("/slots/")[0] + "/config/web",
        "body": ExactBody(sha256=sha256_hex(RULES.encode()), content=RULES),
    }
    return change.model_copy(update={"effects": (change.effects[0].model_copy(update=patch),)})


@pytest.mark.parametrize("holding", [in_a_fact, in_a_body])
def test_what_was_blotted_is_never_written_back(
    staged: tuple[Stage, Simulator], tmp_path: Path, holding: Callable[[Update], Update]
) -> None:
    """Rules and settings are read and written back; one that held a secret would be destroyed."""

    def blotted(self: Revert, *given: Any) -> ActionPlan:
        made = RevertDeploymentAction.plan(self, *given)
        changes = (holding(one) if isinstance(one, Update) else one for one in made.changes)
        return ActionPlan(tuple(changes))

    stage, _ = staged
    document = operator(stage, tmp_path, Revert, "plan", blotted).plan(playbooks.full_rollback)
    refused = [one for step in document.plan.steps for one in step.refused]
    assert "secret.in-the-way" in {one.code for one in refused}
    assert not [one for _, one in document.plan.updates if one.moves_users]
    assert document.exit_status == 3


def test_a_secret_that_is_not_set_withholds_no_halt(
    staged: tuple[Stage, Simulator], tmp_path: Path
) -> None:
    """Who asks for halt authority needs a token; who holds a release needs none."""
    stage, sim = staged
    without = {name: value for name, value in stage.variables.items() if name != "HALT_TOKEN"}
    them = Operator(
        stage.environment, state=tmp_path / "state", secrets=VariableSecrets(without), user="ana"
    )
    document = them.plan(playbooks.full_rollback, incident="INC-1")
    refused = {one.code: one for step in document.plan.steps for one in step.refused}
    assert "HALT_TOKEN is not set" in refused["secret.missing"].reason
    assert document.exit_status == 2
    assert them.problem_of(document) is None
    assert "HALT_TOKEN" in first_screen_text(document.plan, document.digest, colour=False, width=999)
    result = them.apply(PlanDocument.read(document.canonical))
    assert ("hold", "done") in {(name, status) for name, status, _ in result.steps}
    assert result.exit_status in {3, 7}
    assert [sim.control.swaps(site) for site in (names.WEB, names.BACKEND)] == [0, 0]


@pytest.mark.parametrize("method", ["verify", "perform", "look", "observe"])
def test_an_action_that_leaves_while_applying_does_not_end_the_run(
    staged: tuple[Stage, Simulator], tmp_path: Path, method: str
) -> None:
    """`sys.exit(0)` in an action would leave a run open, with a status that says all is well."""

    class Halt(HaltRolloutAction):
        """It plans as it should."""

    stage, _ = staged
    known = operator(stage, tmp_path, Halt, "name", HaltRolloutAction.name)
    document = known.plan(playbooks.full_rollback, incident="INC-1")
    result = operator(stage, tmp_path, Halt, method, leaves).apply(document, only_safe=True)
    steps = {name: status for name, status, _ in result.steps}
    assert steps["hold"] == "done"
    if method == "verify":
        assert (steps["halt"], result.exit_status) == ("failed", 1)
