"""Capture evidence: what a change could destroy before it, what lasts alongside and after (A5).

Each source (`snapshot_sources`) is bounded; what could not be had is recorded as a gap, and is
never an exception (promise evidence-first). `capturing` reads them, and is loaded when it does.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rollback.actions.snapshot_asked import spec_of, wants
from rollback.errors import ConnectorError
from rollback.evidence.effects import evidence_effects
from rollback.model.base import facts
from rollback.model.change import Finding, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.durations import spoken
from rollback.model.observation import Observation
from rollback.model.ports import ActionPlan, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import CAPTURE_BEFORE
from rollback.model.steps import SnapshotAuditLogs as SnapshotSpec

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.change import Change
    from rollback.model.observation import Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext

CAPTURE = "capture"
_COSMOS = "cosmos/account"


class SnapshotAuditLogs:
    """The action. Stateless."""

    name = "snapshot_audit_logs"
    spec = SnapshotSpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Whether Cosmos can be reached from here; the rest is read when it is captured."""
        if not wants(step, "durable"):
            return ()
        at = clients.now()
        try:
            problem = clients.cosmos().problem()
        except ConnectorError as error:
            problem = error.reason
        return (
            Observation(
                resource=_COSMOS,
                context=facts(problem=problem),
                where=step.environment.cosmos.endpoint,
                at=at,
                gaps=(problem,) if problem else (),
            ),
        )

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One update: all sources of the step, into the store or the local spool."""
        environment = step.environment
        effects = evidence_effects(environment, step.name, step.evidence_path, CAPTURE)
        resource = f"evidence/{step.name}"
        if not effects:
            return ActionPlan(changes=(_nowhere(resource),))
        seconds = _seconds_max(step)
        change: Change = Update(
            id=CAPTURE,
            resource=resource,
            summary=_summary(step),
            before=facts(captured=False),
            after=facts(captured=True),
            effects=effects,
            direction=Direction.NEITHER,
            settle_s_max=0,
            poll_s=1,
        )
        return ActionPlan(
            changes=(change,), findings=_findings(step, world), duration_s_max=seconds
        )

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Evidence changes no resource of the world."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Capture every source, then store the list of what they gave.

        Raises EvidenceNotWritten where neither the store nor the spool takes it, and a refusal of
        the guard. Doing it twice stores only what is new; after an interruption it goes on from
        what its notes say.
        """
        del change
        from rollback.actions.capturing import captured

        return captured(step, clients, _seconds_max(step))

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Captured when the list of windows was stored; an interrupted capture was not."""
        del step, change, clients
        told = {fact.name: fact.value for fact in performed}
        if not told.get("windows_sha256"):
            return Look(Outcome.NOT_APPLIED, "the capture did not come to its end; capture again")
        missing = told.get("incomplete")
        gaps = len(missing) if isinstance(missing, tuple) else 0
        said = f"{told.get('sources')} sources, {told.get('items')} items"
        where = " in the local spool: the store did not take it" if told.get("spooled") else ""
        incomplete = f"; {gaps} of them incomplete" if gaps else ""
        return Look(Outcome.APPLIED, f"captured {said}{where}{incomplete}")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Nothing more: the store read each chunk back, and the bundle is verified as a whole."""
        del step, planned, clients
        return Verification()


def _seconds_max(step: StepContext) -> int:
    """How long the whole capture may take: a few sources' worth, or nothing would be bounded."""
    environment = step.environment
    volatile = environment.policy.volatile_s_max * 2 if wants(step, "volatile") else 0
    durable = environment.evidence.source_s_max * 3 if wants(step, "durable") else 0
    return max(1, volatile + durable)


def _summary(step: StepContext) -> str:
    spec = spec_of(step)
    kind = {"all": "volatile and durable", "volatile": "volatile", "durable": "durable"}
    since = f"of the last {spoken(spec.window)}" if isinstance(spec.window, int) else "of this run"
    name = step.name.removeprefix(CAPTURE_BEFORE)
    before = "" if name == step.name else f" before {name}"
    return f"capture {kind[spec.sources]} evidence{before}, {since}"


def _findings(step: StepContext, world: World) -> tuple[Finding, ...]:
    found = []
    if step.environment.evidence.store is None:
        found.append(
            Finding(
                weight="weak",
                code="evidence.local-only",
                text="no evidence store is configured: evidence stays on this machine's disk",
                step=step.name,
            )
        )
    commands_ = step.environment.evidence.commands
    if commands_ and wants(step, "volatile"):
        names = ", ".join(f"{one.name} ({shlex.join(one.argv)})" for one in commands_)
        found.append(
            Finding(
                weight="note",
                code="evidence.commands",
                text=f"this machine runs {names}; what a command does is beyond the guard",
                step=step.name,
            )
        )
    problem = world.get(_COSMOS, "problem", "")
    if problem and wants(step, "durable"):
        found.append(
            Finding(
                weight="unknown",
                code="evidence.cosmos-unreachable",
                text=f"audit logs cannot be read from here ({problem}); evidence will say so",
                step=step.name,
            )
        )
    return tuple(found)


def _nowhere(resource: str) -> RefusedChange:
    return RefusedChange(
        id=CAPTURE,
        resource=resource,
        code="evidence.no-place",
        reason="there is neither an evidence store nor a local folder for evidence",
        next_move="name an evidence store in the environment, or a state folder to write to",
        promise="evidence-first",
    )
