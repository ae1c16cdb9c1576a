"""Markdown for a ticket: GitHub's dialect, readable as plain text, no HTML, no links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollback.rendering.escape import (
    BODY_CHARS_MAX,
    DATA_CHARS_MAX,
    PROSE_CHARS_MAX,
    clipped,
    markdown_code,
    markdown_prose,
)
from rollback.rendering.view import TAGS, Line, Section, Span, Style, Table, View, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKER = re.compile(r"(?:[-+]|\d+[.)])(?= |$)")
"""What begins a list where a line begins with it."""


def markdown(view: View) -> str:
    """The view as Markdown."""
    return "\n".join(_blocks(view)) + "\n"


def _blocks(view: View) -> Iterator[str]:
    if view.first:
        yield from (_line(first) for first in view.first)
        yield ""
    yield f"# {view.kind} {view.verdict}: {_flat(view.title)}"
    for section in view.sections:
        yield ""
        yield from _section(section)
    if view.footer:
        yield ""
        yield from (_line(last) for last in view.footer)


def _section(section: Section) -> Iterator[str]:
    subject = f": {_flat(section.subject)}" if section.subject else ""
    yield f"{'###' if section.under else '##'} {section.title}{subject}"
    yield ""
    for index, item in enumerate(section.items):
        if isinstance(item, Table):
            if index:
                yield ""  # a table cannot begin in the middle of a list
            yield from _table(item)
        else:
            yield _line(item)


def _line(item: Line) -> str:
    lead = bare = "  " * item.depth + "- "
    if item.number is not None:
        lead += f"{item.number}: "
    if item.weight in TAGS:
        lead += f"**{TAGS[item.weight]}** "
    if item.label:
        lead += f"{item.label}: "
    said = _flat(item.spans)
    said = said if said.strip() else "(empty)"
    if lead == bare and (marker := _MARKER.match(said)):
        said = markdown_code(marker[0]) + said[marker.end() :]
    return lead + said


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.header)} |"
    yield f"|{' --- |' * len(table.header)}"
    for row in table.rows:
        yield f"| {' | '.join(_flat(cell, cell=True) for cell in row)} |"
    yield ""


def _flat(spans: tuple[Span, ...], *, cell: bool = False) -> str:
    made = ""
    for span in joined(spans):
        piece = _span(span, cell=cell)
        if made.endswith("`") and piece.startswith("`"):
            made += " "  # two code spans that touch would read as one
        made += piece
    return made


def _span(span: Span, *, cell: bool) -> str:
    match span.style:
        case Style.DATA:
            return markdown_code(clipped(span.text, DATA_CHARS_MAX), cell=cell)
        case Style.BODY:
            return markdown_code(clipped(span.text, BODY_CHARS_MAX), cell=cell)
        case Style.STRONG:
            return f"**{markdown_prose(clipped(span.text, PROSE_CHARS_MAX), cell=cell)}**"
        case Style.PROSE:
            return markdown_prose(clipped(span.text, PROSE_CHARS_MAX), cell=cell)
