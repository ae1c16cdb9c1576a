"""What a plan says of a failing step is what the decision loop does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.model.plan import Plan, PlannedStep
from rollback.model.record import RecordKind
from rollback.rendering.failure import does_not_run, if_it_fails
from rollback.rendering.text import flat
from rollback.rendering.words import numbered
from rollback.running.intents import Act, Close, End, GiveBack, ProveAuthority, TakeLease, Verify
from tests.builders import make_plan
from tests.running.drive.hand import Story, capture, halt, plan, step, swap


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Some steps of each sort, each after some of those before it."""
    made: list[PlannedStep] = []
    for index in range(draw(st.integers(2, 7))):
        name = f"s{index}"
        earlier = [one.name for one in made]
        after = tuple(draw(st.lists(st.sampled_from(earlier), unique=True))) if earlier else ()
        kinds = ["halt", "capture", "swap", "goes-on", "hands-over", "verify", "check"]
        kind = draw(st.sampled_from(kinds))
        if kind == "halt":
            made.append(halt(name, after))
        elif kind == "capture":
            made.append(capture(name, after))
        elif kind == "verify":
            made.append(step(name, after=after, action="verify_release"))
        elif kind == "check":
            made.append(step(name, after=after, action="verify_release", on_failure="hand-over"))
        elif kind == "goes-on":
            made.append(swap(name, after, "continue"))
        else:
            made.append(swap(name, after, "hand-over" if kind == "hands-over" else "stop"))
    return plan(*made)


def acted(of: Plan, failing: str) -> set[str]:
    """The steps that did anything, when one fails and all others go well."""
    story = Story(of).opened().approved().leased()
    did: set[str] = set()
    while True:
        intent = story.next()[0]
        match intent:
            case Close():
                return did
            case End(step=name, status=status, exit=exit_):
                story.ended(name, status.value, exit_)
            case ProveAuthority():
                story.proved("production", "2026.11.22-2").proved("staging")
            case TakeLease():
                story.leased()
            case Act(step=name, change=id_):
                did.add(name)
                told = "not-applied" if name == failing else "applied"
                story.intent(name, id_).outcome(name, told, id_)
            case GiveBack(step=name, change=id_):
                story.returned(name, id_)
            case Verify(step=name):
                did.add(name)
                story.say(RecordKind.VERIFIED, step=name, holds=name != failing)
            case _:
                raise AssertionError(intent)


@settings(deadline=None, max_examples=300)
@given(plans(), st.data())
def test_what_is_said_not_to_run_does_not_and_the_rest_does(of: Plan, data: st.DataObject) -> None:
    failing = data.draw(st.sampled_from(of.steps))
    told = {of.steps[number - 1].name for number in does_not_run(of, failing)}
    names = {one.name for one in of.steps}
    assert acted(of, failing.name) == names - told


def test_each_step_says_what_a_person_does() -> None:
    of = make_plan()
    for number, one in enumerate(of.steps, start=1):
        told = " ".join(flat(line.spans) for line in if_it_fails(of, number, one))
        assert "exit" in told
        assert "rollback resume RUN" in told
    swapped = " ".join(flat(line.spans) for line in if_it_fails(of, 3, of.steps[2]))
    assert "step 4 does not run" in swapped
    assert "--said revert-backend#swap=not-applied" in swapped
    assert "rollback undo RUN" in swapped


def test_a_message_that_does_not_arrive_stops_nothing() -> None:
    of = plan(step("tell", action="notify"), halt("halt", ("tell",)))
    assert does_not_run(of, of.steps[0]) == ()
    (said,) = if_it_fails(of, 1, of.steps[0])
    assert "goes on" in flat(said.spans)


def test_numbers_of_steps_in_words() -> None:
    assert numbered((3,)) == "step 3"
    assert numbered((3, 4)) == "steps 3 and 4"
    assert numbered((1, 3, 4, 5, 7)) == "steps 1, 3 to 5 and 7"
