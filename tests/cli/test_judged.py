"""What apply would refuse, nobody is shown as if it stood, and nobody signs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import Stage, set_stage
from tests.cli.conftest import Ran, Rollback

Tree = dict[str, Any]


@dataclass(frozen=True)
class Desk:
    """A reviewer's desk: a plan, its environment file, a key."""

    stage: Stage
    plan: Path

    @property
    def file(self) -> Path:
        return self.stage.directory / "environment.yaml"

    def sign(self, plan: Path, out: Path, *more: str | Path) -> tuple[str | Path, ...]:
        (_, key), *_ = self.stage.keys
        named = ("--yes-environment", "rehearsal-trading")
        return "approve", plan, "--key", key, "--out", out, *named, *more

    def edited(self, at: Path, edit: Callable[[Tree], None]) -> Path:
        tree = json.loads(self.plan.read_bytes())
        edit(tree)
        at.write_bytes(canonical(tree))
        return at


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    import playbooks
    from rollback.connectors.secrets import VariableSecrets
    from rollback.wiring import Operator

    folder = tmp_path_factory.mktemp("desk")
    with Simulator.start(folder / "simulator") as sim:
        stage = set_stage(folder / "stage", sim)
        secrets = VariableSecrets(stage.variables)
        operator = Operator(stage.environment, state=stage.state, secrets=secrets, user="ana")
        document = operator.plan(playbooks.full_rollback, incident="INC-1")
    plan = folder / "plan.json"
    plan.write_bytes(document.canonical)
    return Desk(stage, plan)


@pytest.fixture
def desk(made: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name, value in made.stage.variables.items():
        monkeypatch.setenv(name, value)
    return made


def no_finding(tree: Tree) -> None:
    tree["findings"] = [
        one for one in tree["findings"] if one["code"] != tree["findings"][0]["code"]
    ]


def fewer_exposed(tree: Tree) -> None:
    tree["exposures"][0]["who"] = "nobody"


def less_to_wait(tree: Tree) -> None:
    step = next(one for one in tree["steps"] if one["action"] == "revert_deployment")
    step["duration_s_max"] -= 1
    tree["duration_s_max"] -= 1


def one_signature(tree: Tree) -> None:
    tree["approvals"]["count"] += 1


EDITS = {
    "a finding left out": (no_finding, "findings: {finding} is left out"),
    "an exposure reworded": (fewer_exposed, "is nobody, and should be "),
    "a step made shorter": (less_to_wait, ", duration_s_max is "),
    "another count of signatures": (one_signature, "approvals, count is "),
}


@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS)
def test_an_edited_plan_is_not_shown_and_not_signed(
    rollback: Rollback, desk: Desk, tmp_path: Path, edit: Callable[[Tree], None], said: str
) -> None:
    finding = json.loads(desk.plan.read_bytes())["findings"][0]["code"]
    plan = desk.edited(tmp_path / "edited.json", edit)
    here = ("--environment", desk.file)
    out = tmp_path / "approval.json"
    for ran in (rollback("show", plan, *here), rollback(*desk.sign(plan, out, *here))):
        assert ran.status == 3, ran.err
        assert ran.out == ""
        assert "plan.not-as-planned" in ran.err
        assert said.format(finding=finding) in ran.err
        assert "What cannot be undone" not in ran.err
    assert not out.exists()

    no = tmp_path / "no.json"
    assert rollback(*desk.sign(plan, no, *here, "--reject", "--reason", "edited")).status == 0
    assert no.exists()

    compared = rollback("diff", desk.plan, plan, *here)
    assert compared.status == 3
    assert f"STOP the plan in {plan} cannot be applied as it stands" in compared.err
    assert f"the plan in {desk.plan}" not in compared.err
    problems = json.loads(rollback("diff", desk.plan, plan, *here, "--json").out)["problems"]
    assert [(one["plan"], one["code"]) for one in problems] == [(str(plan), "plan.not-as-planned")]


def test_a_plan_as_it_was_made_is_shown_and_signed(
    rollback: Rollback, desk: Desk, tmp_path: Path
) -> None:
    here = ("--environment", desk.file)
    shown = rollback("show", desk.plan, *here)
    signed = rollback(*desk.sign(desk.plan, tmp_path / "ana.json", *here))
    compared = rollback("diff", desk.plan, desk.plan, *here)
    for ran in (shown, signed, compared):
        assert ran.status == 0, ran.err
        assert "STOP" not in ran.err
        assert "looked at here" not in ran.err


def test_where_nobody_can_tell_it_is_said(rollback: Rollback, desk: Desk, tmp_path: Path) -> None:
    """No environment file here; another one; an action that only the service that planned has."""

    def theirs(tree: Tree) -> None:
        tree["steps"][0]["action"] = "their_own"

    def told(plan: Path, *more: str | Path) -> str:
        said: list[Ran] = [
            rollback("show", plan, *more),
            rollback(*desk.sign(plan, tmp_path / "ana.json", *more)),
        ]
        assert [one.status for one in said] == [0, 0], said[-1].err
        (line,) = {
            line
            for one in said
            for line in one.err.splitlines()
            if "as it was made" in line or line.startswith("STOP this plan cannot")
        }
        return line

    assert "no environment file for rehearsal-trading was found" in told(desk.plan)
    third = desk.edited(tmp_path / "third.json", theirs)
    assert "there is no action their_own here" in told(third, "--environment", desk.file)
    other = desk.stage.directory / "changed.yaml"
    other.write_text(desk.file.read_text().replace("Trading on-call", "Somebody"))
    assert "plan.environment-changed" in told(desk.plan, "--environment", other)


def test_another_versions_plan_is_shown_and_not_signed(
    rollback: Rollback, desk: Desk, tmp_path: Path
) -> None:
    """An old plan stays readable; what it says is not vouched for."""

    def old(tree: Tree) -> None:
        tree["tool_version"] = "0.0.1"
        no_finding(tree)

    plan = desk.edited(tmp_path / "old.json", old)
    shown = rollback("show", plan, "--environment", desk.file)
    assert (shown.status, "STOP this plan cannot be applied" in shown.err) == (0, True)
    assert "0.0.1" in shown.err
    out = tmp_path / "ana.json"
    assert rollback(*desk.sign(plan, out, "--environment", desk.file)).status == 3
    assert not out.exists()


def test_a_reviewer_keeps_the_environment_file_in_another_folder(
    rollback: Rollback, desk: Desk, tmp_path: Path
) -> None:
    """Stores in folders beside the file have other paths there, and that is no edit of the plan."""
    there = tmp_path / "home" / "ben"
    there.mkdir(parents=True)
    for name in ("environment.yaml", "allowed_signers"):
        (there / name).write_bytes((desk.stage.directory / name).read_bytes())
    here = ("--environment", there / "environment.yaml")
    shown = rollback("show", desk.plan, *here)
    assert (shown.status, "STOP" in shown.err) == (0, False), shown.err
    signed = rollback(*desk.sign(desk.plan, tmp_path / "ben.json", *here))
    assert (signed.status, "STOP" in signed.err) == (0, False), signed.err
    for edit, said in EDITS.values():
        edited = rollback("show", desk.edited(tmp_path / "edited.json", edit), *here)
        finding = json.loads(desk.plan.read_bytes())["findings"][0]["code"]
        assert edited.status == 3
        assert said.format(finding=finding) in edited.err
