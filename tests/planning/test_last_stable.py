"""Last stable: replayed history against a dumb simulation, and the cases that would toggle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.planning.last_stable import Happened, last_stable, placed, serving

START = datetime(2026, 11, 20, tzinfo=UTC)
A, B, C = "2026.11.1", "2026.11.2", "2026.11.3"


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def deployed(minutes: int, slot: str, build: str) -> Happened:
    return Happened(at(minutes), slot, build)


def swapped(minutes: int, slot: str = "staging") -> Happened:
    return Happened(at(minutes), slot)


ROLLED_OUT = (
    deployed(0, "staging", A),
    swapped(1),
    deployed(2, "staging", B),
    swapped(3),
)


def test_the_build_before_the_bad_one_with_its_date() -> None:
    found = last_stable(ROLLED_OUT, B)
    assert found is not None
    assert (found.build, found.since, found.current) == (A, at(1), False)


def test_a_reverted_release_is_not_what_to_go_back_to() -> None:
    found = last_stable((*ROLLED_OUT, swapped(4)), A)
    assert found is not None
    assert (found.build, found.current) == (A, True)


def test_the_catalogue_tells_a_revert_where_history_begins_with_the_bad_one() -> None:
    history = (deployed(0, "production", B), deployed(1, "production", A))
    by_history, by_catalogue = last_stable(history, A), last_stable(history, A, (A, B))
    assert by_history is not None
    assert by_catalogue is not None
    assert by_history.build == B
    assert (by_catalogue.build, by_catalogue.current) == (A, True)


def test_rolled_out_again_after_a_revert_is_bad_again() -> None:
    found = last_stable((*ROLLED_OUT, swapped(4), swapped(5)), B)
    assert found is not None
    assert (found.build, found.since, found.current) == (A, at(4), False)


@pytest.mark.parametrize("history", [(), ROLLED_OUT[:2], (deployed(0, "production", B),)])
def test_silent_where_nothing_served_before(history: tuple[Happened, ...]) -> None:
    assert last_stable(history, B) is None


def test_a_deployment_past_the_ledgers_shows() -> None:
    found = last_stable((*ROLLED_OUT, deployed(4, "production", C)), B)
    assert found is not None
    assert not found.agrees


SLOTS = ("production", "staging", "canary")
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(SLOTS), st.sampled_from([A, B, C])),
        st.tuples(st.sampled_from(SLOTS[1:]), st.just("")),
    ),
    max_size=14,
)


@given(EVENTS)
def test_entries_are_put_back_where_they_were_made(events: list[tuple[str, str]]) -> None:
    """A dumb site carries its ledgers along with each swap; putting them back finds the truth."""
    ledgers: dict[str, list[tuple[datetime, str]]] = {slot: [] for slot in SLOTS}
    truth: list[Happened] = []
    for minute, (slot, build) in enumerate(events):
        truth.append(Happened(at(minute), slot, build))
        if build:
            ledgers[slot].append((at(minute), build))
        else:
            ledgers[slot], ledgers["production"] = ledgers["production"], ledgers[slot]
    shown = [Happened(when, slot, build) for slot in SLOTS for when, build in ledgers[slot]]
    swaps = [(one.at, one.slot) for one in truth if not one.build]
    assert placed(shown, swaps) == tuple(truth)


@given(EVENTS)
def test_what_production_served_is_what_a_dumb_site_served(events: list[tuple[str, str]]) -> None:
    held = dict.fromkeys(SLOTS, "")
    served: list[str] = []
    for slot, build in events:
        if build:
            held[slot] = build
        else:
            held[slot], held["production"] = held["production"], held[slot]
        if held["production"] and held["production"] not in served[-1:]:
            served.append(held["production"])
    history = [Happened(at(minute), *event) for minute, event in enumerate(events)]
    assert [build for _, build in serving(history)] == served
