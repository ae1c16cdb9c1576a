"""Durations and sizes as people read them, held against what they stand for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.model.durations import spoken
from rollback.rendering.words import sized

_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_SIZES = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "bytes": 1, "byte": 1}


@given(st.integers(0, 2**31))
def test_a_duration_says_exactly_what_it_is(seconds: int) -> None:
    parts = re.findall(r"(\d+) (\w+)", spoken(seconds))
    assert sum(int(count) * _UNITS[unit] for count, unit in parts) == seconds
    order = [_UNITS[unit] for _, unit in parts]
    assert order == sorted(set(order), reverse=True)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (90, "1 min 30 s"), (86_400, "24 h"), (90_000, "25 h"), (172_800, "2 d")],
)
def test_people_say_24_hours_and_2_days(seconds: int, said: str) -> None:
    assert spoken(seconds) == said


@given(st.one_of(st.integers(1, 2**40), st.sampled_from([2**k for k in range(31)])))
def test_a_size_says_exactly_what_it_is(count: int) -> None:
    number, unit = sized(count).split(" ")
    assert int(number.replace(",", "")) * _SIZES[unit] == count
