"""The action protocol, and the values it passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from rollback.model.base import Facts
from rollback.model.change import Change, Finding, Update
from rollback.model.environment import Environment
from rollback.model.observation import Observation, Prediction, World
from rollback.model.plan import Exposure, Plan, PlannedStep, Summary
from rollback.model.ports.systems import Clients
from rollback.model.record import Outcome, Record
from rollback.model.steps import StepSpec


@dataclass(frozen=True, slots=True)
class StepContext:
    """One step as an action sees it: its name, its specification, the environment.

    surface: the one surface of a per-surface step. created: when the plan was made. trigger and
    incident are those of the plan. evidence_path: absolute folder of the plan's local evidence.
    plan and records: while applying, the whole plan and what the run's journal holds so far.
    """

    name: str
    spec: StepSpec
    environment: Environment
    surface: str | None = None
    trigger: str | None = None
    incident: str | None = None
    created: datetime | None = None
    evidence_path: str = ""
    plan: Plan | None = None
    records: Callable[[], tuple[Record, ...]] = tuple


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """What an action makes of the world: changes in order, and what a reviewer must see.

    not_held: resources that it observed and its changes do not stand on: that they are otherwise
    once the step is applied keeps nobody back.
    """

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    summaries: tuple[Summary, ...] = ()
    duration_s_max: int = 60
    not_held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What looking told: outcome None means still pending. facts are recorded."""

    outcome: Outcome | None
    reason: str
    facts: Facts = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing verified from outside."""

    name: str
    holds: bool
    seen: str
    weight: str = "must"


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks of a step; it holds when every ``must`` check does. notes: for the journal."""

    checks: tuple[Check, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """True when no ``must`` check failed."""
        return all(check.holds for check in self.checks if check.weight == "must")


@dataclass(frozen=True, slots=True)
class Performed:
    """What an effect's answer said, to be kept for looking (an operation's location)."""

    facts: Facts = ()


@runtime_checkable
class Action(Protocol):
    """A kind of step. Stateless; one value serves all steps. See docs/adr for why `look` exists."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> type[StepSpec]: ...

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Read the step's resources. What cannot be read is a gap, not an exception."""
        ...

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Pure: the changes that make the world what the step wants."""
        ...

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Pure: the compared facts the change gives, once applied."""
        ...

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Send the change's effects, once. Raises; the caller resolves by looking."""
        ...

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Whether the change was applied, by reading: after perform, after a crash, on resume."""
        ...

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Whether the step's promise is true, by reading from outside."""
        ...


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The actions a planner and an executor know, by name. Passed, never global."""

    actions: tuple[Action, ...] = field(default=())

    def find(self, name: str) -> Action | None:
        """The action of that name."""
        return next((action for action in self.actions if action.name == name), None)

    def with_actions(self, *more: Action) -> Catalogue:
        """A larger catalogue; a name that is taken raises ValueError."""
        for action in more:
            if self.find(action.name) is not None:
                msg = f"an action named {action.name} exists"
                raise ValueError(msg)
        return Catalogue(actions=(*self.actions, *more))
