"""Plans and records made by hand, and the environment they are judged in."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from rollback.model.authority import AuthorityJudgement, Strength, Verdict
from rollback.model.base import Instant, Value, facts, rfc3339
from rollback.model.change import Change, Update
from rollback.model.direction import Direction
from rollback.model.environment import Environment
from rollback.model.plan import ApprovalsNeeded, Plan, PlannedStep
from rollback.model.record import FIRST, Record, RecordKind
from rollback.running.drive import decide
from rollback.running.fold import fold
from rollback.running.intents import Intent
from rollback.running.state import RunState

from ..fakes import START
from ..plans import effect
from ..plans import make_plan as small_plan

BAD, STABLE = "2026.11.22-2", "2026.11.20-3"
NOW = START + timedelta(seconds=10)


@cache
def environment() -> Environment:
    """Backend and web; authority is fresh for 30 s and unproved after three probes."""
    site = {"provider": "app-service", "site": "trading", "hosts": ["x.example.net"]}
    return Environment.model_validate(
        {
            "environment": "rehearsal",
            "kind": "rehearsal",
            "owner": {"name": "Trading", "contact": "trading@example.net"},
            "platform": {
                "api_url": "https://platform.example.net",
                "jwt": {"issuer": "x", "jwks_url": "https://platform.example.net/jwks"},
            },
            "cosmos": {
                "endpoint": "https://cosmos.example.net",
                "database": "trading",
                "entra": True,
                "control_containers": ["control"],
                "audit_containers": ["audit"],
            },
            "azure": {"subscription": "0b1f", "resource_group": "trading"},
            "halt_authority": {
                "token": "${HALT_TOKEN}",
                "refused_token": "${REFUSED_TOKEN}",
                "scopes": ["global"],
            },
            "surfaces": [("backend", site), ("web", site)],
        }
    )


def update(
    step: str,
    id: str,
    direction: Direction,
    *,
    surface: str | None = None,
    to: str | None = None,
    absolute: bool = True,
    returns_max: int = 1,
    authority_on: str | None = None,
) -> Update:
    """One update with one effect, ``step#id``."""
    return Update(
        id=id,
        resource=f"{surface}/{id}",
        summary=f"{step} {id}",
        before=(),
        after=(),
        effects=(effect(f"{step}#{id}", direction, times_max=2, returns_max=returns_max),),
        direction=direction,
        surface=surface,
        moves_users=to is not None,
        to_build=to,
        absolute=absolute,
        authority_on=authority_on,
    )


def step(
    name: str,
    *changes: Change,
    after: tuple[str, ...] = (),
    action: str = "revert_deployment",
    on_failure: Literal["stop", "continue", "hand-over"] = "stop",
) -> PlannedStep:
    """A planned step."""
    return PlannedStep(
        name=name, action=action, spec=(), after=after, on_failure=on_failure, changes=changes
    )


def halt(name: str = "halt", after: tuple[str, ...] = ()) -> PlannedStep:
    """Toward safety."""
    return step(name, update(name, "rules", Direction.TOWARD), after=after, action="halt_rollout")


def capture(name: str = "capture", after: tuple[str, ...] = ()) -> PlannedStep:
    """Neither."""
    change = update(name, "capture", Direction.NEITHER, returns_max=0)
    return step(name, change, after=after, action="snapshot_audit_logs")


def swap(
    surface: str = "backend",
    after: tuple[str, ...] = (),
    on_failure: Literal["stop", "continue", "hand-over"] = "stop",
) -> PlannedStep:
    """Away from safety, and not absolute: sent twice it is undone. Named by its surface."""
    change = update(surface, "swap", Direction.AWAY, surface=surface, to=STABLE, absolute=False)
    return step(surface, change, after=after, on_failure=on_failure)


def plan(*steps: PlannedStep, approvals: int = 1, attestation: bool = False, **over: Any) -> Plan:
    """A plan of those steps that needs one approval."""
    values = {
        "steps": steps,
        "approvals": ApprovalsNeeded(count=approvals, attestation=attestation),
    }
    return small_plan().model_copy(update=values | over)


def judged(verdict: Verdict, *builds: str) -> AuthorityJudgement:
    """What the plan knew of production."""
    return AuthorityJudgement(
        slot="production",
        verdict=verdict,
        strength=Strength.STRONG,
        reasons=(),
        scopes=("global",),
        builds=builds,
        instances=2,
        at=START,
    )


class Story:
    """Records of a run, one after the other."""

    def __init__(self, of: Plan) -> None:
        self.plan = of
        self.records: list[Record] = []
        self.now: datetime = NOW
        self.monotonic_ms = 0

    def say(self, kind: RecordKind, **body: Value) -> Story:
        """One more record, now."""
        at: Instant = self.now
        self.records.append(
            Record(
                run="r-1",
                stream="run",
                sequence=len(self.records),
                previous=FIRST,
                at=at,
                monotonic_ms=self.monotonic_ms,
                kind=kind,
                body=facts(**body),
            )
        )
        return self

    def opened(self, mode: str = "apply", break_glass: str = "") -> Story:
        """A sitting begins and its canaries are caught; nothing else is there yet."""
        self.say(RecordKind.OPENED, mode=mode, break_glass=break_glass)
        return self.say(RecordKind.CANARIES, all_caught=True)

    def withheld(self) -> Story:
        """A sitting begins in which people signed something else."""
        self.say(
            RecordKind.OPENED,
            withheld_code="plan.not-what-was-signed",
            withheld="signed for another plan",
            withheld_exit=3,
        )
        return self.say(RecordKind.CANARIES, all_caught=True)

    def approved(self, *people: str, until: str = "2026-11-23T10:36:00.000Z") -> Story:
        """People approve."""
        for one in people or ("alice",):
            self.say(RecordKind.APPROVED, principal=one, decision="approve", expires=until)
        return self

    def leased(self) -> Story:
        """The lease is held."""
        return self.say(RecordKind.LEASED, held=True)

    def proved(
        self,
        slot: str = "production",
        *builds: str,
        verdict: Verdict = Verdict.RETAINED,
        took_s: float = 0,
        later_s: float = 1,
    ) -> Story:
        """Authority was judged, now; without proof, a moment after what was before."""
        if verdict is not Verdict.RETAINED:
            self.now += timedelta(seconds=later_s)
        asked = rfc3339(self.now - timedelta(seconds=took_s))
        found = builds or ((BAD,) if slot == "production" else (STABLE,))
        return self.say(
            RecordKind.AUTHORITY,
            slot=slot,
            verdict=verdict.value,
            builds=found,
            reasons=("why",),
            asked=asked,
        )

    def ready(self) -> Story:
        """All that a move away from safety needs."""
        return self.opened().approved().leased().proved().proved("staging")

    def intent(self, name: str, id: str = "swap") -> Story:
        """About to be sent."""
        return self.say(RecordKind.INTENT, effect=f"{name}#{id}")

    def outcome(self, name: str, told: str, id: str = "swap") -> Story:
        """Looked, and told."""
        return self.say(RecordKind.OUTCOME, step=name, change=id, outcome=told)

    def returned(self, name: str, id: str = "swap") -> Story:
        """The permission was given back."""
        return self.say(RecordKind.RETURNED, effect=f"{name}#{id}")

    def ended(self, name: str, status: str, exit: int | None = None) -> Story:
        """A step ended."""
        return self.say(RecordKind.STEP, step=name, status=status, exit=exit)

    def done(self, name: str, id: str = "swap") -> Story:
        """Sent, took effect, verified, done."""
        self.intent(name, id).outcome(name, "applied", id)
        return self.say(RecordKind.VERIFIED, step=name, holds=True).ended(name, "done")

    @property
    def state(self) -> RunState:
        """What the records amount to."""
        return fold(self.plan, tuple(self.records))

    def next(self, *, stopping: bool = False) -> tuple[Intent, ...]:
        """What the loop would do now."""
        return decide(self.plan, environment(), self.state, self.now, stopping=stopping)
