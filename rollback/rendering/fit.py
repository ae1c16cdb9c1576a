"""Cut a document to a budget: in a fixed order, never a heavy line, and never silently."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from rollback.rendering.view import CUT_NAMES, Cut, Line, Section, View, line, prose
from rollback.rendering.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

_Place = tuple[int, int]


def fit(view: View, face: Callable[[View], str], chars_max: int | None) -> str:
    """The face of the view in at most `chars_max` characters; None for no limit.

    Lines go one by one, the highest `Cut` first and the last line of a kind first, until it fits.
    The first section then says what went, and gives the SHA-256 of the uncut text. Where the lines
    that are never cut are alone too long they are shown all the same, and the document says so.
    """
    full = face(view)
    if chars_max is None or len(full) <= chars_max:
        return full
    order = _cutting_order(view)
    digest = hashlib.sha256(full.encode()).hexdigest()

    def cut(count: int, *, over: bool = False) -> str:
        gone = order[:count]
        notice = _notice(view, gone, len(full), digest, chars_max, over=over)
        return face(_without(view, frozenset(gone), notice))

    if len(cut(len(order))) > chars_max:
        return cut(len(order), over=True)
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if len(cut(middle)) <= chars_max:
            high = middle
        else:
            low = middle + 1
    return cut(low)


def _cutting_order(view: View) -> tuple[_Place, ...]:
    places = [
        (item.cut, (at, index))
        for at, section in enumerate(view.sections)
        for index, item in enumerate(section.items)
        if item.cut is not Cut.KEEP
    ]
    return tuple(place for _, place in sorted(places, reverse=True))


def _notice(
    view: View, gone: tuple[_Place, ...], chars: int, digest: str, chars_max: int, *, over: bool
) -> Line:
    kinds = Counter(view.sections[at].items[index].cut for at, index in gone)
    what = ", ".join(
        f"{CUT_NAMES[cut]} ({counted(kinds[cut], 'line')})" for cut in sorted(kinds, reverse=True)
    )
    still = "; what is left is never cut, and is longer than that" if over else ""
    return line(
        "left out to fit {} characters: {}{}; the whole text has {} characters and sha256 {}",
        prose(str(chars_max)),
        prose(what or "nothing"),
        prose(still),
        prose(str(chars)),
        digest,
        label="shortened",
    )


def _without(view: View, gone: frozenset[_Place], notice: Line) -> View:
    sections: list[Section] = []
    for at, section in enumerate(view.sections):
        items = tuple(item for index, item in enumerate(section.items) if (at, index) not in gone)
        if not items and section.items:
            if section.under:
                continue
            items = (line("left out to fit; see the first section"),)
        if at == 0:
            items = (*items, notice)
        sections.append(replace(section, items=items))
    return replace(view, sections=tuple(sections))
