"""What a worker does for one intent: read again, send once, look. Outcomes are records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import (
    ConnectorError,
    EvidenceNotWritten,
    ExitStatus,
    GuardRefusal,
    Interrupted,
    JournalBroken,
    LeaseHeld,
    PlanStale,
    RollbackError,
)
from rollback.model.base import Fact, Facts, facts
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.durations import spoken
from rollback.model.journal import MAIN
from rollback.model.ports import Look
from rollback.model.record import Outcome, RecordKind
from rollback.model.steps import traits_of
from rollback.running.before_send import as_predicted, needs_no_send
from rollback.running.hands import Hands, looks_a_second
from rollback.running.state import AGAIN, ChangeStatus, StepStatus

if TYPE_CHECKING:
    from rollback.running.hands import Planned


class Performer(Hands):
    """Acts for one run. Every method is safe to call from a worker thread."""

    __slots__ = ()

    def act(self, name: str, change_id: str) -> None:
        """Read again, compare, send, look, record. Raises JournalBroken only."""
        planned = self.find(name, change_id)
        direction = planned.change.direction
        if direction is Direction.AWAY and not as_predicted(self, planned):
            return
        if direction is Direction.TOWARD and needs_no_send(self, planned):
            return
        if traits_of(planned.step.action).asks:
            self._confirm(planned)
            return
        self.progress("sent", name, planned.change.summary)
        try:
            performed, problem = self._send(planned)
        except (LeaseHeld, PlanStale, EvidenceNotWritten) as error:
            if isinstance(error, JournalBroken):
                raise
            if direction is Direction.AWAY and not self._left(planned):
                step, why = planned.step, error.reason
                self.end(step, StepStatus.SKIPPED, error.code, why, error.exit_status)
                return
            performed, problem = (), str(error)  # a part of it may have left: look what it did
        surface = planned.change.surface
        if direction is Direction.AWAY and (found := self.lease.after_effect(surface)):
            body = facts(code="lease.window", step=name, change=change_id, text=found)
            self.journal.append(MAIN, RecordKind.NOTE, body, durable=False)
            self.progress("lease", name, found)
        if performed:
            said = facts(code="performed", step=name, change=change_id)
            captures = traits_of(planned.step.action).captures
            kind = RecordKind.EVIDENCE if captures else RecordKind.NOTE
            self.journal.append(MAIN, kind, (*said, *_prefixed(performed)), durable=False)
        self._look(planned, performed, problem)

    def resolve(self, name: str, change_id: str) -> None:
        """Look only: an intent of an earlier time has no outcome."""
        planned = self.find(name, change_id)
        performed: Facts = ()
        for record in self.journal.records():
            of = (record.text("step"), record.text("change"))
            if record.text("code") == "performed" and of == (name, change_id):
                performed = _unprefixed(record.body)
        self.progress("looking", name, planned.change.summary)
        # A move toward safety may have left without a record, where none could be written.
        unrecorded = planned.change.direction is Direction.TOWARD
        self._look(planned, performed, "its answer was lost", sent=unrecorded)

    def give_back(self, name: str, change_id: str, why: str) -> None:
        """Return the permissions of a change that was looked for and found not applied."""
        changes = self.plan.step(name).changes
        updates = (one for one in changes if isinstance(one, Update))
        effects = next(one for one in updates if one.id == change_id).effects
        spent = [effect for effect in effects if self.ledger.left(effect.id) == 0]
        for effect in spent:
            self.ledger.give_back(effect.id, why)
        if not spent:
            # Nothing had left, so there is nothing to give back; the change may be tried again.
            body = facts(code=AGAIN, step=name, change=change_id, text=why)
            self.journal.append(MAIN, RecordKind.NOTE, body, durable=True)

    def verify(self, name: str) -> None:
        """Verify a step from outside and record every check."""
        step = self.plan.step(name)
        action, context = self.action_of(step)
        self.progress("verifying", name, "")
        clients = self.reading(step)
        try:
            seen = action.verify(context, step, clients)
        except Interrupted:
            return  # T12: nothing was seen, so nothing is recorded
        except RollbackError as error:
            self.verified(name, holds=False, checks=(f"failed: {error}",))
            return
        finally:
            self.close(clients)
        for note in seen.notes:
            self.journal.append(
                MAIN,
                RecordKind.NOTE,
                facts(code=note.code, text=note.text, step=name, weight=note.weight),
                durable=False,
            )
        checks = tuple(
            f"{'holds' if check.holds else 'FAILS'} {check.name}: {check.seen}"
            for check in seen.checks
        )
        self.verified(name, holds=seen.holds, checks=checks)

    def defect(self, name: str, change_id: str, error: BaseException) -> None:
        """Something broke in a way nobody foresaw.

        A step ends, unknown where something was sent. Of a step that halts only the change that
        broke ends: the others of it are not withheld.
        """
        kind = error.code if isinstance(error, RollbackError) else type(error).__name__
        if not name:
            self.progress("failed", "run", f"asking authority or the lease failed: {kind}")
            return
        step, state = self.plan.step(name), self.state()
        updates = [one for one in step.changes if isinstance(one, Update)]
        doubts = [one for one in updates if state.change(name, one.id) is ChangeStatus.IN_DOUBT]
        broken = next((one for one in updates if one.id == change_id), None)
        if broken is not None and broken.direction is Direction.TOWARD:
            outcome = Outcome.UNKNOWN if broken in doubts else Outcome.NOT_APPLIED
            self.became(step, broken, Look(outcome, f"it broke: {kind}"))
            return
        status, exit_ = StepStatus.FAILED, ExitStatus.DEFECT
        if doubts:
            status, exit_ = StepStatus.UNKNOWN, ExitStatus.PERSON
        elif isinstance(error, RollbackError):
            exit_ = error.exit_status
        self.end(step, status, "step.defect", f"it broke: {kind}", exit_)

    # --- the parts ---------------------------------------------------------------------------

    def _send(self, planned: Planned) -> tuple[Facts, str]:
        clients = self.writing(planned)
        try:
            return planned.action.perform(planned.context, planned.change, clients).facts, ""
        except JournalBroken:
            raise
        except (GuardRefusal, ConnectorError) as error:
            return (), str(error)
        finally:
            self.close(clients)

    def _left(self, planned: Planned) -> bool:
        """Whether anything of a change may have left the process."""
        return any(self.ledger.left_process(effect.id) for effect in planned.change.effects)

    def _look(
        self, planned: Planned, performed: Facts, problem: str, *, sent: bool = False
    ) -> None:
        """Look until it is told, bounded by the change's own limit. Never resends.

        sent: something may have left whatever the ledger says.
        """
        step, change = planned.step, planned.change
        sent = sent or any(self.ledger.attempts(one.id) for one in change.effects)
        if change.effects and not sent and not performed:  # facts say: it stood there already
            why = problem or "nothing left the process"
            self.outcome(planned, Look(Outcome.NOT_APPLIED, why))
            return
        deadline = self.clock.monotonic() + change.settle_s_max
        while True:
            look = self._look_once(planned, performed)
            if look.outcome is not None:
                break
            if self.clock.monotonic() >= deadline:
                reason = f"not settled within {spoken(change.settle_s_max)}: {look.reason}"
                look = Look(Outcome.UNKNOWN, reason)
                break
            self.progress("looked", step.name, look.reason)
            performed = look.facts or performed
            self.clock.sleep(change.poll_s / looks_a_second(self.environment))
        said = f" (the answer to the send: {problem})" if problem else ""
        self.outcome(planned, Look(look.outcome, f"{look.reason}{said}"))

    def _look_once(self, planned: Planned, performed: Facts) -> Look:
        clients = self.reading(planned.step)
        try:
            return planned.action.look(planned.context, planned.change, clients, performed)
        except JournalBroken:
            raise
        except RollbackError as error:
            return Look(None, f"looking failed: {error}")
        finally:
            self.close(clients)

    def _confirm(self, planned: Planned) -> None:
        step, change = planned.step, planned.change
        statement = str(getattr(planned.context.spec, "statement", change.summary))
        for record in self.journal.records():
            if record.kind is RecordKind.ATTESTED and record.text("about") == step.name:
                self.outcome(planned, Look(Outcome.APPLIED, "attested"))
                return
        said = self.people.attest(step.name, statement)
        if said is None:
            self.end(
                step,
                StepStatus.HANDED_OVER,
                "confirm.nobody",
                f"nobody attested: {statement}",
                ExitStatus.PERSON,
            )
            return
        who, words = said
        self.journal.append(
            MAIN,
            RecordKind.ATTESTED,
            facts(about=step.name, person=who, statement=words),
            durable=True,
        )
        self.outcome(planned, Look(Outcome.APPLIED, f"attested by {who}"))


def _prefixed(performed: Facts) -> Facts:
    return tuple(Fact(name=f"performed/{fact.name}", value=fact.value) for fact in performed)


def _unprefixed(body: Facts) -> Facts:
    return tuple(
        Fact(name=fact.name.removeprefix("performed/"), value=fact.value)
        for fact in body
        if fact.name.startswith("performed/")
    )
