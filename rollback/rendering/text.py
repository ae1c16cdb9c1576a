"""Plain text for a terminal: no colour needed, every continued line set in under its label.

A line that starts in the first column is ours: a heading. Nothing from the world can start one,
because every other line begins with a gutter, whatever the width of the characters in it.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from rollback.rendering.escape import (
    BODY_CHARS_MAX,
    DATA_CHARS_MAX,
    PROSE_CHARS_MAX,
    clipped,
    quoted,
)
from rollback.rendering.view import TAGS, Line, Section, Span, Style, Table, View, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH_MIN = 40
_LABEL = 15
_INNER = 6
"""Where what belongs to a row of a table begins."""
_STYLES = {
    Weight.FORBIDDEN: "bold red",
    Weight.IRREVERSIBLE: "red",
    Weight.UNKNOWN: "magenta",
    Weight.WEAK: "yellow",
    Weight.EXPOSURE: "yellow",
    Weight.GOOD: "green",
    Weight.PLAIN: "",
    Weight.NOTE: "dim",
}

Row = tuple[str, str]
"""One line of output and its style."""


def text(view: View, *, width: int = 100, colour: bool = False) -> str:
    """The view as text, `width` columns wide (at least 40)."""
    rows = list(_rows(view, max(width, WIDTH_MIN)))
    return _coloured(rows) if colour else "".join(f"{row}\n" for row, _ in rows)


def _rows(view: View, width: int) -> Iterator[Row]:
    for first in view.first:
        yield from _line(first, width)
    title = f"{view.kind.upper()} {view.verdict}: {flat(view.title)}"
    style = "bold red" if not view.good else "bold yellow" if view.warned else "bold green"
    for row in wrapped(title, width, "", "    "):
        yield row, style
    yield "=" * min(width, max(20, len(title))), ""
    for section in view.sections:
        yield "", ""
        yield from _section(section, width)
    for last in view.footer:
        yield from _line(last, width)


def _section(section: Section, width: int) -> Iterator[Row]:
    subject = f": {flat(section.subject)}" if section.subject else ""
    for row in wrapped(section.title + subject, width, "", "    "):
        yield row, "bold"
    for item in section.items:
        if isinstance(item, Table):
            yield from _table(item, width)
        else:
            yield from _line(item, width)


def _line(item: Line, width: int) -> Iterator[Row]:
    tag = f"{TAGS[item.weight]} " if item.weight in TAGS else ""
    gutter = "!! " if item.weight is Weight.FORBIDDEN else " ! " if tag else "   "
    lead = gutter + "  " * item.depth
    if item.number is not None:
        lead += f"{item.number}. "
    if item.label:
        lead += f"{item.label:<{_LABEL}} "
    hang = " " * min(len(lead) if item.label or item.number else len(lead) + 2, width // 2)
    for row in wrapped(tag + flat(item.spans), width, lead, hang):
        yield row, _STYLES[item.weight]


def _table(table: Table, width: int) -> Iterator[Row]:
    """A block a row: what leads on a line of its own, the other cells under it, each by its name.

    Only a cell's first line begins in the column of the names, so no cell can pass for another.
    """
    names = table.header[table.lead :]
    wide = max(map(len, names), default=0)
    if not names:
        yield f"   {'  '.join(table.header)}", "bold"
    for row in table.rows:
        shown = [flat(cell) for cell in row]
        lead = "  ".join(shown[: table.lead])
        yield from ((line_, "") for line_ in wrapped(lead, width, "   ", " " * (_INNER + 2)))
        for name, cell in zip(names, shown[table.lead :], strict=True):
            label = f"{'':{_INNER}}{name:<{wide}}  "
            yield from ((line_, "") for line_ in wrapped(cell, width, label, " " * len(label)))


def flat(spans: tuple[Span, ...]) -> str:
    """Spans as one escaped stretch of plain text."""
    return "".join(_span(span) for span in spans)


def _span(span: Span) -> str:
    match span.style:
        case Style.DATA:
            return quoted(clipped(span.text, DATA_CHARS_MAX))
        case Style.BODY:
            return clipped(span.text, BODY_CHARS_MAX)
        case Style.STRONG:
            return clipped(span.text, PROSE_CHARS_MAX).upper()
        case Style.PROSE:
            return clipped(span.text, PROSE_CHARS_MAX)


def cells(shown: str) -> int:
    """Columns the text takes at most on a terminal."""
    if shown.isascii():
        return len(shown)
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in shown)


def wrapped(shown: str, width: int, lead: str, hang: str) -> Iterator[str]:
    """Lines no wider than `width`: the first begins with `lead`, the others with `hang`."""
    row, used, empty = lead, cells(lead), True
    if " " not in shown and width - cells(hang) < cells(shown) <= width - _INNER:
        yield lead.rstrip()  # one word that fits a line of its own: a digest is read whole
        row, used, hang = " " * _INNER, _INNER, " " * _INNER
    for word in shown.split(" "):
        for piece in _pieces(word, max(width - cells(hang), 8)):
            needed = cells(piece) + (0 if empty else 1)
            if used + needed > width and not empty:
                yield row
                row, used, empty = hang, cells(hang), True
                needed = cells(piece)
            row += piece if empty else f" {piece}"
            used += needed
            empty = False
    yield row.rstrip()


def _pieces(word: str, room: int) -> Iterator[str]:
    if cells(word) <= room:
        yield word
        return
    piece, used = "", 0
    for char in word:
        size = cells(char)
        if used + size > room:
            at = max(piece.rfind("/"), piece.rfind("&"), piece.rfind("?")) + 1
            at = at if at > len(piece) // 2 else len(piece)
            yield piece[:at]
            piece = piece[at:]
            used = cells(piece)
        piece += char
        used += size
    yield piece


def _coloured(rows: list[Row]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    out = StringIO()
    console = Console(
        file=out,
        force_terminal=True,
        color_system="standard",
        width=100_000,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    for row, style in rows:
        console.print(Text(row, style=style), soft_wrap=True)
    return out.getvalue()
