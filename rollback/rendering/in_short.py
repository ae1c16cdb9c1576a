"""The plan in four lines, above everything: whom it moves and leaves, what is marked, who signs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rollback.model.change import Update
from rollback.rendering.view import NEVER_CUT, TAGS, Line, Section, Span, Weight, line, prose, spans
from rollback.rendering.words import counted, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.plan import Plan


def in_short(plan: Plan, screen: Sequence[Section]) -> Section:
    """What a small screen shows first. screen: the rest of the first screen, whose marks count."""
    lines = [_moves(plan)]
    if plan.not_rolled_back:
        names = ", ".join("{}" for _ in plan.not_rolled_back)
        left = (each.surface for each in plan.not_rolled_back)
        lines.append(line(f"{names}: a person must act", *left, label="leaves"))
    lines += [_marked(screen), _needs(plan)]
    return Section("In short", tuple(lines))


def _moves(plan: Plan) -> Line:
    if plan.verdict == "refused":
        return line("nobody: the plan is refused", label="moves")
    moved: list[Span] = []
    for step in plan.steps:
        for change in step.changes:
            if isinstance(change, Update) and change.moves_users:
                moved += [Span(", "), *spans("{} to {}", change.surface, change.to_build)]
    if not moved:
        return line("nobody", label="moves")
    return Line((Span("users of "), *moved[1:]), label="moves")


def _marked(screen: Sequence[Section]) -> Line:
    marks = Counter(
        item.weight
        for section in screen
        for item in section.items
        if isinstance(item, Line) and item.weight in NEVER_CUT
    )
    said = [f"{count} {TAGS[weight]}" for weight in Weight if (count := marks[weight])]
    words = f"{', '.join(said)}, each below" if said else "nothing"
    return line("{}", prose(words), label="marked")


def _needs(plan: Plan) -> Line:
    count = plan.approvals.count
    if plan.verdict == "refused" or not count:
        return line("no signature", label="needs")
    people = counted(count, "signature")
    return line("{}, until {}", prose(people), moment(plan.expires), label="needs")
