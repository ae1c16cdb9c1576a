"""The decision loop by hand-made records: what follows what, and what never does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollback.errors import ExitStatus
from rollback.model.authority import Verdict
from rollback.model.direction import Direction
from rollback.model.effect import FileWrite, Purpose
from rollback.model.record import RecordKind
from rollback.running import drive
from rollback.running.fold import Folding, fold
from rollback.running.intents import (
    Act,
    Close,
    End,
    GiveBack,
    Intent,
    ProveAuthority,
    Resolve,
    TakeLease,
    Verify,
)
from rollback.running.state import ChangeStatus, StepStatus

from .hand import STABLE, Story, capture, environment, halt, plan, step, swap, update

SWAP = Act("backend", "swap")


def _only_end(story: Story, name: str = "backend") -> End:
    (end,) = [one for one in story.next() if isinstance(one, End) and one.step == name]
    return end


# --- one step ------------------------------------------------------------------------------------


def test_a_swap_from_beginning_to_end() -> None:
    one = Story(plan(swap())).ready()
    assert one.next() == (SWAP,)
    one.intent("backend")
    assert one.next() == (Resolve("backend", "swap"),)
    one.outcome("backend", "applied")
    assert one.next() == (Verify("backend"),)
    one.say(RecordKind.VERIFIED, step="backend", holds=True)
    assert one.next() == (End("backend", StepStatus.DONE),)
    one.ended("backend", "done")
    assert one.next() == (Close(ExitStatus.DONE),)
    assert not one.state.closed
    assert one.say(RecordKind.CLOSED, exit=0).state.closed


def test_what_users_do_not_reach_is_not_done() -> None:
    one = Story(plan(swap())).ready().intent("backend").outcome("backend", "applied")
    one.say(RecordKind.VERIFIED, step="backend", holds=False)
    end = _only_end(one)
    assert (end.status, end.code, end.exit) == (
        StepStatus.FAILED,
        "verify.failed",
        ExitStatus.VERIFICATION,
    )


def test_changes_of_a_step_go_one_after_the_other() -> None:
    both = step(
        "traffic",
        update("traffic", "one", Direction.AWAY),
        update("traffic", "two", Direction.AWAY),
    )
    one = Story(plan(both)).ready()
    assert one.next() == (Act("traffic", "one"),)
    one.intent("traffic", "one").outcome("traffic", "applied", "one")
    assert one.next() == (ProveAuthority(),)  # what was proved before users moved proves no more
    one.proved()
    assert one.next() == (Act("traffic", "two"),)


# --- unknown -------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["unknown", "", "perhaps"])
def test_unknown_ends_the_step_for_a_person_and_stops_what_moves_away(told: str) -> None:
    one = Story(plan(swap(), swap("web"), capture(), halt())).ready()
    one.intent("backend").outcome("backend", told)
    end = _only_end(one)
    assert (end.status, end.code, end.exit) == (
        StepStatus.UNKNOWN,
        "outcome.unknown",
        ExitStatus.PERSON,
    )
    one.ended("backend", "unknown", ExitStatus.PERSON)
    assert _only_end(one, "web").reason == "backend is unknown"
    rest = [intent for intent in one.next() if not isinstance(intent, End)]
    assert rest == [Act("halt", "rules"), Act("capture", "capture")]


def test_unknown_stops_even_what_is_told_to_continue() -> None:
    one = Story(plan(swap("web", on_failure="continue"), swap())).ready()
    one.intent("web").outcome("web", "unknown").ended("web", "unknown", ExitStatus.PERSON)
    assert _only_end(one).code == "stopped"


@given(st.permutations(["unknown", "said-nothing"]), st.integers(1, 4))
@example(["unknown", "said-nothing"], 1)
def test_unknown_never_becomes_success_by_itself(order: list[str], sittings: int) -> None:
    one = Story(plan(swap())).ready().intent("backend")
    for _ in range(sittings):
        for what in order:
            if what == "unknown":
                one.outcome("backend", "unknown")
                assert _only_end(one).status is StepStatus.UNKNOWN
                one.ended("backend", "unknown", ExitStatus.PERSON)
                assert one.next() == (Close(ExitStatus.PERSON),)
            one.ready()
            assert one.next() == (Resolve("backend", "swap"),)


def test_a_persons_word_that_it_took_effect_is_taken_and_verified() -> None:
    one = Story(plan(swap())).ready().intent("backend").outcome("backend", "unknown")
    one.ended("backend", "unknown", ExitStatus.PERSON)
    one.say(RecordKind.SAID, effect="backend#swap", outcome="applied").ready()
    assert one.next() == (Verify("backend"),)


# --- not applied ---------------------------------------------------------------------------------


def test_a_swap_found_not_applied_is_not_resent_without_a_persons_word() -> None:
    one = Story(plan(swap())).ready().intent("backend").outcome("backend", "not-applied")
    end = _only_end(one)
    assert (end.status, end.code, end.exit) == (
        StepStatus.FAILED,
        "outcome.not-applied",
        ExitStatus.PERSON,
    )
    one.ended("backend", "failed", ExitStatus.PERSON)
    assert one.next() == (Close(ExitStatus.PERSON),)
    # Another sitting looks, finds the same, and still does not send.
    one.ready()
    assert one.next() == (Resolve("backend", "swap"),)
    one.outcome("backend", "not-applied")
    assert _only_end(one).code == "outcome.not-applied"


def test_with_a_persons_word_the_swap_is_looked_at_then_resent_once() -> None:
    one = Story(plan(swap())).ready().intent("backend").outcome("backend", "not-applied")
    one.ended("backend", "failed", ExitStatus.PERSON)
    one.say(RecordKind.SAID, effect="backend#swap", outcome="not-applied").ready()
    assert one.next() == (Resolve("backend", "swap"),)
    one.outcome("backend", "not-applied")
    assert one.next() == (GiveBack("backend", "swap", "a person said so"),)
    one.returned("backend")
    assert one.next() == (ProveAuthority(),)
    one.proved().proved("staging")
    assert one.next() == (SWAP,)
    # The word is used up, and so is what the plan allows to be given back.
    one.intent("backend").outcome("backend", "not-applied")
    assert _only_end(one).code == "outcome.not-applied"
    one.say(RecordKind.SAID, effect="backend#swap", outcome="not-applied")
    assert _only_end(one).code == "outcome.not-applied"


def test_a_word_does_not_outweigh_what_looking_found() -> None:
    one = Story(plan(swap())).ready().intent("backend").outcome("backend", "unknown")
    one.say(RecordKind.SAID, effect="backend#swap", outcome="not-applied").ready()
    one.outcome("backend", "applied")
    assert one.next() == (Verify("backend"),)


def test_an_absolute_write_found_not_applied_is_sent_again_as_often_as_the_plan_says() -> None:
    one = Story(plan(step("traffic", update("traffic", "rules", Direction.AWAY)))).ready()
    one.intent("traffic", "rules").outcome("traffic", "not-applied", "rules")
    assert one.next() == (GiveBack("traffic", "rules", "looked for and found not applied"),)
    one.returned("traffic", "rules").proved()
    assert one.next() == (Act("traffic", "rules"),)
    one.intent("traffic", "rules").outcome("traffic", "not-applied", "rules")
    assert _only_end(one, "traffic").code == "outcome.not-applied"


@pytest.mark.parametrize("became", ["not-applied", "unknown"])
def test_no_halt_is_given_up_for_what_became_of_another(became: str) -> None:
    one = Story(
        plan(
            step(
                "halt",
                update("halt", "one", Direction.TOWARD),
                update("halt", "two", Direction.TOWARD),
            )
        )
    ).ready()
    one.intent("halt", "one").returned("halt", "one")
    one.intent("halt", "one").outcome("halt", became, "one")  # and may not be sent again
    one.intent("halt", "two").outcome("halt", "not-applied", "two")
    assert one.next() == (GiveBack("halt", "two", "looked for and found not applied"),)
    one.returned("halt", "two")
    assert one.next() == (Act("halt", "two"),)
    one.intent("halt", "two").outcome("halt", "applied", "two")
    assert _only_end(one, "halt").exit == ExitStatus.PERSON


def test_a_permission_that_was_never_used_is_given_back_without_counting() -> None:
    one = Story(plan(step("traffic", update("traffic", "rules", Direction.AWAY)))).ready()
    one.intent("traffic", "rules")
    one.say(RecordKind.RETURNED, effect="traffic#rules", sent=False)
    one.intent("traffic", "rules").outcome("traffic", "not-applied", "rules")
    assert one.next() == (GiveBack("traffic", "rules", "looked for and found not applied"),)


def test_evidence_that_cannot_be_written_ends_its_step_with_nine() -> None:
    one = Story(plan(capture(), swap(after=("capture",)))).ready()
    one.intent("capture", "capture").outcome("capture", "not-applied", "capture")
    end = _only_end(one, "capture")
    assert (end.code, end.exit) == ("evidence.not-written", ExitStatus.EVIDENCE)
    one.ended("capture", "failed", ExitStatus.EVIDENCE)
    assert _only_end(one).code == "after"
    one.ended("backend", "skipped")
    assert one.next() == (Close(ExitStatus.EVIDENCE),)


# --- several steps -------------------------------------------------------------------------------


def test_a_step_waits_for_all_it_comes_after_and_is_skipped_when_one_is_not_done() -> None:
    one = Story(plan(step("look"), swap(after=("look",)))).ready()
    assert one.next() == (Verify("look"),)
    failed = one.say(RecordKind.VERIFIED, step="look", holds=False)
    failed.ended("look", "failed", ExitStatus.VERIFICATION)
    end = _only_end(one)
    assert (end.status, end.code, end.exit) == (StepStatus.SKIPPED, "after", None)
    assert end.reason == "it comes after look, which is not done"
    one.ended("backend", "skipped")
    assert one.next() == (Close(ExitStatus.VERIFICATION),)


def test_a_step_after_two_that_failed_names_both() -> None:
    one = Story(plan(step("look"), step("gaze"), swap(after=("look", "gaze")))).ready()
    one.ended("look", "failed", ExitStatus.VERIFICATION)
    one.ended("gaze", "failed", ExitStatus.VERIFICATION)
    assert _only_end(one).reason == "it comes after look, gaze, which are not done"


def test_a_capture_goes_when_all_before_it_has_ended_however_it_ended() -> None:
    one = Story(plan(swap(), capture("seal", after=("backend",)))).ready()
    assert one.next() == (SWAP,)
    for status in ("failed", "skipped", "unknown", "handed-over", "done"):
        again = Story(one.plan).ready().ended("backend", status)
        assert again.next() == (Act("seal", "capture"),)


@pytest.mark.parametrize("status", ["failed", "handed-over"])
def test_one_failure_stops_what_moves_away_unless_it_says_continue(status: str) -> None:
    for on_failure, wanted in (("stop", False), ("hand-over", False), ("continue", True)):
        web = swap("web", on_failure=on_failure)  # type: ignore[arg-type]
        one = Story(plan(web, swap())).ready().ended("web", status, ExitStatus.PERSON)
        assert (SWAP in one.next()) is wanted


@pytest.mark.parametrize("failed", ["check", "web"])
def test_a_step_that_hands_over_keeps_every_later_move_back_and_no_capture_or_halt(
    failed: str,
) -> None:
    web = swap("web", on_failure="hand-over")
    check = step("check", action="verify_release", on_failure="hand-over")
    steps = {"check": check, "web": web}
    later = (swap(), capture("seal"), halt("late", after=("backend",)))
    one = Story(plan(steps[failed], *later)).ready()
    if failed == "web":
        one.intent("web").outcome("web", "applied")
    one.say(RecordKind.VERIFIED, step=failed, holds=False)
    end = _only_end(one, failed)
    assert (end.status, end.code, end.exit) == (
        StepStatus.HANDED_OVER,
        "verify.failed",
        ExitStatus.PERSON,
    )
    one.ended(failed, "handed-over", end.exit)
    assert {Act("seal", "capture"), Act("late", "rules")} <= set(one.next())
    end = _only_end(one)
    assert (end.status, end.code, end.exit) == (StepStatus.SKIPPED, "stopped", None)
    assert end.reason == f"{failed} was handed over to a person"
    one.done("seal", "capture").done("late", "rules").ended("backend", "skipped")
    assert one.next() == (Close(ExitStatus.PERSON),)
    # Once a person has seen to it, the run goes on with what waited.
    one.ready()
    assert SWAP not in one.next()
    one.outcome("web", "applied") if failed == "web" else None
    one.say(RecordKind.VERIFIED, step=failed, holds=True).ended(failed, "done")
    one.proved("production", STABLE).proved("staging")
    assert SWAP in one.next()


def test_a_check_that_fails_without_handing_over_keeps_nothing_else_back() -> None:
    one = Story(plan(step("check", action="verify_release"), swap())).ready()
    one.say(RecordKind.VERIFIED, step="check", holds=False)
    assert _only_end(one, "check").status is StepStatus.FAILED
    assert SWAP in one.ended("check", "failed", ExitStatus.VERIFICATION).next()


def test_what_is_worse_than_a_person_needed_is_reported_although_it_was_handed_over() -> None:
    proof = step("proof", action="retain_trade_halt", on_failure="hand-over")
    one = Story(plan(proof)).ready().say(RecordKind.VERIFIED, step="proof", holds=False)
    end = _only_end(one, "proof")
    assert (end.status, end.exit) == (StepStatus.HANDED_OVER, ExitStatus.AUTHORITY)


def test_unknown_stays_unknown_although_the_step_hands_over() -> None:
    one = Story(plan(swap(on_failure="hand-over"))).ready().intent("backend")
    end = _only_end(one.outcome("backend", "unknown"))
    assert (end.status, end.exit) == (StepStatus.UNKNOWN, ExitStatus.PERSON)


def test_halts_of_a_step_that_comes_after_a_failure_do_not_carry_its_moves_with_them() -> None:
    mixed = step(
        "traffic",
        update("traffic", "rules", Direction.TOWARD),
        update("traffic", "users", Direction.AWAY),
        after=("authority",),
    )
    one = Story(plan(step("authority"), mixed)).ready()
    assert one.next() == (Act("traffic", "rules"), Verify("authority"))
    one.intent("traffic", "rules").outcome("traffic", "applied", "rules")
    assert one.next() == (Verify("authority"),)
    one.ended("authority", "failed", ExitStatus.VERIFICATION)
    assert _only_end(one, "traffic").code == "after"


def test_after_a_stop_only_looking_and_halting_go_on() -> None:
    one = Story(plan(swap(), swap("web"), capture(), halt())).ready().intent("backend")
    assert one.next(stopping=True) == (Act("halt", "rules"), Resolve("backend", "swap"))
    one.outcome("backend", "applied").intent("halt", "rules").outcome("halt", "applied", "rules")
    assert one.next(stopping=True) == (Close(ExitStatus.INTERRUPTED),)


# --- a resumed run -------------------------------------------------------------------------------


def test_a_resumed_run_looks_before_anything_moves_away() -> None:
    one = Story(plan(swap(), swap("web"), capture(), halt(), step("look"))).ready()
    assert Act("web", "swap") in one.intent("backend").next()  # side by side, in one sitting
    one.ready()
    assert one.next() == (
        Act("halt", "rules"),
        Resolve("backend", "swap"),
        Act("capture", "capture"),
        Verify("look"),
    )
    one.outcome("backend", "applied").proved("production", STABLE)
    assert Act("web", "swap") in one.next()


@pytest.mark.parametrize("told", ["unknown", "not-applied"])
def test_a_resumed_run_looks_again_at_what_was_not_settled(told: str) -> None:
    one = Story(plan(swap(), swap("web"))).ready().intent("backend").outcome("backend", told)
    one.ended("backend", "failed", ExitStatus.PERSON).ended("web", "skipped")
    one.say(RecordKind.CLOSED, exit=6).ready()
    assert one.next() == (Resolve("backend", "swap"),)
    one.outcome("backend", told).ended("backend", "unknown", ExitStatus.PERSON)
    assert _only_end(one, "web").code == "stopped"


def test_a_resumed_run_does_nothing_twice() -> None:
    one = Story(plan(halt(), swap(), swap("web", after=("backend",)))).ready()
    one.done("halt", "rules").done("backend")
    one.opened().approved().leased().proved("production", STABLE)
    assert one.next() == (Act("web", "swap"),)


def test_a_resumed_run_needs_people_lease_and_proof_of_its_own() -> None:
    one = Story(plan(swap())).ready().opened()
    assert _only_end(one).code == "approval.missing"
    assert one.approved().next() == (TakeLease(),)
    assert one.leased().next() == (ProveAuthority(),)


# --- exit status ---------------------------------------------------------------------------------

RANKED = (1, 3, 7, 6, 8, 5, 4, 12, 9, 130)


@given(st.lists(st.sampled_from(RANKED), min_size=1, max_size=4))
def test_a_run_reports_the_worst_that_went_wrong(exits: list[int]) -> None:
    names = [f"step-{at}" for at in range(len(exits))]
    one = Story(plan(*(step(name) for name in names), step("fine"))).opened().ended("fine", "done")
    for name, exit_ in zip(names, exits, strict=True):
        one.ended(name, "failed", exit_)
    assert one.next() == (Close(min(exits, key=RANKED.index)),)


def test_every_status_a_step_can_end_with_is_reported() -> None:
    assert set(RANKED) == set(ExitStatus) - {ExitStatus.DONE, ExitStatus.USAGE}


def test_lost_authority_is_reported_although_every_step_is_done() -> None:
    one = Story(plan(swap())).ready().done("backend").proved(verdict=Verdict.LOST)
    assert one.next() == (Close(ExitStatus.DONE),)  # one answer may be from before the move
    one.proved(verdict=Verdict.LOST)
    assert one.next() == (Close(ExitStatus.AUTHORITY),)


def test_a_run_that_can_neither_go_on_nor_end_is_a_defect_not_a_success() -> None:
    one = Story(plan(swap(after=("nothing-of-that-name",)))).ready()
    assert one.next() == (Close(ExitStatus.DEFECT),)


# --- whatever the records say --------------------------------------------------------------------

STEPS = (
    halt(),
    capture(),
    swap("web", after=("capture",), on_failure="continue"),
    swap(after=("capture",)),
    step("traffic", update("traffic", "rules", Direction.AWAY), after=("backend",)),
    capture("seal", after=("traffic",)),
)
IDS = {one.name: one.changes[0].id for one in STEPS}
MOVES = {Act("web", "swap"), Act("backend", "swap"), Act("traffic", "rules")}


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A run whose intents meet any answer, any delay, crashes and people, for a while."""
    one = Story(plan(*STEPS)).ready()
    for _ in range(draw(st.integers(0, 25))):
        _disturb(one, draw)
        intents = one.next()
        ends = [intent for intent in intents if isinstance(intent, End)]
        chosen = draw(st.sampled_from(ends or intents))
        if isinstance(chosen, Close):
            break
        _follow(one, chosen, draw)
    return one


def _disturb(one: Story, draw: st.DrawFn) -> None:
    """Now and then a new sitting, a refusal, a delay, a person's word."""
    match draw(st.integers(0, 30)):
        case 0 | 1:
            one.ready()
        case 2:
            one.say(RecordKind.REFUSAL, rule="plan-is-permission")
        case 3:
            one.now += timedelta(minutes=draw(st.integers(1, 120)))
        case 4:
            one.proved(verdict=draw(st.sampled_from(Verdict)))
        case 5 | 6:
            name = draw(st.sampled_from(sorted(IDS)))
            said = draw(st.sampled_from(["applied", "not-applied"]))
            if one.state.change(name, IDS[name]) is not ChangeStatus.NONE:
                one.say(RecordKind.SAID, effect=f"{name}#{IDS[name]}", outcome=said)
        case _:
            pass


def _follow(one: Story, intent: Intent, draw: st.DrawFn) -> None:
    match intent:
        case Act(name, id):
            one.intent(name, id)
        case Resolve(name, id):
            told = st.sampled_from(["applied", "applied", "not-applied", "unknown"])
            one.outcome(name, draw(told), id)
        case GiveBack(name, id, _):
            one.returned(name, id)
        case Verify(name):
            one.say(RecordKind.VERIFIED, step=name, holds=draw(st.integers(0, 5)) > 0)
        case ProveAuthority():
            one.proved().proved("staging")
        case TakeLease():
            one.say(RecordKind.LEASED, held=draw(st.integers(0, 5)) > 0, problem="held by bob")
        case End(name, status, _, _, exit_):
            one.ended(name, status.value, exit_)
        case Close():
            pytest.fail("a closed run is not followed")


@given(stories())
def test_whatever_happened_these_hold(one: Story) -> None:
    state, intents = one.state, one.next()
    statuses = {name: state.step(name).status for name in IDS}
    acts = {intent for intent in intents if isinstance(intent, Act)}
    # It always goes on or closes, and nothing is sent that was sent and not looked at.
    assert intents
    for act in acts:
        assert state.change(act.step, act.change) is ChangeStatus.NONE
        assert statuses[act.step] is StepStatus.OPEN
    # Success is every step done.
    if Close(ExitStatus.DONE) in intents:
        assert set(statuses.values()) == {StepStatus.DONE}
        assert all(state.change(name, IDS[name]) is ChangeStatus.APPLIED for name in IDS)
    # No step is called done that was not applied and verified.
    for intent in intents:
        if isinstance(intent, End) and intent.status is StepStatus.DONE:
            assert state.change(intent.step, IDS[intent.step]) is ChangeStatus.APPLIED
            assert state.step(intent.step).verified
    # A halt not yet tried is tried.
    if statuses["halt"] is StepStatus.OPEN and state.change("halt", "rules") is ChangeStatus.NONE:
        assert Act("halt", "rules") in acts
    # After a refusal, an unknown, or a failure that stops: nothing moves away.
    stopped = state.refused or StepStatus.UNKNOWN in (
        statuses["web"],
        statuses["backend"],
        statuses["traffic"],
    )
    if stopped or StepStatus.FAILED in (statuses["backend"], statuses["traffic"]):
        assert not acts & MOVES
    # What comes after something goes after it.
    if acts & MOVES - {Act("traffic", "rules")}:
        assert statuses["capture"] is StepStatus.DONE
    if Act("traffic", "rules") in acts:
        assert statuses["backend"] is StepStatus.DONE
    # No swap is sent a second time unless a person said that the first had not taken effect.
    for name in ("web", "backend"):
        effect = f"{name}#swap"
        spoken = {
            record.text("outcome")
            for record in one.records
            if record.kind is RecordKind.SAID and record.text("effect") == effect
        }
        sent = any(
            record.kind is RecordKind.INTENT and record.text("effect") == effect
            for record in one.records
        )
        if sent and (Act(name, "swap") in acts or _gives_back(intents, name)):
            assert "not-applied" in spoken


def _gives_back(intents: tuple[object, ...], name: str) -> bool:
    return any(isinstance(one, GiveBack) and one.step == name for one in intents)


@given(stories(), st.data())
def test_a_fold_that_goes_on_is_the_fold_of_all(one: Story, data: st.DataObject) -> None:
    folding = Folding(one.plan)
    records = tuple(one.records)
    for upto in sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4))):
        assert folding.over(records[:upto]) == fold(one.plan, records[:upto])
    assert folding.over(records) == one.state


@given(stories(), st.booleans())
def test_what_waits_is_left_out_and_nothing_else(one: Story, stopping: bool) -> None:
    """Every step on its own says what all of them together say."""
    alone = {
        intent
        for step in one.plan.steps
        if one.state.step(step.name).status is StepStatus.OPEN
        for intent in drive._step(
            one.plan, environment(), one.state, step, one.now, stopping=stopping
        )
    }
    together = one.next(stopping=stopping)
    if alone:
        assert {intent for intent in together if not isinstance(intent, End)} == {
            intent for intent in alone if not isinstance(intent, End)
        }
        assert len(together) == len(alone)
    else:
        assert [type(intent) for intent in together] == [Close]


def test_a_hold_that_did_not_reach_its_file_is_made_again() -> None:
    """A process that died between the intent and the file left nothing behind."""
    kept = FileWrite(
        id="hold#file", path="/holds", bytes_max=64, times_max=1, purpose=Purpose.HOLD,
        direction=Direction.TOWARD,
    )  # fmt: skip
    change = update("hold", "file", Direction.TOWARD).model_copy(update={"effects": (kept,)})
    one = Story(plan(step("hold", change, action="hold_release"))).opened()
    one.intent("hold", "file").outcome("hold", "not-applied", "file")
    assert one.next() == (GiveBack("hold", "file", "looked for and found not applied"),)
    one.returned("hold", "file")
    assert one.next() == (Act("hold", "file"),)
