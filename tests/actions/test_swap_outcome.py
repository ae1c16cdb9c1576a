"""A swap's outcome told by looking, held against a dumb site that keeps a diary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.actions.swap_outcome import Serving, SwapJudgement, SwapReading, judge_swap

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
GOOD, BAD, THIRD = "2026.11.1", "2026.11.2", "2026.11.3"
WARM_UP = "the worker process of slot staging could not be started; nothing was swapped"

BEFORE = SwapReading(
    operations=(),
    swap_at="t1",
    production=Serving((BAD,)),
    slot=Serving((GOOD,)),
)
AFTER = replace(BEFORE, swap_at="t2", production=Serving((GOOD,)), slot=Serving((BAD,)))


def judged(reading: SwapReading, since: str = "", quiet_s: int = 30) -> SwapJudgement:
    return judge_swap(
        reading,
        to_build=GOOD,
        swap_at_before="t1",
        now=NOW,
        quiet_since=since,
        quiet_s=quiet_s,
    )


LONG_QUIET = (NOW - timedelta(seconds=31)).isoformat()


@pytest.mark.parametrize(
    ("name", "reading", "since", "applied"),
    [
        ("rule 1", replace(AFTER, operations=("o-1",)), "", None),
        ("rule 1 before 4", replace(BEFORE, operations=("o-1",)), LONG_QUIET, None),
        ("rule 2", AFTER, "", True),
        (
            "rule 2, bad build silent in the slot",
            replace(AFTER, slot=Serving(silent=True)),
            "",
            True,
        ),
        ("rule 2, timestamp late", replace(AFTER, swap_at="t1"), "", True),
        ("rule 3", replace(BEFORE, message=WARM_UP), "", False),
        (
            "rule 3 needs that nothing moved",
            replace(AFTER, production=Serving((BAD,)), message=WARM_UP),
            "",
            None,
        ),
        ("rule 4, first look", BEFORE, "", None),
        ("rule 4", BEFORE, LONG_QUIET, False),
        (
            "rule 4, production was silent before and is",
            replace(BEFORE, production=Serving(silent=True)),
            LONG_QUIET,
            False,
        ),
        (
            "rule 5, timestamp moved, builds did not",
            replace(BEFORE, swap_at="t2"),
            LONG_QUIET,
            None,
        ),
        (
            "rule 5, instances changing",
            replace(BEFORE, production=Serving((GOOD, BAD))),
            LONG_QUIET,
            None,
        ),
        ("rule 5, slot silent", replace(BEFORE, slot=Serving(silent=True)), LONG_QUIET, None),
        (
            "rule 5, one instance silent",
            replace(AFTER, production=Serving((GOOD,), silent=True)),
            LONG_QUIET,
            None,
        ),
        (
            "rule 5, third build in the slot",
            replace(BEFORE, slot=Serving((THIRD,))),
            LONG_QUIET,
            None,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("rule") else "",
)
def test_rules(name: str, reading: SwapReading, since: str, applied: bool | None) -> None:
    assert judged(reading, since).applied is applied


def test_an_operation_in_between_starts_the_quiet_period_anew() -> None:
    first = judged(BEFORE)
    busy = judged(replace(BEFORE, operations=("o-1",)), first.quiet_since)
    assert first.quiet_since
    assert busy.quiet_since == ""


SERVINGS = st.builds(
    Serving,
    st.sets(st.sampled_from([GOOD, BAD, THIRD])).map(lambda builds: tuple(sorted(builds))),
    st.booleans(),
)
READINGS = st.builds(
    SwapReading,
    operations=st.sampled_from([(), (), ("o-1",)]),
    swap_at=st.sampled_from(["t1", "t2"]),
    production=SERVINGS,
    slot=SERVINGS,
    message=st.sampled_from(["", WARM_UP, "the operation failed"]),
)


@given(READINGS, st.sampled_from(["", LONG_QUIET, NOW.isoformat()]))
def test_never_told_against_what_users_are_served(reading: SwapReading, since: str) -> None:
    """Hold against the two mistakes that matter.

    A swap called applied while users are on another build; and one called not applied, so that it
    may be sent again, while any of it took effect.
    """
    told = judged(reading, since).applied
    if told is True:
        assert reading.production == Serving((GOOD,))
        assert not reading.operations
    if told is False:
        assert GOOD not in reading.production.builds
        assert reading.slot == Serving((GOOD,))
        assert reading.swap_at == "t1"
        assert not reading.operations
        assert since == LONG_QUIET or reading.message == WARM_UP
