"""The world read again, held against the plan's: as predicted, satisfied, busy or drifted."""

from __future__ import annotations

import pytest

from rollback.model.base import Value, facts
from rollback.model.direction import Direction
from rollback.model.observation import Observation, Prediction
from rollback.running.compare import Comparison, Difference, compare

from ..plans import make_plan
from .hand import BAD, NOW, STABLE, step, update

SLOT = "backend/slot/production"


def slot(build: str, operation: str = "", *, at: str = SLOT, **context: Value) -> Observation:
    """What a slot serves."""
    return Observation(
        resource=at,
        compared=facts(builds=(build,), operation=operation),
        context=facts(**context),
        at=NOW,
    )


def _predicts(id: str, build: str, at: str = SLOT) -> Prediction:
    return Prediction(resource=at, compared=facts(builds=(build,)))


SWAP = update("revert", "swap", Direction.AWAY).model_copy(
    update={"predicts": (_predicts("swap", STABLE),)}
)
STEP = step("revert", SWAP).model_copy(update={"expects": (slot(BAD),)})


def test_what_is_as_it_was_is_as_predicted() -> None:
    assert compare(STEP, SWAP, (), (slot(BAD),)) == Comparison("as-predicted")


def test_context_and_what_nobody_expects_are_no_drift() -> None:
    seen = (slot(BAD, etag="W/2"), slot("other", at="web/slot/production"))
    assert compare(STEP, SWAP, (), seen) == Comparison("as-predicted")


def test_what_is_already_as_wanted_is_satisfied() -> None:
    assert compare(STEP, SWAP, (), (slot(STABLE),)) == Comparison("satisfied")


def test_half_of_what_is_wanted_is_drift() -> None:
    both = SWAP.model_copy(
        update={"predicts": (*SWAP.predicts, _predicts("swap", BAD, "backend/slot/staging"))}
    )
    seen = (slot(STABLE), slot(STABLE, at="backend/slot/staging"))
    assert compare(STEP, both, (), seen).verdict == "drifted"


def test_drift_names_the_fact_in_a_reviewers_terms() -> None:
    found = compare(STEP, SWAP, (), (slot("hotfix"),))
    assert found == Comparison("drifted", (Difference(SLOT, "builds", (BAD,), ("hotfix",)),))
    said = f"{SLOT} builds: the plan expects {BAD}, found hotfix"
    assert str(found.differences[0]) == said
    for value, words in ((None, "nothing"), ("", "nothing"), ((), "none"), (True, "yes"), (3, "3")):
        assert str(Difference(SLOT, "x", value, (BAD, "a, b"))) == (
            f'{SLOT} x: the plan expects {words}, found {BAD}, "a, b"'
        )


@pytest.mark.parametrize("seen", [(), (slot(BAD, at="web/slot/production"),)])
def test_what_cannot_be_seen_is_never_as_predicted(seen: tuple[Observation, ...]) -> None:
    assert compare(STEP, SWAP, (), seen).verdict == "drifted"


@pytest.mark.parametrize("build", [BAD, "hotfix"])
def test_another_operation_is_waited_for_before_anything_is_called_drift(build: str) -> None:
    assert compare(STEP, SWAP, (), (slot(build, "op-7"),)).verdict == "busy"


def test_an_operation_that_the_plan_saw_and_that_ended_is_drift_of_nothing_else() -> None:
    expected = STEP.model_copy(update={"expects": (slot(BAD, "op-7"),)})
    assert compare(expected, SWAP, (), (slot(BAD),)).verdict == "as-predicted"


def test_earlier_changes_of_the_step_are_expected_to_be_there() -> None:
    first = update("revert", "image", Direction.AWAY).model_copy(
        update={"predicts": (_predicts("image", "between"),)}
    )
    assert compare(STEP, SWAP, (first,), (slot("between"),)).verdict == "as-predicted"
    assert compare(STEP, SWAP, (first,), (slot(BAD),)).verdict == "drifted"
    assert compare(STEP, SWAP, (), (slot("between"),)).verdict == "drifted"


def test_a_change_that_predicts_nothing_is_never_satisfied() -> None:
    silent = update("revert", "swap", Direction.AWAY)
    assert compare(STEP, silent, (), (slot(BAD),)).verdict == "as-predicted"


def test_what_says_itself_that_it_could_not_be_read_keeps_nobody_back() -> None:
    """Holds are kept in a store that may be down; everything else that is not seen is drift."""
    wanted = Observation(resource="web/holds", compared=facts(others=()), at=NOW)
    planned = make_plan().steps[0].model_copy(update={"expects": (wanted,)})
    change = update("revert", "swap", Direction.AWAY)
    unread = Observation(resource="web/holds-unread", at=NOW, gaps=("it is down",))
    other = Observation(resource="backend/holds-unread", at=NOW, gaps=("it is down",))
    assert compare(planned, change, (), (unread,)).verdict == "as-predicted"
    assert compare(planned, change, (), (other,)).verdict == "drifted"
    assert compare(planned, change, (), ()).verdict == "drifted"
