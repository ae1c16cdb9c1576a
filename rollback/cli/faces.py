"""Plans on standard output, in a face."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from rollback.cli import output

if TYPE_CHECKING:
    from rollback.rendering.faces import Format
    from rollback.wiring import PlanDocument


def warn_of_age(document: PlanDocument) -> None:
    """Say on standard error that a plan is too old to be started, where it is."""
    from rollback.rendering.words import moment

    if datetime.now(UTC) >= document.plan.expires:
        expired = moment(document.plan.expires)
        output.talk(
            f"STOP this plan expired at {expired}: nothing of it that moves away from safety can "
            "be started any more; plan again"
        )


whole_plan = click.option(
    "--whole", is_flag=True, help="All of it at a terminal too, not the first screens alone."
)


def show_plan(
    document: PlanDocument,
    face: Format,
    max_chars: int | None,
    *,
    whole: bool,
    file: str | None,
) -> None:
    """Print a plan. Markdown is cut to a ticket's size; the others only when asked.

    Text at a terminal ends after what is done in order, and says how to read on: file is where the
    plan is kept. JSON is the document itself, to the byte, but at a terminal nothing in it steers
    the terminal.
    """
    from rollback.rendering.escape import json_shown
    from rollback.rendering.faces import CHARS_MAX, render, terminal_text
    from rollback.rendering.words import counted

    if face == "text" and sys.stdout.isatty() and not whole and max_chars is None:
        shown, more = terminal_text(
            document.plan,
            document.digest,
            colour=output.coloured(sys.stdout),
            width=output.columns(),
        )
        output.result(shown)
        by = f"`rollback show {file} --whole`" if file else "--whole"
        output.talk(
            f"{counted(more, 'line')} more: every step with its exact writes, what to do if one "
            f"fails, observations, proof: {by}"
        )
        return
    if face == "json":
        shown = render(document.plan, document.digest, face)
        output.result(json_shown(shown) if sys.stdout.isatty() else shown)
        return
    limit = max_chars or (CHARS_MAX if face == "markdown" else None)
    output.result(
        render(
            document.plan,
            document.digest,
            face,
            max_chars=limit,
            colour=output.coloured(sys.stdout),
            width=output.columns(),
        )
    )
