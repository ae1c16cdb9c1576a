"""The door of this package: a plan in one of its four faces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, assert_never

from rollback.rendering.fit import fit
from rollback.rendering.plan_view import plan_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.plan import Plan
    from rollback.model.record import Record
    from rollback.rendering.view import View

Format = Literal["text", "markdown", "html", "json"]
CHARS_MAX = 65_536
"""Characters of a ticket comment where plans are usually posted."""


def render(
    plan: Plan,
    digest: str,
    format: Format,
    *,
    max_chars: int | None = CHARS_MAX,
    colour: bool = False,
    width: int = 100,
    given: tuple[str, ...] = (),
) -> str:
    """The plan in a face. digest: the SHA-256 of its canonical form. given: who approved already.

    max_chars bounds every face but JSON, which is the document itself; None for no bound.
    """
    if format == "json":
        from rollback.rendering.json import json

        return json(plan)
    return show(
        plan_view(plan, digest, given), format, max_chars=max_chars, colour=colour, width=width
    )


def first_screen_text(plan: Plan, digest: str, *, colour: bool = False, width: int = 100) -> str:
    """What stands first, alone: what an approver sees before signing."""
    view = plan_view(plan, digest)
    return show(
        replace(view, sections=view.sections[: view.lead]),
        "text",
        max_chars=None,
        colour=colour,
        width=width,
    )


def terminal_text(
    plan: Plan, digest: str, *, colour: bool = False, width: int = 100
) -> tuple[str, int]:
    """The first screen, which surfaces change and what is done in order; and how many lines more.

    For a terminal, where what scrolls away is not read.
    """
    view = plan_view(plan, digest)
    known = replace(view, sections=view.sections[: view.lead + 2])
    short = show(known, "text", max_chars=None, colour=colour, width=width)
    whole = show(view, "text", max_chars=None, colour=False, width=width)
    return short, whole.count("\n") - short.count("\n")


def show(
    view: View,
    format: Literal["text", "markdown", "html"],
    *,
    max_chars: int | None = CHARS_MAX,
    colour: bool = False,
    width: int = 100,
) -> str:
    """Any view in a face, cut to the budget."""
    match format:
        case "text":
            from rollback.rendering.text import text

            return fit(view, lambda each: text(each, width=width, colour=colour), max_chars)
        case "markdown":
            from rollback.rendering.markdown import markdown

            return fit(view, markdown, max_chars)
        case "html":
            from rollback.rendering.html import html

            return fit(view, html, max_chars)
        case _:
            assert_never(format)


def render_report(  # noqa: PLR0913 - each is a question a caller may ask
    plan: Plan,
    digest: str,
    records: Sequence[Record],
    format: Literal["text", "markdown", "html"],
    *,
    next_moves: Sequence[str] = (),
    bundle: str = "",
    max_chars: int | None = CHARS_MAX,
    colour: bool = False,
    width: int = 100,
) -> str:
    """The report of a run in a face, from its plan and its journal's records alone.

    next_moves: what the run's result says a person should do. bundle: where its evidence is.
    """
    from rollback.rendering.report import report_view

    view = report_view(plan, digest, records, next_moves=next_moves, bundle=bundle)
    return show(view, format, max_chars=max_chars, colour=colour, width=width)


def for_channel(
    plan: Plan,
    digest: str,
    records: Sequence[Record] | None,
    format: Literal["text", "markdown"],
    chars_max: int,
) -> str:
    """The plan, or (records) what came of it so far, for a message that takes so many characters.

    Where the lines that are never cut are too many, only their weights are told, and where to look.
    """
    from rollback.rendering.brief import brief
    from rollback.rendering.report import report_view

    view = (
        plan_view(plan, digest)
        if records is None
        else report_view(plan, digest, records, running=True)
    )
    for sections in (view.sections, view.sections[: view.lead]):
        shown = show(replace(view, sections=sections), format, max_chars=chars_max, width=100)
        if len(shown) <= chars_max:
            return shown
    return show(brief(view, digest), format, max_chars=None, width=100)
