"""Cutting: within the budget, in a fixed order, never what matters, never silently."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.model.base import facts
from rollback.model.change import Finding
from rollback.rendering.faces import render
from rollback.rendering.plan_view import plan_view
from rollback.rendering.view import NEVER_CUT, TAGS, Cut, Line
from tests.builders import make_plan, refused_plan, seen, unproved_plan, weak_plan

BIG = make_plan(
    observations=tuple(
        seen(f"backend/slot/s{index}", facts(builds=("b",)), etag="e") for index in range(400)
    ),
    findings=(
        Finding(weight="unknown", code="x", text="the slot nobody answered for"),
        *(Finding(weight="note", code="x", text=f"note {index}") for index in range(50)),
    ),
)


@settings(max_examples=25, deadline=None)
@given(st.integers(9_000, 70_000), st.sampled_from(["text", "markdown"]))
def test_it_fits_and_says_what_went(budget: int, face: str) -> None:
    full = render(BIG, "d", face, max_chars=None)  # type: ignore[arg-type]
    out = render(BIG, "d", face, max_chars=budget)  # type: ignore[arg-type]
    assert len(out) <= budget
    if len(full) <= budget:
        assert out == full
        return
    flat = re.sub(r"\s+", "", out)
    assert "shortened" in flat
    assert hashlib.sha256(full.encode()).hexdigest() in flat


@pytest.mark.parametrize("make", [lambda: BIG, refused_plan, unproved_plan])
def test_heavy_lines_stay_even_where_nothing_else_fits(make: object) -> None:
    plan = make()  # type: ignore[operator]
    heavy = [
        item
        for section in plan_view(plan, "d").sections
        for item in section.items
        if isinstance(item, Line) and item.weight in NEVER_CUT
    ]
    assert heavy
    out = render(plan, "d", "markdown", max_chars=1)
    full = render(plan, "d", "markdown", max_chars=None)
    kept = [row for row in full.split("\n") if "**" in row]
    assert len(kept) >= len(heavy)
    assert [row for row in kept if row not in out.split("\n")] == []
    assert "what is left is never cut" in out


def test_context_goes_before_observations_and_those_before_notes() -> None:
    full = len(render(BIG, "d", "text", max_chars=None))
    slightly = render(BIG, "d", "text", max_chars=full - 500, width=400)
    assert "(context)" in slightly
    assert "note 49" in slightly
    assert slightly.count("builds = b") == 400
    more = render(BIG, "d", "text", max_chars=14_000, width=400)
    assert "(context)" not in more
    assert "note 49" in more
    assert more.count("builds = b") < 400


def test_a_heavy_line_cannot_be_marked_as_one_to_cut() -> None:
    for weight in NEVER_CUT:
        assert Line((), weight=weight, cut=Cut.CONTEXT).cut is Cut.KEEP


def test_html_is_cut_too() -> None:
    full = render(BIG, "d", "html", max_chars=None)
    out = render(BIG, "d", "html", max_chars=40_000)
    assert len(out) <= 40_000 < len(full)
    assert out.rstrip().endswith("</html>")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60_000),
    st.sampled_from(["text", "markdown", "html"]),
    st.sampled_from([lambda: BIG, refused_plan, unproved_plan, weak_plan]),
)
def test_no_budget_takes_a_heavy_line(budget: int, face: str, make: object) -> None:
    """Each weight's tag stands as often as in the uncut document, at whatever budget."""
    plan = make()  # type: ignore[operator]
    out = render(plan, "d", face, max_chars=budget, width=400)  # type: ignore[arg-type]
    full = render(plan, "d", face, max_chars=None, width=400)  # type: ignore[arg-type]
    for tag in TAGS.values():
        assert out.count(tag) == full.count(tag)
    if len(out) > budget:
        assert "what is left is never cut" in out
