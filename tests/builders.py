"""Small builders of plans, for tests of everything that reads one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from rollback.model.authority import AuthorityJudgement, Strength, Verdict
from rollback.model.base import Facts, facts
from rollback.model.change import Finding, NoOp, RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.effect import (
    BoundedBody,
    ExactBody,
    FileWrite,
    HttpWrite,
    NoBody,
    Purpose,
    SelfAddressedBody,
)
from rollback.model.observation import Observation
from rollback.model.plan import (
    ApprovalsNeeded,
    Certificate,
    Exposure,
    NotRolledBack,
    Plan,
    PlannedStep,
    Summary,
)
from rollback.planning.canonical import digest

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
BAD = "2026.11.22-2"
STABLE = "2026.11.20-3"
SITE = "/subscriptions/0b1f/resourceGroups/trading/providers/Microsoft.Web/sites"


def exact(text: str) -> ExactBody:
    """A body shown in full."""
    return ExactBody(sha256=hashlib.sha256(text.encode()).hexdigest(), content=text)


def ramp_rules(site: str, direction: Direction = Direction.TOWARD) -> HttpWrite:
    """Traffic rules emptied, absolutely."""
    return HttpWrite(
        id="halt#ramp-rules",
        method="PATCH",
        host="management.azure.com",
        path=f"{SITE}/{site}/config/web",
        query=(("api-version", "2024-11-01"),),
        body=exact('{"properties":{"experiments":{"rampUpRules":[]}}}'),
        times_max=2,
        returns_max=1,
        direction=direction,
        undo=Undo(possible=True, by="put the rule canary=15.00 % back"),
        says=f"send no new users of {site} to a slot",
    )


def swap(site: str, step: str) -> HttpWrite:
    """A slot swap: a toggle."""
    return HttpWrite(
        id=f"{step}#swap",
        method="POST",
        host="management.azure.com",
        path=f"{SITE}/{site}/slots/staging/slotsswap",
        query=(("api-version", "2024-11-01"),),
        body=exact('{"preserveVnet":true,"targetSlot":"production"}'),
        direction=Direction.AWAY,
        undo=Undo(possible=True, by="swap staging and production again"),
        says=f"swap staging and production of {site}",
    )


def evidence_write() -> HttpWrite:
    """Chunks of evidence, created only."""
    return HttpWrite(
        id="upkeep#evidence",
        method="PUT",
        host="evidence.example.net",
        path="/incidents/runs/{sha256}",
        body=SelfAddressedBody(bytes_max=16_777_216),
        condition="create-only",
        times_max=20_000,
        direction=Direction.NEITHER,
        purpose=Purpose.EVIDENCE,
        undo=Undo(possible=False, by="evidence is kept under retention for 90 days"),
        says="store evidence",
    )


def lease_write() -> HttpWrite:
    """The shared lease."""
    return HttpWrite(
        id="upkeep#lease",
        method="PUT",
        host="evidence.example.net",
        path="/incidents/leases/{key}",
        body=BoundedBody(bytes_max=4_096),
        condition="if-match",
        times_max=400,
        direction=Direction.NEITHER,
        purpose=Purpose.LEASE,
        undo=Undo(possible=True, by="the lease expires by itself"),
    )


def halt_step() -> PlannedStep:
    """Toward safety."""
    return PlannedStep(
        name="halt",
        action="halt_rollout",
        spec=facts(surfaces=("backend", "web")),
        duration_s_max=60,
        changes=(
            Update(
                id="ramp-rules",
                resource="backend/traffic",
                summary="no new users are sent to the slot that serves the bad build",
                before=facts(rules=("canary=trading-canary.azurewebsites.net=1500",)),
                after=facts(rules=()),
                effects=(ramp_rules("trading"),),
                direction=Direction.TOWARD,
                surface="backend",
            ),
            NoOp(id="auto-swap", resource="web/slot/staging", reason="auto-swap is already off"),
        ),
    )


def capture_step() -> PlannedStep:
    """Volatile evidence, put in by the planner."""
    return PlannedStep(
        name="capture/revert-backend",
        action="snapshot_audit_logs",
        spec=facts(sources="volatile"),
        after=("halt",),
        implied=True,
        on_failure="continue",
        duration_s_max=60,
        changes=(
            Update(
                id="capture",
                resource="evidence/volatile",
                summary="capture routing rules, settings differences and worker logs",
                before=facts(captured=False),
                after=facts(captured=True),
                effects=(
                    FileWrite(
                        id="capture#spool",
                        path="/var/lib/rollback/spool",
                        bytes_max=2**30,
                        times_max=20_000,
                    ),
                ),
                direction=Direction.NEITHER,
            ),
        ),
    )


def revert_step(
    surface: str = "backend", site: str = "trading", after: str = "capture/revert-backend"
) -> PlannedStep:
    """Away from safety: users move."""
    name = f"revert-{surface}"
    return PlannedStep(
        name=name,
        action="revert_deployment",
        spec=facts(surfaces=(surface,), to="last-stable", way="auto"),
        after=(after,),
        surface=surface,
        duration_s_max=900,
        changes=(
            Update(
                id="swap",
                resource=f"{surface}/slot/production",
                summary="swap the slot that every instance proves to hold the release",
                before=facts(builds=(BAD,), swap_at="2026-11-22T21:03:11Z"),
                after=facts(builds=(STABLE,)),
                effects=(swap(site, name),),
                direction=Direction.AWAY,
                surface=surface,
                moves_users=True,
                to_build=STABLE,
                volatile=("worker-logs", "routing-rules"),
                absolute=False,
                settle_s_max=900,
                poll_s=5,
            ),
        ),
    )


def refused_step(surface: str = "web") -> PlannedStep:
    """A revert that may not be done."""
    return PlannedStep(
        name=f"revert-{surface}",
        action="revert_deployment",
        spec=facts(surfaces=(surface,), to="last-stable", way="auto"),
        after=("halt",),
        surface=surface,
        changes=(
            RefusedChange(
                id="swap",
                resource=f"{surface}/slot/staging",
                code="release.below-floor",
                reason=f"build 2026.09.01-1 is below the rollback floor {STABLE}: older builds seed control state when they start",
                next_move=f"plan with --set to={STABLE}",
                promise="no-control-plane-rewrite",
            ),
        ),
    )


def judged(
    verdict: Verdict = Verdict.RETAINED,
    strength: Strength = Strength.STRONG,
    slot: str = "backend/production",
    reasons: tuple[str, ...] = (),
) -> AuthorityJudgement:
    """A judgement of halt authority, 12 seconds old."""
    return AuthorityJudgement(
        slot=slot,
        verdict=verdict,
        strength=strength,
        reasons=reasons,
        scopes=("global", "tenant", "strategy"),
        builds=(BAD,),
        instances=3,
        control_schema=(7, 5, 7),
        at=NOW - timedelta(seconds=12),
    )


def seen(resource: str, compared: Facts, **context: Any) -> Observation:
    """An observation."""
    return Observation(
        resource=resource,
        compared=compared,
        context=facts(**context),
        where=f"management.azure.com{SITE}/trading",
        at=NOW - timedelta(seconds=20),
    )


def proof(*, holds: bool = True) -> Certificate:
    """A certificate, or a counterexample."""
    return Certificate(
        model_version=1,
        states=1_482,
        transitions=5_120,
        predicates=(
            "authority-before-move",
            "unknown-stops",
        ),
        bounds=facts(crashes=2, instances=3),
        holds=holds,
        broken="" if holds else "authority-before-move",
        counterexample=()
        if holds
        else (
            "1. halt is applied",
            "2. revert-backend is sent; its answer is lost",
            "3. users are on a build whose authority nobody proved",
        ),
    )


def make_plan(**over: Any) -> Plan:
    """A full rollback of backend and web in production; override any field."""
    values: dict[str, Any] = {
        "tool_version": "0.1.0",
        "environment": "production",
        "environment_kind": "production",
        "environment_digest": "e" * 64,
        "owner": "Release desk",
        "contact": "release-desk@example.net",
        "target": facts(
            cosmos_account="trading-cosmos.documents.azure.com",
            resource_group="trading",
            subscription="0b1f",
        ),
        "playbook": "full-rollback",
        "playbook_digest": "b" * 64,
        "summary": "Bring backend, web and mobile back to the last stable release.",
        "incident": "INC-4711",
        "trigger": "tenant-leak",
        "parameters": facts(to="last-stable"),
        "planned_by": "ana@example.net",
        "created": NOW,
        "expires": NOW + timedelta(hours=1),
        "nonce": "0123456789abcdef0123456789abcdef",
        "verdict": "applicable",
        "not_rolled_back": (
            NotRolledBack(
                surface="mobile", human_step="halt the staged release in the store console"
            ),
        ),
        "surfaces": (
            Summary(
                surface="backend",
                from_build=BAD,
                to_build=STABLE,
                way="swap with staging",
                identified_by="last build proved serving production before the bad one, until 2026-11-22T21:03:11Z",
            ),
            Summary(
                surface="web",
                from_build=BAD,
                to_build=STABLE,
                way="swap with staging",
                identified_by="named by the environment file, and served by every instance of staging",
            ),
        ),
        "findings": (
            Finding(
                weight="weak",
                code="warmup.any-status",
                text="the warm-up of backend/staging accepts any status",
                surface="backend",
            ),
            Finding(
                weight="note",
                code="affinity.on",
                text="instances are addressed by affinity cookie",
                step="halt",
            ),
        ),
        "exposures": (
            Exposure(
                surface="backend",
                who="users pinned to the slot canary by cookie",
                count=412,
                until_s=3600,
            ),
            Exposure(surface="mobile", who="installed phones with the bad release"),
        ),
        "authority": (judged(), judged(slot="backend/staging")),
        "approvals": ApprovalsNeeded(count=2, reasons=("production needs two people",)),
        "steps": (
            halt_step(),
            capture_step(),
            revert_step(),
            revert_step("web", "trading-web", "revert-backend"),
        ),
        "upkeep": (evidence_write(), lease_write()),
        "observations": (
            seen(
                "backend/slot/production",
                facts(builds=(BAD,), state="Running"),
                etag="W/1",
                instances=("a", "b", "c"),
            ),
            seen("backend/traffic", facts(rules=("canary=trading-canary.azurewebsites.net=1500",))),
        ),
        "world_digest": "d" * 64,
        "proof": proof(),
        "duration_s_max": 1_920,
    }
    return Plan(**(values | over))


def refused_plan() -> Plan:
    """A plan whose web revert is refused; its halt can still be applied."""
    return make_plan(verdict="refused", steps=(halt_step(), capture_step(), refused_step()))


def unproved_plan() -> Plan:
    """A plan that the proof broke."""
    return make_plan(verdict="refused", proof=proof(holds=False))


def nothing_plan() -> Plan:
    """Already rolled back: a plan of no-ops."""
    steps = (
        PlannedStep(
            name="revert-backend",
            action="revert_deployment",
            spec=facts(surfaces=("backend",)),
            surface="backend",
            changes=(
                NoOp(
                    id="swap",
                    resource="backend/slot/production",
                    reason=f"production already serves {STABLE}",
                ),
            ),
        ),
    )
    return make_plan(
        steps=steps,
        surfaces=(),
        exposures=(),
        findings=(),
        upkeep=(),
        approvals=ApprovalsNeeded(count=0),
    )


def weak_plan() -> Plan:
    """Authority lost before the run, and only weak proof of the release being restored."""
    return make_plan(
        authority=(
            judged(
                Verdict.LOST, reasons=("instance b answers that scope tenant may not be halted",)
            ),
            judged(
                Verdict.RETAINED,
                Strength.WEAK,
                slot="backend/staging",
                reasons=("no authority endpoint: state-read and permission-check",),
            ),
        ),
        approvals=ApprovalsNeeded(
            count=3,
            reasons=("production needs two people", "authority was lost before"),
            attestation=True,
        ),
    )


def hidden_body() -> HttpWrite:
    """A write whose body would show a secret."""
    return swap("trading", "revert-backend").model_copy(update={"body": ExactBody(sha256="a" * 64)})


def bodiless() -> HttpWrite:
    """A write without a body."""
    return swap("trading", "revert-backend").model_copy(update={"body": NoBody()})


def digest_of(plan: Plan) -> str:
    """What people sign."""
    return digest(plan)


SAMPLES = {
    "full-rollback": make_plan,
    "refused": refused_plan,
    "unproved": unproved_plan,
    "already-rolled-back": nothing_plan,
    "authority-weak": weak_plan,
}
"""Plans by the name of their golden files."""
