"""Halts in the real loop, made by an action that is not ours: none withholds another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from rollback.errors import ConnectorError
from rollback.model.base import Facts, facts
from rollback.model.change import NoOp, Update
from rollback.model.direction import Direction
from rollback.model.observation import Observation, Prediction, World
from rollback.model.plan import Plan, PlannedStep
from rollback.model.ports import (
    ActionPlan,
    Catalogue,
    Clients,
    Look,
    Performed,
    StepContext,
    Verification,
)
from rollback.model.record import Outcome, RecordKind
from rollback.model.scope import Shape
from rollback.model.steps import HaltRollout, StepSpec
from rollback.running.hands import Hands, NoLease
from rollback.running.journal import FileJournal
from rollback.running.ledger import Ledger
from rollback.running.loop import drive_run
from rollback.running.perform import Performer
from rollback.running.pool import ThreadPool
from tests.running.drive.hand import environment

from .fakes import START, VirtualClock
from .plans import effect, make_plan

SHAPE = Shape(method="POST", host="management.azure.com", path="/")


def rule(name: str) -> Update:
    halt = effect(f"halt#{name}", Direction.TOWARD, times_max=2, returns_max=1)
    disable = {"method": "PUT", "path": f"/repos/o/r/actions/workflows/{name}.yml/disable"}
    return Update(
        id=name, resource=f"{name}/traffic", summary=f"stop {name}", before=facts(rules=("bad",)),
        after=facts(rules=()), effects=(halt.model_copy(update=disable),),
        direction=Direction.TOWARD, surface=name,
        predicts=(Prediction(resource=f"{name}/traffic", compared=facts(rules=())),),
    )  # fmt: skip


@dataclass
class Halting:
    """Rules of surfaces in memory. broken: surfaces whose write breaks it, and how often."""

    ledger: Callable[[], Ledger]
    rules: dict[str, tuple[str, ...]]
    broken: dict[str, int] = field(default_factory=dict)
    stays: frozenset[str] = frozenset()
    read: list[tuple[str, ...]] = field(default_factory=list)
    unreadable: bool = False
    meeting: threading.Barrier | None = None
    name: str = "halt_rollout"
    spec: type[StepSpec] = HaltRollout

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        del clients
        surfaces = step.spec.surfaces  # type: ignore[attr-defined]
        self.read.append(surfaces)
        if self.unreadable:
            raise ConnectorError("arm.down", "it does not answer", transient=True)
        return tuple(
            Observation(
                resource=f"{name}/traffic", where="memory", at=START, compared=facts(rules=self.rules[name])
            )
            for name in surfaces
        )  # fmt: skip

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        del world
        surfaces = step.spec.surfaces  # type: ignore[attr-defined]
        return ActionPlan(
            tuple(
                NoOp(id=one, resource=one, reason="the slot serves the stable release")
                if one in self.stays
                else rule(one)
                for one in surfaces
            )
        )

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        del step, clients
        surface = str(change.surface)
        if self.meeting is not None:
            self.meeting.wait(timeout=60)
        if self.broken.get(surface, 0):
            self.broken[surface] -= 1
            raise ZeroDivisionError
        self.ledger().spend(change.effects[0].id, SHAPE)
        self.rules[surface] = ()
        return Performed()

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        del step, clients, performed
        done = not self.rules[str(change.surface)]
        return Look(Outcome.APPLIED if done else Outcome.NOT_APPLIED, "looked")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        del step, planned, clients
        return Verification()


@dataclass
class Run:
    """One run of one halting step of backend and web."""

    action: Halting
    journal: FileJournal
    plan: Plan
    clock: VirtualClock
    ledger: Ledger

    def go(self, threads: int = 2) -> int:
        for kind, body in (
            (RecordKind.OPENED, facts(mode="full")),
            (RecordKind.CANARIES, facts(all_caught=True)),
        ):
            self.journal.append("run", kind, body, durable=False)
        hands = Hands(
            plan=self.plan, environment=environment(), catalogue=Catalogue((self.action,)),
            clients=lambda scope: cast("Clients", scope), close=lambda _: None, journal=self.journal,
            ledger=self.ledger, clock=self.clock, people=cast("Any", None), progress=lambda *_: None,
            lease=NoLease("no lease"), run="r-20261123-0936-0000", evidence_path="/evidence",
        )  # fmt: skip
        performer = Performer(**{name: getattr(hands, name) for name in Hands.__slots__})
        with ThreadPool(threads) as pool:
            return drive_run(
                self.plan, environment(), performer, pool, self.journal, self.clock,
                prove_authority=pytest.fail, take_lease=pytest.fail, stopping=lambda: False,
            )  # fmt: skip

    def outcomes(self, surface: str) -> list[str]:
        return [
            record.text("outcome")
            for record in self.journal.records()
            if record.kind is RecordKind.OUTCOME and record.text("change") == surface
        ]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    clock = VirtualClock()
    spec = facts(surfaces=("backend", "web"))
    step = PlannedStep(
        name="halt", action="halt_rollout", spec=spec, changes=(rule("backend"), rule("web"))
    )
    plan = make_plan().model_copy(update={"steps": (step,)})
    with FileJournal.create(tmp_path / "journal.jsonl", "r-20261123-0936-0000", clock) as journal:
        ledger = Ledger(plan, journal, emergency=pytest.fail)
        action = Halting(lambda: ledger, {"backend": ("bad",), "web": ("bad",)})
        yield Run(action, journal, plan, clock, ledger)


def test_both_go_and_each_reads_its_own_surface_only(run: Run) -> None:
    assert run.go() == 0
    assert sorted(run.action.read) == [("backend",), ("web",)]
    assert run.action.rules == {"backend": (), "web": ()}


def test_one_that_breaks_withholds_no_other(run: Run) -> None:
    run.action.broken = {"backend": 9}
    assert run.go() != 0
    assert run.outcomes("web") == ["applied"]
    assert set(run.outcomes("backend")) == {"not-applied"}


def test_one_that_broke_before_it_left_is_tried_again(run: Run) -> None:
    run.action.broken = {"backend": 1}
    assert run.go() == 0
    assert run.outcomes("backend") == ["not-applied", "applied"]


def test_what_cannot_be_read_is_sent_all_the_same(run: Run) -> None:
    run.action.unreadable = True
    assert run.go() == 0
    assert run.action.rules == {"backend": (), "web": ()}


def test_what_is_no_halt_any_more_is_left_and_the_other_goes(run: Run) -> None:
    run.action.stays = frozenset({"backend"})
    assert run.go() == 5
    assert run.action.rules == {"backend": ("bad",), "web": ()}


def test_what_is_made_already_is_not_sent(run: Run) -> None:
    run.action.rules["web"] = ()
    assert run.go() == 0
    assert run.ledger.attempts("halt#web") == 0
    assert run.ledger.attempts("halt#backend") == 1


def test_no_halt_waits_for_a_thread_that_another_act_has(run: Run) -> None:
    run.action.meeting = threading.Barrier(2)  # each is sent once the other is there
    assert run.go(threads=1) == 0
    assert run.outcomes("backend") == run.outcomes("web") == ["applied"]
