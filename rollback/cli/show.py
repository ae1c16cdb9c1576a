"""``rollback show``: a plan again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rollback.cli import options
from rollback.cli.faces import show_plan

if TYPE_CHECKING:
    from rollback.rendering.faces import Format


@click.command(
    epilog="""\b
Examples:
  rollback show plan.json
  rollback show plan.json --format html > plan.html
  rollback show plan.json --format markdown --max-chars 30000
"""
)
@click.argument("plan", metavar="PLAN")
@click.option(
    "--format", "face", type=click.Choice(options.FORMATS), default="text", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--max-chars", type=click.IntRange(min=1), help="Cut to this many characters (Markdown: 65536)."
)
def show(plan: str, face: Format, as_json: bool, max_chars: int | None) -> int:  # noqa: FBT001
    """Show PLAN, a file that `rollback plan --out` wrote. Exit 3 when it was edited since."""
    from rollback.wiring import PlanDocument

    document = PlanDocument.load(plan)
    show_plan(document, "json" if as_json else face, max_chars)
    return 0
