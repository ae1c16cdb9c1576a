"""What a worker does for one intent: read again, send once, look. Outcomes are records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rollback.errors import (
    ConnectorError,
    EvidenceNotWritten,
    ExitStatus,
    GuardRefusal,
    JournalBroken,
    RollbackError,
)
from rollback.model.base import Fact, Facts, facts
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.observation import World
from rollback.model.ports import Look, StepContext
from rollback.model.record import Outcome, RecordKind
from rollback.model.scope import Phase, Scope
from rollback.running.compare import compare
from rollback.running.direction import not_toward_any_more
from rollback.running.preflight import Blocked, may_move_away
from rollback.running.state import AGAIN, DRIFTED, ChangeStatus, StepStatus, fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import Plan, PlannedStep
    from rollback.model.ports import Action, Catalogue, Clients, Clock, Journal
    from rollback.running.ledger import Ledger

MAIN = "run"
CAPTURE = "snapshot_audit_logs"


class ScopedClients(Protocol):
    """Opens guarded clients for one scope; the caller closes them."""

    def __call__(self, scope: Scope) -> Clients:
        """Clients for this scope."""
        ...


class People(Protocol):
    """Asks a person. Returns (who, words) or None where nobody can be asked."""

    def attest(self, about: str, statement: str) -> tuple[str, str] | None:
        """A named person's word for a statement."""
        ...


@dataclass(frozen=True, slots=True)
class Performer:
    """Acts for one run. Every method is safe to call from a worker thread."""

    plan: Plan
    environment: Environment
    catalogue: Catalogue
    clients: ScopedClients
    close: Callable[[Clients], None]
    journal: Journal
    ledger: Ledger
    clock: Clock
    people: People
    progress: Callable[[str, str, str], None]
    lease_problem: Callable[[], str]
    run: str
    evidence_path: str

    # --- intents -----------------------------------------------------------------------------

    def act(self, name: str, change_id: str) -> None:
        """Read again, compare, send, look, record. Raises JournalBroken only."""
        step, change, action, context = self._find(name, change_id)
        if change.direction is Direction.AWAY and not self._as_predicted(
            step, change, action, context
        ):
            return
        if change.direction is Direction.TOWARD and self._needs_no_send(
            step, change, action, context
        ):
            return
        if step.action == "confirm":
            self._confirm(step, change, context)
            return
        self.progress("sent", name, change.summary)
        performed, problem = self._send(step, change, action, context)
        if performed:
            body = (
                *facts(code="performed", step=name, change=change.id),
                *_prefixed(performed),
            )
            kind = RecordKind.EVIDENCE if step.action == CAPTURE else RecordKind.NOTE
            self.journal.append(MAIN, kind, body, durable=False)
        self._look(step, change, action, context, performed, problem)

    def resolve(self, name: str, change_id: str) -> None:
        """Look only: an intent of an earlier time has no outcome."""
        step, change, action, context = self._find(name, change_id)
        performed: Facts = ()
        for record in self.journal.records():
            if record.text("code") == "performed" and (
                record.text("step"),
                record.text("change"),
            ) == (name, change_id):
                performed = _unprefixed(record.body)
        self.progress("looking", name, change.summary)
        self._look(step, change, action, context, performed, "its answer was lost")

    def give_back(self, name: str, change_id: str, why: str) -> None:
        """Return the permissions of a change that was looked for and found not applied."""
        _, change, _, _ = self._find(name, change_id)
        spent = [effect for effect in change.effects if self.ledger.left(effect.id) == 0]
        for effect in spent:
            self.ledger.give_back(effect.id, why)
        if not spent:
            # Nothing had left, so there is nothing to give back; the change may be tried again.
            body = facts(code=AGAIN, step=name, change=change.id, text=why)
            self.journal.append(MAIN, RecordKind.NOTE, body, durable=True)

    def verify(self, name: str) -> None:
        """Verify a step from outside and record every check."""
        step = self.plan.step(name)
        action, context = self._action(step)
        self.progress("verifying", name, "")
        clients = self.clients(self._scope(step, Phase.OBSERVE))
        try:
            seen = action.verify(context, step, clients)
        except RollbackError as error:
            self._verified(name, holds=False, checks=(f"failed: {error}",))
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
        self._verified(name, holds=seen.holds, checks=checks)

    def defect(self, name: str, error: Exception) -> None:
        """A step broke in a way nobody foresaw: it ends, unknown where something was sent."""
        kind = error.code if isinstance(error, RollbackError) else type(error).__name__
        if not name:
            self.progress("failed", "run", f"asking authority failed: {kind}")
            return
        step = self.plan.step(name)
        state = fold(self.plan, self.journal.records())
        sent = any(
            state.change(name, change.id) is ChangeStatus.IN_DOUBT
            for change in step.changes
            if isinstance(change, Update)
        )
        status = StepStatus.UNKNOWN if sent else StepStatus.FAILED
        exit_ = ExitStatus.PERSON if sent else ExitStatus.DEFECT
        if isinstance(error, RollbackError) and not sent:
            exit_ = error.exit_status
        self._end(step, status, "step.defect", f"it broke: {kind}", exit_)

    # --- the parts ---------------------------------------------------------------------------

    def _find(self, name: str, change_id: str) -> tuple[PlannedStep, Update, Action, StepContext]:
        step = self.plan.step(name)
        change = next(
            one for one in step.changes if isinstance(one, Update) and one.id == change_id
        )
        action, context = self._action(step)
        return step, change, action, context

    def _action(self, step: PlannedStep) -> tuple[Action, StepContext]:
        action = self.catalogue.find(step.action)
        if action is None:
            raise RollbackError(
                "run.no-action", f"no action named {step.action} is in the catalogue"
            )
        spec = action.spec.model_validate({fact.name: fact.value for fact in step.spec})
        return action, StepContext(
            name=step.name,
            spec=spec,
            environment=self.environment,
            surface=step.surface,
            trigger=self.plan.trigger,
            incident=self.plan.incident,
            created=self.plan.created,
            evidence_path=self.evidence_path,
        )

    def _scope(self, step: PlannedStep, phase: Phase, change: Update | None = None) -> Scope:
        return Scope(
            run=self.run,
            step=step.name,
            phase=phase,
            permissions=() if change is None else change.effects,
        )

    def _observed(
        self, step: PlannedStep, action: Action, context: StepContext
    ) -> tuple[Observation, ...]:
        clients = self.clients(self._scope(step, Phase.OBSERVE))
        try:
            return action.observe(context, clients)
        finally:
            self.close(clients)

    def _compare(
        self, step: PlannedStep, change: Update, action: Action, context: StepContext
    ) -> tuple[str, tuple[str, ...]]:
        seen = self._observed(step, action, context)
        state = fold(self.plan, self.journal.records())
        settled = tuple(
            one
            for one in step.changes
            if isinstance(one, Update) and state.change(step.name, one.id) is ChangeStatus.APPLIED
        )
        found = compare(step, change, settled, seen)
        return found.verdict, tuple(str(one) for one in found.differences)

    def _as_predicted(
        self, step: PlannedStep, change: Update, action: Action, context: StepContext
    ) -> bool:
        """Whether the change may be sent now; anything else is recorded and ends it."""
        deadline = self.clock.monotonic() + self.environment.policy.busy_s_max
        while True:
            try:
                verdict, differences = self._compare(step, change, action, context)
            except JournalBroken:
                raise
            except RollbackError as error:
                passing = isinstance(error, ConnectorError) and error.transient
                verdict, differences = "busy" if passing else "drifted", (str(error),)
            if verdict != "busy" or self.clock.monotonic() >= deadline:
                break
            self.progress("waiting", step.name, "; ".join(differences))
            self.clock.sleep(max(1, self.environment.policy.poll_s) / _fraction(self.environment))
        self.journal.append(
            MAIN,
            RecordKind.OBSERVED,
            facts(
                step=step.name,
                change=change.id,
                verdict=verdict,
                differences=differences,
            ),
            durable=False,
        )
        if verdict == "as-predicted":
            return self._still_allowed(step, change)
        if verdict == "satisfied":
            self._outcome(step, change, Look(Outcome.APPLIED, "already as wanted; nothing sent"))
            return False
        why = "; ".join(differences)
        if verdict == "busy":
            self._end(
                step,
                StepStatus.HANDED_OVER,
                "provider.busy",
                f"another operation did not end in time ({why})",
                ExitStatus.PERSON,
            )
        else:
            self._end(
                step,
                StepStatus.FAILED,
                DRIFTED,
                f"the world is not as planned: {why}",
                ExitStatus.STALE,
            )
        return False

    def _still_allowed(self, step: PlannedStep, change: Update) -> bool:
        """Preflight once more, just before the send: reading and waiting took their time."""
        if problem := self.lease_problem():
            self._end(step, StepStatus.SKIPPED, "lease.lost", problem, ExitStatus.LEASE)
            return False
        state = fold(self.plan, self.journal.records())
        blocked = may_move_away(self.plan, self.environment, state, change, self.clock.now())
        if isinstance(blocked, Blocked):
            self._end(
                step,
                StepStatus.SKIPPED,
                blocked.code,
                blocked.reason,
                blocked.exit or ExitStatus.REFUSED,
            )
        # Where authority has to be asked again, nothing is sent; the loop asks, then comes back.
        return blocked is None

    def _needs_no_send(
        self, step: PlannedStep, change: Update, action: Action, context: StepContext
    ) -> bool:
        """Whether a move toward safety is made already, or is none any more; recorded where so.

        What cannot be read holds nothing back.
        """
        try:
            seen = self._observed(step, action, context)
            verdict = compare(step, change, (), seen).verdict
            now = action.plan(context, World(observations=seen)).changes
        except JournalBroken:
            raise
        except Exception as error:  # noqa: BLE001 - an action's defect must not withhold a halt
            self.progress("not read", step.name, type(error).__name__)
            return False
        if verdict == "satisfied":
            look = Look(Outcome.APPLIED, "already as wanted; nothing sent")
        elif why := not_toward_any_more(change, now):
            look = Look(Outcome.NOT_APPLIED, f"{why}; nothing sent", facts(code=DRIFTED))
        else:
            return False
        self._outcome(step, change, look)
        return True

    def _send(
        self, step: PlannedStep, change: Update, action: Action, context: StepContext
    ) -> tuple[Facts, str]:
        clients = self.clients(self._scope(step, Phase.APPLY, change))
        try:
            return action.perform(context, change, clients).facts, ""
        except JournalBroken:
            raise
        except (GuardRefusal, ConnectorError, EvidenceNotWritten) as error:
            return (), str(error)
        finally:
            self.close(clients)

    def _look(
        self,
        step: PlannedStep,
        change: Update,
        action: Action,
        context: StepContext,
        performed: Facts,
        problem: str,
    ) -> None:
        """Look until it is told, bounded by the change's own limit. Never resends."""
        if change.effects and all(self.ledger.attempts(one.id) == 0 for one in change.effects):
            why = problem or "nothing left the process"
            self._outcome(step, change, Look(Outcome.NOT_APPLIED, why))
            return
        deadline = self.clock.monotonic() + change.settle_s_max
        while True:
            look = self._look_once(step, change, action, context, performed)
            if look.outcome is not None:
                break
            if self.clock.monotonic() >= deadline:
                reason = f"not settled within {change.settle_s_max} s: {look.reason}"
                look = Look(Outcome.UNKNOWN, reason, look.facts)
                break
            self.progress("looked", step.name, look.reason)
            performed = look.facts or performed
            self.clock.sleep(change.poll_s / _fraction(self.environment))
        if problem:
            look = Look(
                look.outcome,
                f"{look.reason} (the answer to the send: {problem})",
                look.facts,
            )
        self._outcome(step, change, look)

    def _look_once(
        self,
        step: PlannedStep,
        change: Update,
        action: Action,
        context: StepContext,
        performed: Facts,
    ) -> Look:
        clients = self.clients(self._scope(step, Phase.OBSERVE))
        try:
            return action.look(context, change, clients, performed)
        except JournalBroken:
            raise
        except RollbackError as error:
            return Look(None, f"looking failed: {error}")
        finally:
            self.close(clients)

    def _confirm(self, step: PlannedStep, change: Update, context: StepContext) -> None:
        statement = str(getattr(context.spec, "statement", change.summary))
        for record in self.journal.records():
            if record.kind is RecordKind.ATTESTED and record.text("about") == step.name:
                self._outcome(step, change, Look(Outcome.APPLIED, "attested"))
                return
        said = self.people.attest(step.name, statement)
        if said is None:
            self._end(
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
        self._outcome(step, change, Look(Outcome.APPLIED, f"attested by {who}"))

    # --- records -----------------------------------------------------------------------------

    def _outcome(self, step: PlannedStep, change: Update, look: Look) -> None:
        outcome = look.outcome or Outcome.UNKNOWN
        self.journal.append(
            MAIN,
            RecordKind.OUTCOME,
            facts(
                step=step.name,
                change=change.id,
                outcome=outcome.value,
                reason=look.reason,
                code=next((one.value for one in look.facts if one.name == "code"), ""),
            ),
            durable=True,
        )
        self.progress("outcome", step.name, f"{change.summary}: {outcome.value} ({look.reason})")

    def _verified(self, name: str, *, holds: bool, checks: tuple[str, ...]) -> None:
        body = facts(step=name, holds=holds, checks=checks)
        self.journal.append(MAIN, RecordKind.VERIFIED, body, durable=False)
        failed = [check for check in checks if not check.startswith("holds")]
        said = f"{len(checks)} checks hold" if holds else "; ".join(failed)
        self.progress("verified" if holds else "not verified", name, said)

    def _end(
        self,
        step: PlannedStep,
        status: StepStatus,
        code: str,
        reason: str,
        exit_: ExitStatus,
    ) -> None:
        end_step(self.journal, step.name, status, code, reason, exit_.value)
        self.progress(status.value, step.name, reason)


def end_step(
    journal: Journal,
    name: str,
    status: StepStatus,
    code: str,
    reason: str,
    exit_: int | None,
) -> None:
    """Record how a step ended."""
    journal.append(
        MAIN,
        RecordKind.STEP,
        facts(step=name, status=status.value, code=code, reason=reason, exit=exit_),
        durable=False,
    )


def _fraction(environment: Environment) -> int:
    """Rehearsals look ten times as often: their swaps take a second, not a minute."""
    return 10 if environment.kind.value == "rehearsal" else 1


def _prefixed(performed: Facts) -> Facts:
    return tuple(Fact(name=f"performed/{fact.name}", value=fact.value) for fact in performed)


def _unprefixed(body: Facts) -> Facts:
    return tuple(
        Fact(name=fact.name.removeprefix("performed/"), value=fact.value)
        for fact in body
        if fact.name.startswith("performed/")
    )
