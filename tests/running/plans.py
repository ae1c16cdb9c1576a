"""A small plan with one effect of each sort, for tests of what counts permissions."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.direction import Direction, Undo
from rollback.model.effect import (
    BoundedBody,
    Effect,
    FileWrite,
    HttpWrite,
    NoBody,
    Purpose,
    SelfAddressedBody,
)
from rollback.model.plan import ApprovalsNeeded, Certificate, Plan, PlannedStep

from .fakes import START

UNDO = Undo(possible=True, by="the same again")


def effect(
    name: str,
    direction: Direction,
    *,
    times_max: int = 1,
    returns_max: int = 0,
    purpose: Purpose = Purpose.CHANGE,
) -> HttpWrite:
    """One POST to a host of nobody's."""
    evidence = purpose is Purpose.EVIDENCE
    return HttpWrite(
        id=name,
        method="PUT" if evidence else "POST",
        host="management.azure.com",
        path="/bucket/{sha256}" if evidence else f"/{name.replace('#', '-')}",
        body=SelfAddressedBody(bytes_max=100) if evidence else NoBody(),
        times_max=times_max,
        returns_max=returns_max,
        direction=direction,
        purpose=purpose,
        undo=UNDO,
    )


def lease_effect(condition: Literal["create-only", "if-match"]) -> HttpWrite:
    """The permission to write leases."""
    return HttpWrite(
        id=f"upkeep#lease-{condition}",
        method="PUT",
        host="s3.example.org",
        path="/bucket/leases/{key}",
        body=BoundedBody(bytes_max=4096),
        condition=condition,
        times_max=1000,
        direction=Direction.NEITHER,
        purpose=Purpose.LEASE,
        undo=UNDO,
    )


SWAP = effect("revert#swap", Direction.AWAY, returns_max=1)
HALT = effect("halt#rules", Direction.TOWARD, times_max=2)
CHUNKS = effect("capture#chunk", Direction.NEITHER, times_max=1000, purpose=Purpose.EVIDENCE)
SPOOL = FileWrite(id="capture#spool", path="/var/spool", bytes_max=100, times_max=10)


def update(name: str, direction: Direction, *effects: Effect) -> Update:
    """A change of those effects."""
    return Update(
        id=name,
        resource=f"backend/{name}",
        summary=name,
        before=facts(on=True),
        after=facts(on=False),
        effects=effects,
        direction=direction,
    )


def make_plan(*upkeep: Effect) -> Plan:
    """Halt, then revert; chunks and a spool as upkeep, or what is given."""
    steps = (
        PlannedStep(
            name="halt",
            action="halt_rollout",
            spec=(),
            changes=(update("rules", Direction.TOWARD, HALT),),
        ),
        PlannedStep(
            name="revert",
            action="revert_deployment",
            spec=(),
            changes=(update("swap", Direction.AWAY, SWAP),),
        ),
    )
    return Plan(
        tool_version="0.1.0",
        environment="rehearsal",
        environment_kind="rehearsal",
        environment_digest="a" * 64,
        owner="Trading",
        contact="trading@example.org",
        target=(),
        playbook="full-rollback",
        playbook_digest="b" * 64,
        summary="",
        planned_by="alice",
        created=START,
        expires=START + timedelta(hours=1),
        nonce="0" * 32,
        verdict="applicable",
        approvals=ApprovalsNeeded(count=0),
        steps=steps,
        upkeep=upkeep or (CHUNKS, SPOOL),
        observations=(),
        world_digest="c" * 64,
        proof=Certificate(model_version=1, states=0, transitions=0, predicates=(), holds=True),
        duration_s_max=60,
    )
