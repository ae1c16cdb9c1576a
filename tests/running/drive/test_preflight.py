"""Toward safety waits for nothing; away from it for people, time, lease and fresh authority."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from rollback.errors import ExitStatus
from rollback.model.authority import Verdict
from rollback.model.change import RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.plan import Certificate
from rollback.model.record import RecordKind
from rollback.running.intents import Act, Close, End, ProveAuthority, TakeLease, Verify
from rollback.running.state import StepStatus

from .hand import BAD, STABLE, Story, capture, halt, judged, plan, step, swap, update

SWAP = Act("backend", "swap")
REFUSED = Certificate(
    model_version=1, states=0, transitions=0, predicates=(), holds=False, broken="no-forbidden-pair"
)


def _skipped(story: Story) -> tuple[str, int | None]:
    (end,) = [one for one in story.next() if isinstance(one, End) and one.step == "backend"]
    assert end.status is StepStatus.SKIPPED
    assert SWAP not in story.next()
    return end.code, end.exit


@pytest.mark.parametrize(
    "missing",
    [
        lambda one: one.opened(),
        lambda one: one.opened("only-safe"),
        lambda one: one.withheld(),
        lambda one: one.opened().say(RecordKind.APPROVED, principal="eve", decision="reject"),
        lambda one: one.opened().say(RecordKind.LEASED, held=False, problem="held by bob"),
        lambda one: one.opened().proved(verdict=Verdict.LOST),
        lambda one: one.opened().say(RecordKind.REFUSAL, rule="plan-is-permission"),
        lambda one: one.ready().ended("backend", "failed", 6),
        lambda one: one.ready().intent("backend").outcome("backend", "unknown"),
    ],
    ids=[
        "nothing",
        "only-safe",
        "withheld",
        "rejected",
        "lease",
        "authority",
        "refusal",
        "failure",
        "unknown",
    ],
)
@pytest.mark.parametrize("stopping", [False, True])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("verdict", ["applicable", "refused"])
def test_a_halt_goes_whatever_is_missing(
    missing: Callable[[Story], Story], stopping: bool, old: bool, verdict: str
) -> None:
    one = Story(plan(halt(), swap(), halt("late", after=("backend",)), verdict=verdict))
    missing(one)
    if old:
        one.now = one.plan.expires + timedelta(days=1)
    intents = one.next(stopping=stopping)
    assert Act("halt", "rules") in intents
    assert Act("late", "rules") in intents


def test_nothing_at_all_goes_before_the_guard_was_seen_to_catch() -> None:
    one = Story(plan(halt(), swap())).say(RecordKind.OPENED, mode="apply")
    one.approved().leased().proved().proved("staging")
    assert one.next() == tuple(
        End(
            name,
            StepStatus.SKIPPED,
            "guard.canaries",
            "the guard did not catch every forbidden request put to it",
            ExitStatus.REFUSED,
        )
        for name in ("halt", "backend")
    )


def test_a_swap_goes_when_everything_is_there() -> None:
    assert Story(plan(swap())).ready().next() == (SWAP,)


def test_a_swap_needs_approvals() -> None:
    one = Story(plan(swap(), approvals=2)).opened().leased().proved().proved("staging")
    assert _skipped(one) == ("approval.missing", ExitStatus.APPROVAL)
    one.approved("alice", "alice")
    assert _skipped(one) == ("approval.missing", ExitStatus.APPROVAL)
    one.say(RecordKind.APPROVED, principal="bob", code="approval.expired", problem="too old")
    assert _skipped(one) == ("approval.expired", ExitStatus.APPROVAL)
    one.approved("bob")
    assert one.next() == (SWAP,)


def test_a_rejection_outweighs_every_approval_and_the_glass() -> None:
    one = Story(plan(swap())).opened(break_glass="market is falling").approved().leased()
    one.proved().proved("staging")
    assert one.next() == (SWAP,)
    one.say(RecordKind.APPROVED, principal="eve", decision="reject")
    assert _skipped(one) == ("approval.rejected", ExitStatus.APPROVAL)


def test_breaking_the_glass_skips_approval_and_nothing_else() -> None:
    one = Story(plan(swap(), approvals=2)).opened(break_glass="market is falling")
    assert one.next() == (TakeLease(),)
    one.leased()
    assert one.next() == (ProveAuthority(),)
    one.now = one.plan.expires
    assert _skipped(one) == ("plan.expired", ExitStatus.STALE)


def test_approvals_expire_before_the_first_move_and_not_after_it() -> None:
    one = Story(plan(swap(), swap("web", after=("backend",)))).opened()
    one.approved(until="2026-11-23T09:36:20.000Z").leased().proved().proved("staging")
    assert one.next() == (SWAP,)
    begun = Story(one.plan)
    begun.records = list(one.records)
    one.now += timedelta(seconds=10)
    assert _skipped(one) == ("approval.missing", ExitStatus.APPROVAL)
    begun.done("backend")
    begun.now = one.now
    begun.proved("production", STABLE)
    assert begun.next() == (Act("web", "swap"),)


def test_a_plan_expires_before_the_first_move_and_not_after_it() -> None:
    one = Story(plan(swap(), swap("web", after=("backend",))))
    one.ready()
    one.now = one.plan.expires
    one.approved(until="2027-11-23T09:36:00.000Z").proved().proved("staging")
    assert _skipped(one) == ("plan.expired", ExitStatus.STALE)
    begun = Story(one.plan)
    begun.ready().done("backend")
    begun.now = one.now
    begun.proved("production", STABLE)
    assert begun.next() == (Act("web", "swap"),)


def test_a_swap_needs_the_lease_and_says_who_has_it() -> None:
    one = Story(plan(swap())).opened().approved().proved().proved("staging")
    one.say(RecordKind.LEASED, held=False, problem="held by bob")
    (end,) = one.next()
    assert isinstance(end, End)
    assert (end.code, end.reason, end.exit) == ("lease.not-held", "held by bob", ExitStatus.LEASE)
    one.leased().say(RecordKind.LEASED, held=False, problem="taken over")
    assert _skipped(one) == ("lease.not-held", ExitStatus.LEASE)


def test_authority_must_be_fresh_in_production_and_on_the_slot() -> None:
    one = Story(plan(swap())).opened().approved().leased()
    assert one.next() == (ProveAuthority(),)
    one.proved().proved("staging")
    one.now += timedelta(seconds=30)
    assert one.next() == (SWAP,)
    one.now += timedelta(milliseconds=1)
    assert one.next() == (ProveAuthority(),)
    one.proved()
    assert one.next() == (ProveAuthority(),)
    one.proved("staging")
    assert one.next() == (SWAP,)


def test_a_clock_that_was_set_back_makes_no_proof_younger() -> None:
    one = Story(plan(swap())).opened().approved().leased().proved().proved("staging")
    assert one.next() == (SWAP,)
    one.now -= timedelta(seconds=600)
    assert one.next() == (ProveAuthority(),)
    one.monotonic_ms += 20_000
    one.now += timedelta(seconds=601)  # 20 s passed, the clock says one
    assert one.say(RecordKind.NOTE).next() == (ProveAuthority(),)
    one.proved().proved("staging")
    assert one.next() == (SWAP,)


def test_what_only_the_plan_saw_is_not_fresh() -> None:
    one = Story(plan(swap(), authority=(judged(Verdict.RETAINED, BAD),)))
    assert one.opened().approved().leased().next() == (ProveAuthority(),)


def test_the_slot_must_prove_exactly_the_build_that_users_are_moved_to() -> None:
    wrong = [
        (Verdict.RETAINED, (BAD,)),
        (Verdict.RETAINED, (BAD, STABLE)),
        (Verdict.LOST, (STABLE,)),
        (Verdict.UNKNOWN, (STABLE,)),
    ]
    for verdict, builds in wrong:
        one = Story(plan(swap())).opened().approved().leased().proved()
        for _ in range(3):
            assert one.next() == (ProveAuthority(),)
            one.proved("staging", *builds, verdict=verdict)
        assert _skipped(one) == ("authority.not-proved-on-slot", ExitStatus.AUTHORITY)
        assert one.proved("staging").next() == (SWAP,)


def _started_then_swapped() -> Story:
    """A slot was started by the step that swaps it next; its authority has to be proved by the run."""
    start = update("backend", "start", Direction.AWAY, surface="backend")
    move = update(
        "backend",
        "swap",
        Direction.AWAY,
        surface="backend",
        to=STABLE,
        absolute=False,
        authority_on="staging",
    )
    one = Story(plan(step("backend", start, move))).opened().approved().leased().proved()
    assert one.next() == (Act("backend", "start"),)
    return one.intent("backend", "start").outcome("backend", "applied", "start")


def test_what_was_started_is_swapped_once_it_proves_authority_there() -> None:
    one = _started_then_swapped()
    assert one.next() == (ProveAuthority(),)  # what was proved before the start says nothing
    assert one.proved().next() == (ProveAuthority(),)
    assert one.proved("staging").next() == (SWAP,)


@pytest.mark.parametrize(
    ("verdict", "builds"),
    [
        (Verdict.LOST, (STABLE,)),
        (Verdict.UNKNOWN, (STABLE,)),
        (Verdict.RETAINED, (BAD,)),
        (Verdict.RETAINED, (BAD, STABLE)),
        (Verdict.RETAINED, ()),
    ],
)
def test_what_was_started_and_does_not_prove_authority_takes_no_traffic(
    verdict: Verdict, builds: tuple[str, ...]
) -> None:
    one = _started_then_swapped()
    # Production proves it for the same build, and another slot too: neither is the slot itself.
    one.proved("production", STABLE).proved("canary", STABLE)
    for _ in range(3):
        assert one.next() == (ProveAuthority(),)
        one.say(
            RecordKind.AUTHORITY, slot="staging", verdict=verdict.value, builds=builds, reasons=()
        )
    assert _skipped(one) == ("authority.not-proved-on-slot", ExitStatus.AUTHORITY)


def test_web_needs_production_alone() -> None:
    one = Story(plan(swap("web"))).opened().approved().leased().proved()
    assert one.next() == (Act("web", "swap"),)


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.LOST])
def test_unproved_is_asked_again_three_times_then_stops(verdict: Verdict) -> None:
    one = Story(plan(swap())).opened().approved().leased().proved("staging")
    for _ in range(2):
        one.proved(verdict=verdict)
        assert one.next() == (ProveAuthority(),)
    one.proved(verdict=verdict)
    assert _skipped(one) == ("authority.unproved", ExitStatus.AUTHORITY)
    assert one.proved().next() == (SWAP,)


def test_authority_that_was_there_and_is_lost_is_final_for_this_run() -> None:
    known = (judged(Verdict.RETAINED, BAD),)
    one = Story(plan(swap(), authority=known)).ready()
    assert one.proved(verdict=Verdict.LOST).proved().next() == (SWAP,)  # one may be a stray
    one.proved(verdict=Verdict.LOST).proved(verdict=Verdict.LOST).proved()
    assert _skipped(one) == ("authority.lost", ExitStatus.AUTHORITY)
    assert one.ready().next() == (SWAP,)  # a new sitting asks anew


def test_a_loss_while_the_swap_itself_is_in_flight_is_not_yet_a_loss() -> None:
    known = (judged(Verdict.RETAINED, BAD),)
    one = Story(plan(swap(), swap("web", after=("backend",)), authority=known)).ready()
    one.intent("backend").proved(verdict=Verdict.LOST).proved(verdict=Verdict.LOST)
    assert not one.state.authority_lost
    one.outcome("backend", "applied").proved(verdict=Verdict.LOST)
    assert not one.state.authority_lost
    one.proved(verdict=Verdict.LOST)
    assert one.state.authority_lost


def test_lost_before_a_named_person_attests_and_the_slot_proves() -> None:
    lost = (judged(Verdict.LOST, BAD),)
    one = Story(plan(swap(), swap("web", after=("backend",)), attestation=True, authority=lost))
    one.opened().approved().leased().proved(verdict=Verdict.LOST)
    assert _skipped(one) == ("approval.attestation", ExitStatus.APPROVAL)
    one.say(RecordKind.ATTESTED, about="halt-outside", person="ana", statement="at the venue")
    assert one.next() == (ProveAuthority(),)
    one.proved("staging")
    assert one.next() == (SWAP,)
    # The word holds for the recovery itself; what follows needs the platform's own proof.
    one.done("backend")
    assert one.next() == (ProveAuthority(),)
    assert one.proved("production", STABLE).next() == (Act("web", "swap"),)


def test_what_could_start_a_second_trading_loop_needs_a_persons_word() -> None:
    (change,) = swap().changes
    assert isinstance(change, Update)
    asking = step("backend", change.model_copy(update={"word": "trading-halted"}))
    for about in ("trading-halted", "halt-outside"):
        one = Story(plan(asking, swap("web"))).ready()
        (end,) = [intent for intent in one.next() if isinstance(intent, End)]
        assert (end.step, end.code, end.exit) == (
            "backend",
            "approval.attestation",
            ExitStatus.APPROVAL,
        )
        assert "--attest trading-halted='NAME: WORDS'" in end.reason
        assert Act("web", "swap") in one.next()  # nobody has to say anything about this one
        one.say(RecordKind.ATTESTED, about="confirm", person="ana", statement="phones work")
        assert SWAP not in one.next()
        one.say(RecordKind.ATTESTED, about=about, person="ana", statement="halted at the desk")
        assert SWAP in one.next()


def test_a_word_about_something_else_is_no_attestation() -> None:
    one = Story(plan(swap(), attestation=True)).ready()
    one.say(RecordKind.ATTESTED, about="confirm", person="ana", statement="phones work")
    assert _skipped(one) == ("approval.attestation", ExitStatus.APPROVAL)


def test_only_safe_leaves_the_rest_without_calling_it_a_failure() -> None:
    one = Story(plan(halt(), capture(), swap())).opened("only-safe").approved().leased()
    one.proved().proved("staging")
    assert _skipped(one) == ("only-safe", None)
    assert Act("capture", "capture") in one.next()
    one.done("halt", "rules").done("capture", "capture").ended("backend", "skipped")
    assert one.next() == (Close(ExitStatus.DONE),)


def test_a_refused_plan_moves_nobody_and_says_why() -> None:
    one = Story(plan(swap(), verdict="refused", proof=REFUSED)).ready()
    assert _skipped(one) == ("plan.refused", ExitStatus.REFUSED)
    broken = REFUSED.model_copy(update={"broken": "authority-before-move"})
    one = Story(plan(swap(), verdict="refused", proof=broken)).ready()
    assert _skipped(one) == ("plan.refused", ExitStatus.AUTHORITY)


@pytest.mark.parametrize(
    ("code", "exit"),
    [
        ("release.below-floor", ExitStatus.REFUSED),
        ("authority.not-proved", ExitStatus.AUTHORITY),
    ],
)
def test_a_step_with_a_refused_change_fails_after_its_halts(code: str, exit: ExitStatus) -> None:
    no = RefusedChange(id="no", resource="x", code=code, reason="because", next_move="ask")
    both = step("halt", no, update("halt", "rules", Direction.TOWARD), action="halt_rollout")
    one = Story(plan(both, verdict="refused")).opened()
    assert one.next() == (Act("halt", "rules"),)
    one.intent("halt", "rules").outcome("halt", "applied", "rules")
    assert one.next() == (End("halt", StepStatus.FAILED, code, "because", exit),)


def test_after_a_refusal_on_the_wire_nothing_moves_away() -> None:
    one = Story(plan(swap(), swap("web"), capture(), halt())).ready()
    one.say(RecordKind.REFUSAL, rule="no-control-plane-rewrite")
    one.say(RecordKind.REFUSAL, rule="another")
    intents = one.next()
    assert {one_.step: one_.code for one_ in intents if isinstance(one_, End)} == {
        "backend": "guard.refused",
        "web": "guard.refused",
    }
    assert [one_ for one_ in intents if not isinstance(one_, End)] == [
        Act("halt", "rules"),
        Act("capture", "capture"),
    ]
    for name in ("backend", "web"):
        one.ended(name, "skipped", ExitStatus.REFUSED)
    one.done("capture", "capture").done("halt", "rules")
    assert one.next() == (Close(ExitStatus.REFUSED),)


def test_what_moves_nobody_needs_no_approval() -> None:
    one = Story(plan(capture(), step("look"))).opened()
    assert one.next() == (Act("capture", "capture"), Verify("look"))


# --- what withholds a whole plan -----------------------------------------------------------------


def test_what_people_did_not_sign_is_withheld_for_this_sitting_only() -> None:
    one = Story(plan(swap())).withheld().approved().leased().proved().proved("staging")
    assert _skipped(one) == ("plan.not-what-was-signed", ExitStatus.REFUSED)
    assert one.ready().next() == (SWAP,)


def test_the_lease_is_asked_for_once_and_only_when_something_could_move() -> None:
    one = Story(plan(halt(), swap())).opened()
    assert TakeLease() not in one.next()
    one.approved()
    assert TakeLease() in one.next()
    one.say(RecordKind.LEASED, held=False, problem="held by bob")
    assert _skipped(one) == ("lease.not-held", ExitStatus.LEASE)


# --- how old and how often -----------------------------------------------------------------------


def test_answers_of_the_same_moment_are_one_look() -> None:
    one = Story(plan(swap())).ready()
    for _ in range(9):
        one.proved(verdict=Verdict.LOST, later_s=0.1)
    assert one.state.unproved_in_a_row == 1
    one.proved(verdict=Verdict.LOST, later_s=0.2)
    assert one.state.unproved_in_a_row == 2


def test_a_proof_is_as_old_as_its_first_question() -> None:
    one = Story(plan(swap())).opened().approved().leased()
    one.proved("production", took_s=31).proved("staging")
    assert one.next() == (ProveAuthority(),)


def test_a_proof_that_outlasts_its_own_age_is_not_asked_for_ever() -> None:
    one = Story(plan(swap())).opened().approved().leased()
    for _ in range(2):
        one.proved("production", took_s=31).proved("staging", took_s=31)
        assert one.next() == (ProveAuthority(),)
    one.proved("production", took_s=31)
    assert _skipped(one) == ("authority.too-slow", ExitStatus.AUTHORITY)
    one = Story(plan(swap())).opened().approved().leased()
    for _ in range(3):
        one.proved("staging", took_s=31).proved("production")
    assert _skipped(one) == ("authority.too-slow", ExitStatus.AUTHORITY)
