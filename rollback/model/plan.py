"""The plan: inert, canonical, and the only thing that can be applied."""

from typing import Annotated, Final, Literal

from pydantic import Field

from rollback.model.authority import AuthorityJudgement
from rollback.model.base import Facts, Frozen, Instant, Name, Seconds, Sha256
from rollback.model.change import Change, Finding, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.effect import Effect
from rollback.model.observation import Observation

PLAN_FORMAT: Final = 1
"""Version of the plan document. An executor refuses a plan of a newer format."""


class PlannedStep(Frozen):
    """One step as it will run.

    index orders steps that could run side by side. spec: the step's specification as facts.
    implied: put in by the planner (volatile evidence before a step that endangers it).
    compares: resources whose compared facts are read again and held against `expects`.
    """

    name: Name
    action: str
    spec: Facts
    after: tuple[Name, ...] = ()
    on_failure: Literal["stop", "continue", "hand-over"] = "stop"
    implied: bool = False
    surface: str | None = None
    changes: tuple[Change, ...] = ()
    expects: tuple[Observation, ...] = ()
    duration_s_max: Seconds = 0

    @property
    def direction(self) -> Direction:
        """AWAY if any update moves away; else TOWARD if any moves toward; else NEITHER."""
        seen = {change.direction for change in self.changes if isinstance(change, Update)}
        if Direction.AWAY in seen:
            return Direction.AWAY
        return Direction.TOWARD if Direction.TOWARD in seen else Direction.NEITHER

    @property
    def refused(self) -> tuple[RefusedChange, ...]:
        """The step's refused changes."""
        return tuple(change for change in self.changes if isinstance(change, RefusedChange))


class Certificate(Frozen):
    """What the proof explored and what holds. Part of the digest."""

    model_version: int
    states: int
    transitions: int
    predicates: tuple[str, ...]
    bounds: Facts = ()
    holds: bool
    counterexample: tuple[str, ...] = ()
    broken: str = ""


class ApprovalsNeeded(Frozen):
    """How many people must sign before the first move away from safety, and why so many.

    attestation: a named person attests a halt outside the platform. words: what else has to be
    attested before the changes that need it (`Update.word`).
    """

    count: Annotated[int, Field(ge=0)]
    reasons: tuple[str, ...] = ()
    attestation: bool = False
    words: tuple[str, ...] = ()


class NotRolledBack(Frozen):
    """A surface the product does not roll back, and what a person does instead."""

    surface: str
    human_step: str


class Exposure(Frozen):
    """Who stays exposed after the plan, and for how long."""

    surface: str
    who: str
    count: int | None = None
    until_s: Seconds | None = None


class Summary(Frozen):
    """From which release to which, per surface, and how that was identified."""

    surface: str
    from_build: str | None
    to_build: str | None
    way: str
    identified_by: str


class Plan(Frozen):
    """Ordered changes, effects, observations, proof. Its digest is what people sign.

    upkeep: effects for lease, evidence store and hold, used by the run itself.
    world_digest: leaves out times and nonces; equal when two plans saw the same world.
    verdict: ``applicable``, or ``refused`` (rendered all the same; halts and captures in it can
    still be applied with ``--only-safe``).
    """

    format: Literal[1] = PLAN_FORMAT
    tool_version: str
    environment: Name
    environment_kind: str
    environment_digest: Sha256
    owner: str
    contact: str
    target: Facts
    playbook: Name
    playbook_digest: Sha256
    summary: str
    incident: str | None = None
    trigger: str | None = None
    parameters: Facts = ()
    planned_by: str
    created: Instant
    expires: Instant
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    verdict: Literal["applicable", "refused"]
    not_rolled_back: tuple[NotRolledBack, ...] = ()
    surfaces: tuple[Summary, ...] = ()
    findings: tuple[Finding, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    authority: tuple[AuthorityJudgement, ...] = ()
    approvals: ApprovalsNeeded
    steps: tuple[PlannedStep, ...]
    upkeep: tuple[Effect, ...] = ()
    observations: tuple[Observation, ...]
    world_digest: Sha256
    proof: Certificate
    duration_s_max: Seconds
    undo_of: str | None = None

    def step(self, name: str) -> PlannedStep:
        """The named step. Raises KeyError where there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    @property
    def updates(self) -> tuple[tuple[PlannedStep, Update], ...]:
        """All updates with their steps, in order."""
        return tuple(
            (step, change)
            for step in self.steps
            for change in step.changes
            if isinstance(change, Update)
        )

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Every effect the plan permits, upkeep included."""
        return (
            *(effect for _, change in self.updates for effect in change.effects),
            *self.upkeep,
        )
