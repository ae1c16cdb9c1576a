"""A document in a few lines, for where even its first screen does not fit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from rollback.rendering.view import NEVER_CUT, TAGS, Line, Section, line, prose

if TYPE_CHECKING:
    from rollback.rendering.view import View


def brief(view: View, digest: str) -> View:
    """Its title, how many lines of each weight it has, and the plan's digest."""
    weights = Counter(
        item.weight
        for section in view.sections
        for item in section.items
        if isinstance(item, Line) and item.weight in NEVER_CUT
    )
    lines = [
        line("{}", prose(f"{TAGS[weight]}: {count}"), weight=weight)
        for weight, count in sorted(weights.items())
    ]
    lines += [
        line("too long to be shown here: read the plan, or the run's report, before you act"),
        line("{}", digest, label="digest"),
    ]
    return replace(view, sections=(Section("In brief", tuple(lines)),), lead=1, first=())
