"""One process that runs durable steps: ``python -m benchmarks.steps_long COUNT FOLDER``.

The real loop, ledger and journal; an action that sends nothing. Each step spends a permission
(intent, on disk), acts, records the outcome (on disk), verifies, and ends; one after another.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rollback.model.base import Facts, facts
from rollback.model.change import Update
from rollback.model.direction import Direction, Undo
from rollback.model.effect import HttpWrite, NoBody
from rollback.model.plan import PlannedStep
from rollback.model.ports import ActionPlan, Catalogue, Look, Performed, Verification
from rollback.model.record import Outcome, RecordKind
from rollback.model.scope import Shape
from rollback.model.steps import RetainTradeHalt, StepSpec
from rollback.running.clock import SystemClock
from rollback.running.hands import NoLease
from rollback.running.journal import FileJournal
from rollback.running.ledger import Ledger
from rollback.running.loop import drive_run
from rollback.running.perform import Performer
from rollback.running.pool import ThreadPool

if TYPE_CHECKING:
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import Plan
    from rollback.model.ports import Clients, StepContext

RUN = "r-20261123-0936-0000"
SHAPE = Shape(method="POST", host="management.azure.com", path="/")


def plan_of(count: int) -> Plan:
    """So many steps of one update each, one after another."""
    from tests.running.plans import make_plan

    steps = []
    for number in range(count):
        effect = HttpWrite(
            id=f"step-{number}#act",
            method="POST",
            host="management.azure.com",
            path=f"/{number}",
            body=NoBody(),
            times_max=1,
            direction=Direction.NEITHER,
            undo=Undo(possible=True, by="the same again"),
        )
        update = Update(
            id="act",
            resource=f"thing/{number}",
            summary="nothing",
            before=facts(on=True),
            after=facts(on=False),
            effects=(effect,),
            direction=Direction.NEITHER,
        )
        steps.append(
            PlannedStep(
                name=f"step-{number}",
                action="nothing",
                spec=facts(),
                after=(f"step-{number - 1}",) if number else (),
                changes=(update,),
            )
        )
    return make_plan().model_copy(update={"steps": tuple(steps)})


class Nothing:
    """An action that spends its permission and sends nothing."""

    name = "nothing"
    spec: type[StepSpec] = RetainTradeHalt

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Nothing is looked at."""
        del step, clients
        return ()

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Never asked."""
        raise NotImplementedError

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Nothing."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Only the permission is spent."""
        del step, clients
        self._ledger.spend(change.effects[0].id, SHAPE)
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """As wanted."""
        del step, change, clients, performed
        return Look(Outcome.APPLIED, "nothing to see")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Nothing to check."""
        del step, planned, clients
        return Verification()


def main() -> int:
    """Run them; exit 0 when all are done."""
    from rollback.cli.main import collect_rarely
    from tests.running.drive.hand import environment

    collect_rarely()
    plan, clock, nobody = plan_of(int(sys.argv[1])), SystemClock(), cast("Any", None)
    with FileJournal.create(Path(sys.argv[2]) / "journal.jsonl", RUN, clock) as journal:
        ledger = Ledger(plan, journal, emergency=sys.stderr.write)
        journal.append("run", RecordKind.OPENED, facts(mode="full"), durable=True)
        journal.append("run", RecordKind.CANARIES, facts(all_caught=True), durable=False)
        performer = Performer(
            plan=plan, environment=environment(), catalogue=Catalogue((Nothing(ledger),)),
            clients=lambda scope: cast("Clients", scope), close=lambda _: None, journal=journal,
            ledger=ledger, clock=clock, people=nobody, progress=lambda *_: None,
            lease=NoLease("no lease"), run=RUN, evidence_path="/evidence",
        )  # fmt: skip
        with ThreadPool(1) as pool:
            return drive_run(
                plan, environment(), performer, pool, journal, clock,
                prove_authority=nobody, take_lease=nobody, stopping=lambda: False,
            )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
