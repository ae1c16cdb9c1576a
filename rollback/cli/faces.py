"""Plans on standard output, in a face."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rollback.cli import output

if TYPE_CHECKING:
    from rollback.rendering.faces import Format
    from rollback.wiring import PlanDocument


def show_plan(document: PlanDocument, face: Format, max_chars: int | None) -> None:
    """Print a plan. Markdown is cut to a ticket's size; the others only when asked."""
    from rollback.rendering.faces import CHARS_MAX, render

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
