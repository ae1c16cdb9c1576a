"""Undo in the hands of somebody in a hurry, and of somebody who means harm."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.errors import InputError, JournalBroken, LeaseHeld, RollbackError
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import Stage, set_stage
from rollback.running.clock import SystemClock
from rollback.running.store import StateDirectory
from rollback.wiring import Operator, PlanDocument
from tests.signed import approvals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.playbook import Playbook
    from rollback.wiring.run_result import RunResult


@dataclass
class Desk:
    """One machine with a platform of its own."""

    sim: Simulator
    stage: Stage

    def operator(self, state: Path | None = None) -> Operator:
        return Operator(
            self.stage.environment,
            state=state or self.stage.state,
            secrets=VariableSecrets(self.stage.variables),
            user="mallory",
        )

    def plan(self, playbook: Playbook) -> PlanDocument:
        given = {"bake": "1s"} if any(p.name == "bake" for p in playbook.parameters) else {}
        return self.operator().plan(playbook, incident="INC-1", parameters=given)

    def apply(self, plan: PlanDocument, *, signed: bool = True) -> RunResult:
        return self.operator().apply(plan, approvals=approvals(self.stage, plan) if signed else ())

    def swaps(self) -> int:
        return sum("slotsswap" in one.path for one in self.sim.control.ledger() if one.write)

    def writes(self) -> int:
        return sum(one.write for one in self.sim.control.ledger())

    def live(self) -> set[str]:
        slots = self.sim.control.world().sites[names.WEB].slots
        return {str(one.serves()) for one in slots[names.PRODUCTION].instances}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Simulator.start(tmp_path / "simulator") as sim:
        yield Desk(sim, set_stage(tmp_path, sim))


def test_two_undos_made_at_once_move_users_once_and_each_wants_its_own_approval(
    desk: Desk,
) -> None:
    first = desk.apply(desk.plan(playbooks.web_only))
    assert (first.exit_status, desk.live(), desk.swaps()) == (0, {names.STABLE_BUILD}, 1)
    plans = [desk.operator().undo(first.run) for _ in range(2)]
    assert {one.plan.undo_of for one in plans} == {first.run}
    unsigned = desk.apply(plans[0], signed=False)
    assert (unsigned.exit_status, desk.swaps()) == (4, 1)
    # What was withheld is gone on with once it is signed; the other then finds it done.
    back = desk.apply(plans[1])
    assert (back.exit_status, desk.live(), desk.swaps()) == (0, {names.BAD_BUILD}, 2)
    sent = desk.writes()
    resumed = desk.operator().resume(unsigned.run, approvals=approvals(desk.stage, plans[0]))
    assert resumed.exit_status in {0, 5}
    assert (desk.live(), desk.swaps(), desk.writes()) == ({names.BAD_BUILD}, 2, sent)
    # An undo of the undo goes forward again, by the same road.
    forward = desk.apply(desk.operator().undo(back.run))
    assert (forward.exit_status, desk.live(), desk.swaps()) == (0, {names.STABLE_BUILD}, 3)


def test_an_undo_takes_no_halt_back_and_moves_nobody_to_what_is_held_by_another(
    desk: Desk,
) -> None:
    first = desk.apply(desk.plan(playbooks.web_only))
    back = desk.operator().undo(first.run)
    assert not [
        effect.says
        for _, change in back.plan.updates
        for effect in change.effects
        if "control" in getattr(effect, "path", "")
    ]
    # Somebody releases the hold and puts the build on hold anew: theirs is not the run's to free.
    held = names.BAD_BUILD
    assert desk.apply(desk.operator().plan_hold_release("web", held)).exit_status == 0
    folder = desk.stage.directory / "evidence-store" / "holds" / "web" / held / "held"
    (folder / "0003.json").write_text("{}")
    again = desk.operator().undo(first.run)
    codes = {one.code for step in again.plan.steps for one in step.refused}
    assert "hold.newer" in codes
    assert desk.apply(again).exit_status != 0
    assert (desk.live(), desk.swaps()) == ({names.STABLE_BUILD}, 1)


def test_only_its_own_whole_journal_of_its_own_plan_is_undone_or_resumed(desk: Desk) -> None:
    first = desk.apply(desk.plan(playbooks.web_only))
    other = desk.apply(desk.plan(playbooks.preserve_evidence))
    runs = desk.stage.state / "runs"
    kept = {name: (runs / first.run / name).read_bytes() for name in ("journal.jsonl", "plan.json")}
    lines = kept["journal.jsonl"].splitlines(keepends=True)
    swap = next(at for at, line in enumerate(lines) if b"slotsswap" in line)
    sent = desk.writes()
    forged = {
        "an outcome turned round": b"".join(
            line.replace(b'"applied"', b'"not-applied"') for line in lines
        ),
        "a line taken out": b"".join(lines[:swap] + lines[swap + 1 :]),
        "two lines in another order": b"".join(
            [*lines[:swap], lines[swap + 1], lines[swap], *lines[swap + 2 :]]
        ),
        "the journal of another run": (runs / other.run / "journal.jsonl").read_bytes(),
    }
    for what, data in forged.items():
        (runs / first.run / "journal.jsonl").write_bytes(data)
        for act in (desk.operator().undo, desk.operator().resume):
            with pytest.raises(JournalBroken) as caught:
                act(first.run)
            assert caught.value.code in {"journal.damaged", "journal.other-run"}, what
    for length in (1, len(lines) // 2, len(kept["journal.jsonl"]) - 1):  # whole lines, and a torn one
        cut = b"".join(lines[:length]) if length < len(lines) else kept["journal.jsonl"][:length]
        (runs / first.run / "journal.jsonl").write_bytes(cut)
        for act in (desk.operator().undo, desk.operator().resume):
            with pytest.raises(JournalBroken) as caught:
                act(first.run)
            assert caught.value.code == "journal.cut"
            halts = f"rollback apply {runs / first.run / 'plan.json'} --only-safe"
            assert halts in caught.value.hint or act.__name__ == "undo"
    # What the hint says is true: halts of that plan still go, and nobody is moved by them.
    kept_plan = PlanDocument.read((runs / first.run / "plan.json").read_bytes())
    moved = desk.swaps()
    assert desk.operator().apply(kept_plan, only_safe=True).exit_status == 0
    assert desk.swaps() == moved
    sent = desk.writes()
    (runs / first.run / "journal.jsonl").write_bytes(kept["journal.jsonl"])
    (runs / first.run / "plan.json").write_bytes((runs / other.run / "plan.json").read_bytes())
    for act in (desk.operator().undo, desk.operator().resume):
        with pytest.raises(JournalBroken) as caught:
            act(first.run)
        assert caught.value.code == "journal.other-plan"
    # A run's folder under another name is another run.
    (runs / first.run / "plan.json").write_bytes(kept["plan.json"])
    shutil.copytree(runs / first.run, runs / "r-20261123-0936-ffff")
    with pytest.raises(JournalBroken):
        desk.operator().undo("r-20261123-0936-ffff")
    assert desk.writes() == sent


def test_a_run_is_undone_where_its_journal_is_in_its_environment_and_when_it_is_over(
    desk: Desk, tmp_path: Path
) -> None:
    first = desk.apply(desk.plan(playbooks.web_only))
    with pytest.raises(InputError, match="no run is named"):
        desk.operator(tmp_path / "another-machine").undo(first.run)
    elsewhere = desk.operator()
    renamed = desk.stage.environment.model_copy(update={"environment": "staging"})
    with pytest.raises(InputError) as caught:
        Operator(
            renamed,
            state=desk.stage.state,
            secrets=VariableSecrets(desk.stage.variables),
            user="mallory",
        ).undo(first.run)
    assert caught.value.code == "undo.environment"
    directory = StateDirectory(desk.stage.state).find(first.run)
    journal = directory.open_journal(SystemClock())
    try:
        with pytest.raises(LeaseHeld):
            elsewhere.undo(first.run)
    finally:
        journal.close()
    assert elsewhere.undo(first.run).plan.undo_of == first.run


def test_where_users_are_elsewhere_since_an_undo_is_refused_or_shown(desk: Desk) -> None:
    """Since the run a third release was swapped in: the slot no longer holds the one before."""
    first = desk.apply(desk.plan(playbooks.web_only))
    early = desk.operator().undo(first.run)
    desk.sim.control.act("deploy", site=names.WEB, slot=names.STAGING, build=names.THIRD_BUILD)
    late = desk.operator().undo(first.run)
    assert any(step.refused for step in late.plan.steps)
    for plan in (early, late):
        try:
            status = desk.apply(plan).exit_status
        except RollbackError as error:
            status = error.exit_status.value
        assert status != 0
    assert (desk.live(), desk.swaps()) == ({names.STABLE_BUILD}, 1)


def test_a_run_of_another_machine_is_undone_from_the_mirror(tmp_path: Path) -> None:
    """By its whole name; and where the journal here lost its end, the mirror's counts."""
    with Simulator.start(tmp_path / "simulator") as sim:
        desk = Desk(sim, set_stage(tmp_path, sim, journal_mirror=True))
        first = desk.apply(desk.plan(playbooks.web_only))
        assert first.exit_status == 0
        here = desk.operator().undo(first.run)
        there = desk.operator(tmp_path / "another-machine").undo(first.run)
        journal = desk.stage.state / "runs" / first.run / "journal.jsonl"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[: len(lines) // 3]))
        shortened = desk.operator().undo(first.run)
        kinds = [
            [(step.name, change.summary) for step, change in one.plan.updates]
            for one in (here, there, shortened)
        ]
        assert kinds[0] == kinds[1] == kinds[2] != []
        assert desk.swaps() == 1
