"""What every act of a run works with: its parts, one planned change at a time, and its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rollback.errors import ExitStatus, RollbackError
from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.journal import MAIN
from rollback.model.ports import Look, StepContext
from rollback.model.record import Outcome, RecordKind
from rollback.model.scope import Phase, Scope
from rollback.running.fold import fold
from rollback.running.state import ChangeStatus, RunState, StepStatus, ended_as

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.plan import Plan, PlannedStep
    from rollback.model.ports import Action, Catalogue, Clients, Clock, Journal
    from rollback.running.ledger import Ledger


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


class HeldLease(Protocol):
    """The run's lease as an act needs it."""

    def before_effect(self, doing: str) -> str:
        """Renew it, saying what is done next. Empty, or why nothing may be sent."""
        ...

    def after_effect(self, surface: str | None) -> str:
        """Empty where it was held throughout; otherwise what a person must look at.

        surface: which one was changed; None: nobody can tell.
        """
        ...


@dataclass(frozen=True, slots=True)
class NoLease:
    """Where nothing that needs a lease is sent. why: what is said to an act that asks for one."""

    why: str

    def before_effect(self, doing: str) -> str:
        """Never held."""
        del doing
        return self.why

    def after_effect(self, surface: str | None) -> str:
        """Nothing was sent under it."""
        del surface
        return ""


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclass(frozen=True, slots=True)
class Planned:
    """One change of one step, with the action that knows how."""

    step: PlannedStep
    change: Update
    action: Action
    context: StepContext


@dataclass(frozen=True, slots=True)
class Hands:
    """The parts of one run that acts share, and how they are recorded. Safe from any thread."""

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
    lease: HeldLease
    run: str
    evidence_path: str
    stopping: Callable[[], bool] = never
    discreet: Callable[[tuple[Observation, ...]], tuple[Observation, ...]] = tuple

    # --- what is planned ---------------------------------------------------------------------

    def find(self, name: str, change_id: str) -> Planned:
        """One change of the plan. Raises StopIteration, KeyError where there is none."""
        step = self.plan.step(name)
        change = next(
            one for one in step.changes if isinstance(one, Update) and one.id == change_id
        )
        action, context = self.action_of(step)
        return Planned(step, change, action, context)

    def action_of(self, step: PlannedStep) -> tuple[Action, StepContext]:
        """The action of a step and its context. Raises RollbackError where it is not known."""
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
            plan=self.plan,
            records=self.journal.records,
        )

    def reading(self, step: PlannedStep) -> Clients:
        """Clients that can only read, for one step."""
        return self.clients(Scope(run=self.run, step=step.name, phase=Phase.OBSERVE))

    def writing(self, planned: Planned) -> Clients:
        """Clients that may also send what one change permits."""
        return self.clients(
            Scope(
                run=self.run,
                step=planned.step.name,
                phase=Phase.APPLY,
                permissions=planned.change.effects,
            )
        )

    def observed(self, planned: Planned) -> tuple[Observation, ...]:
        """The step's resources as they are now."""
        clients = self.reading(planned.step)
        try:
            return self.discreet(planned.action.observe(planned.context, clients))
        finally:
            self.close(clients)

    def state(self) -> RunState:
        """Where the run stands."""
        return fold(self.plan, self.journal.records())

    def settled(self, step: PlannedStep) -> tuple[Update, ...]:
        """Changes of a step that are applied."""
        state = self.state()
        return tuple(
            one
            for one in step.changes
            if isinstance(one, Update) and state.change(step.name, one.id) is ChangeStatus.APPLIED
        )

    # --- records -----------------------------------------------------------------------------

    def outcome(self, planned: Planned, look: Look) -> None:
        """Record what became of a change, durably."""
        self.became(planned.step, planned.change, look)

    def became(self, step: PlannedStep, change: Update, look: Look) -> None:
        """The same, where nobody knows the step's action or can read what it was told."""
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

    def verified(self, name: str, *, holds: bool, checks: tuple[str, ...]) -> None:
        """Record what a verification saw."""
        body = facts(step=name, holds=holds, checks=checks)
        self.journal.append(MAIN, RecordKind.VERIFIED, body, durable=False)
        failed = [check for check in checks if not check.startswith("holds")]
        said = f"{len(checks)} checks hold" if checks else "nothing to check"
        said = said if holds else "; ".join(failed)
        self.progress("verified" if holds else "not verified", name, said)

    def end(
        self, step: PlannedStep, status: StepStatus, code: str, reason: str, exit_: ExitStatus
    ) -> None:
        """Record how a step ended, by its failure policy, and say it."""
        ended, reported = ended_as(step, status, exit_.value)
        end_step(self.journal, step.name, ended, code, reason, reported)
        self.progress(ended.value, step.name, reason)


def end_step(
    journal: Journal, name: str, status: StepStatus, code: str, reason: str, exit_: int | None
) -> None:
    """Record how a step ended."""
    journal.append(
        MAIN,
        RecordKind.STEP,
        facts(step=name, status=status.value, code=code, reason=reason, exit=exit_),
        durable=False,
    )


def looks_a_second(environment: Environment) -> int:
    """Rehearsals look ten times as often: their swaps take a second, not a minute."""
    return 10 if environment.kind.value == "rehearsal" else 1
