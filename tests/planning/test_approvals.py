"""How many people must sign, and why so many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.model.authority import AuthorityJudgement, Strength, Verdict
from rollback.model.change import Finding, NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.environment import Environment
from rollback.model.plan import ApprovalsNeeded, PlannedStep
from rollback.planning.approvals import ONE_MORE, approvals_needed

AT = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def environment(kind: str, required: int | None = None) -> Environment:
    """An environment of that kind."""
    return Environment.model_validate(
        {
            "environment": "desk",
            "kind": kind,
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
            "surfaces": [
                (
                    "backend",
                    {"provider": "app-service", "site": "trading", "hosts": ["x.example.net"]},
                )
            ],
            "approvals": {"required": required},
        }
    )


def step(*directions: Direction) -> PlannedStep:
    """A step with an update in each direction."""
    changes = tuple(
        Update(
            id=f"change-{at}",
            resource="x",
            summary="",
            before=(),
            after=(),
            effects=(),
            direction=direction,
            moves_users=direction is Direction.AWAY,
        )
        for at, direction in enumerate(directions)
    )
    return PlannedStep(name="step", action="revert_deployment", spec=(), changes=changes)


def judged(slot: str, verdict: Verdict) -> AuthorityJudgement:
    """A judgement of one slot."""
    return AuthorityJudgement(
        slot=slot,
        verdict=verdict,
        strength=Strength.STRONG,
        reasons=(),
        scopes=(),
        builds=(),
        instances=1,
        at=AT,
    )


def found(*codes: str) -> tuple[Finding, ...]:
    """Findings of those codes."""
    return tuple(Finding(weight="weak", code=code, text=code) for code in codes)


def needed(kind: str = "production", required: int | None = None, **over: Any) -> ApprovalsNeeded:
    """What a plan that moves users needs."""
    values: dict[str, Any] = {
        "steps": (step(Direction.AWAY),),
        "findings": (),
        "judgements": (judged("production", Verdict.RETAINED),),
    }
    return approvals_needed(environment(kind, required), **(values | over))


@pytest.mark.parametrize(
    ("kind", "required", "count"),
    [
        ("production", None, 2),
        ("production", 0, 2),
        ("production", 1, 2),
        ("production", 3, 3),
        ("staging", None, 1),
        ("staging", 0, 0),
        ("staging", 2, 2),
        ("rehearsal", None, 1),
        ("rehearsal", 0, 0),
    ],
)
def test_an_environment_may_ask_for_more_and_production_never_for_less_than_two(
    kind: str, required: int | None, count: int
) -> None:
    assert needed(kind, required) == ApprovalsNeeded(
        count=count, reasons=(f"users are moved in desk ({kind})",)
    )


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (step(Direction.TOWARD),),
        (step(Direction.NEITHER), step(Direction.TOWARD, Direction.NEITHER)),
        (
            step().model_copy(
                update={
                    "changes": (
                        NoOp(id="no", resource="x", reason="already"),
                        RefusedChange(id="r", resource="x", code="c", reason="", next_move=""),
                    )
                }
            ),
        ),
    ],
    ids=["nothing", "halt", "capture", "refused"],
)
@pytest.mark.parametrize("verdict", Verdict)
def test_what_moves_nobody_needs_nobody(steps: tuple[PlannedStep, ...], verdict: Verdict) -> None:
    told = needed(
        steps=steps, findings=found(*ONE_MORE), judgements=(judged("production", verdict),)
    )
    assert (told.count, told.attestation) == (0, False)


def test_what_has_to_be_attested_before_a_change_is_named_once() -> None:
    one = step(Direction.AWAY)
    (change,) = one.changes
    spoken = one.model_copy(update={"changes": (change.model_copy(update={"word": "b"}), change)})
    assert needed(steps=(one,)).words == ()
    assert needed(steps=(one, spoken, spoken)).words == ("b",)


def test_one_move_among_halts_is_a_move() -> None:
    mixed = step(Direction.TOWARD, Direction.AWAY, Direction.NEITHER)
    assert needed(steps=(step(Direction.TOWARD), mixed)).count == 2


@given(st.lists(st.sampled_from([*sorted(ONE_MORE), "warmup.any-status"])))
def test_weak_findings_ask_for_one_more_however_many(codes: list[str]) -> None:
    told = needed(findings=found(*codes))
    raised = sorted(set(codes) & ONE_MORE.keys())
    assert told.count == (3 if raised else 2)
    assert all(any(ONE_MORE[code] in reason for reason in told.reasons) for code in raised)


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("slot", ["production", "staging"])
def test_authority_not_proved_where_users_are_asks_for_a_named_persons_word(
    verdict: Verdict, slot: str
) -> None:
    told = needed(judgements=(judged(slot, verdict),))
    assert told.attestation is (slot == "production" and verdict is not Verdict.RETAINED)
    assert told.count == 2
