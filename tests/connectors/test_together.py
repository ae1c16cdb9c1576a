"""Reads side by side: in order, bounded, and with the failure that counts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.connectors.together import Together, both, one_by_one
from rollback.errors import ConnectorError, GuardRefusal

if TYPE_CHECKING:
    from rollback.connectors.together import ReadTogether

Read = Callable[[], int]


def fails(error: Exception) -> Read:
    def read() -> int:
        raise error

    return read


@given(st.lists(st.integers(), max_size=20), st.integers(1, 6))
def test_answers_come_in_the_order_asked(wanted: list[int], at_once: int) -> None:
    assert Together(at_once)([partial(int, value) for value in wanted]) == tuple(wanted)


def test_as_many_at_once_as_may_be_and_no_more() -> None:
    together, lock, meeting = Together(3), threading.Lock(), threading.Barrier(3)
    inside: list[int] = [0, 0]

    def read() -> int:
        with lock:
            inside[0] += 1
            inside[1] = max(inside)
        meeting.wait(timeout=60)  # nobody goes on before three are here
        with lock:
            inside[0] -= 1
        return 0

    assert together([read] * 9) == (0,) * 9
    assert inside == [0, 3]


def test_reads_inside_reads_never_wait_for_a_thread() -> None:
    together = Together(2)

    def outer() -> tuple[int, ...]:
        return together([lambda: 1, lambda: 2, lambda: 3])

    assert together([outer] * 5) == ((1, 2, 3),) * 5
    assert together([threading.get_ident]) == (threading.get_ident(),)


def test_a_thread_given_back_is_taken_by_who_had_none() -> None:
    together, meeting = Together(3), threading.Barrier(2)
    asks, all_taken = threading.current_thread(), threading.Barrier(3)
    helps: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()

    def given_back() -> int:
        """Ends when a thread that was taken has been given back."""
        all_taken.wait(60)
        helps.get(timeout=60).join(60)
        return 0

    def inner() -> list[int]:
        """Begins with no thread free, and has two reads that meet once there is one."""
        meets: Read = partial(meeting.wait, 60)
        return sorted(together([given_back, meets, meets]))

    def other() -> list[int]:
        all_taken.wait(60)
        if threading.current_thread() is not asks:
            helps.put(threading.current_thread())
        return []

    assert together([inner, other, other]) == ([0, 0, 1], [], [])


def test_threads_are_given_back() -> None:
    together = Together(2)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            together([lambda: 1 // 0, lambda: 1, lambda: 2])
    meeting = threading.Barrier(2)
    assert together([lambda: meeting.wait(timeout=60)] * 2) in {(0, 1), (1, 0)}


def test_after_a_failure_nothing_more_begins() -> None:
    asked: list[int] = []

    def read() -> int:
        asked.append(1)
        return 0

    reads = [fails(ValueError("first")), *[read] * 5]
    with pytest.raises(ValueError, match="first"):
        Together(1)(reads)
    assert asked == []


@pytest.mark.parametrize("together", [Together(4), one_by_one])
def test_the_first_failure_in_the_order_asked_is_raised(together: ReadTogether) -> None:
    gap = ConnectorError("arm.down", "the first", transient=True)
    other = ConnectorError("arm.down", "the second", transient=True)
    with pytest.raises(ConnectorError, match="the first"):
        together([lambda: 1, fails(gap), fails(other)])


def test_a_refusal_is_never_hidden_by_a_gap() -> None:
    meeting = threading.Barrier(2)

    def failing(error: Exception) -> Read:
        def read() -> int:
            meeting.wait(timeout=60)
            raise error

        return read

    gap = ConnectorError("arm.down", "no answer", transient=True)
    with pytest.raises(GuardRefusal):
        Together(2)([failing(gap), failing(GuardRefusal("guard.x", "never", hint="stop"))])


def test_two_of_different_kinds() -> None:
    assert both(Together(2), lambda: 1, lambda: "two") == (1, "two")


def test_where_there_is_no_thread_to_be_had_reads_are_made_one_by_one() -> None:
    together, more_than_there_is = Together(3), 1 << 46
    before = threading.stack_size(more_than_there_is)
    try:
        assert together([lambda: 1, lambda: 2, lambda: 3]) == (1, 2, 3)
    finally:
        threading.stack_size(before)
    meeting = threading.Barrier(3)
    assert sorted(together([partial(meeting.wait, 60)] * 3)) == [0, 1, 2]
