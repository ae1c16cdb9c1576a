"""``rollback show``: a plan again, here or in a channel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollback.cli import environments, options, posts
from rollback.cli.faces import show_plan, warn_of_age, whole_plan
from rollback.cli.judging import judge
from rollback.cli.plan_files import load_plan

if TYPE_CHECKING:
    from rollback.rendering.faces import Format


@click.command(
    epilog="""\b
Examples:
  rollback show plan.json
  rollback show plan.json --whole | less
  rollback show plan.json --format html > plan.html
  rollback show plan.json --format markdown --max-chars 30000
  rollback show plan.json --post desk

\b
A plan is posted to a channel once: where the service can be searched (issues of GitHub and
Jira) it is looked for first, elsewhere this machine remembers. Exit 0 where it stands in every
channel named, 6 where it may not, 3 when the plan was edited.
"""
)
@click.argument("plan", metavar="PLAN")
@click.option(
    "--format", "face", type=click.Choice(options.FORMATS), default="text", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@whole_plan
@click.option(
    "--max-chars", type=click.IntRange(min=1), help="Cut to this many characters (Markdown: 65536)."
)
@posts.to_channels
@options.environment_file
@click.pass_obj
def show(
    state: str | None,
    *,
    plan: str,
    face: Format,
    as_json: bool,
    whole: bool,
    max_chars: int | None,
    channels: tuple[str, ...],
    environment: str | None,
) -> int:
    """Show PLAN, a file that `rollback plan --out` wrote, and post it where asked.

    Exit 3 when it was edited since: its bytes, or, where the environment file is found here, a line
    that does not follow when it is planned again from its own observations. One that another
    version made is shown, and you are told.
    """
    document = load_plan(plan)
    judged = judge(document, environment, state, Path(plan))
    if judged.edited is not None and document.made_here:
        raise judged.edited
    show_plan(document, "json" if as_json else face, max_chars, whole=whole, file=plan)
    warn_of_age(document)
    judged.say()
    if not channels:
        return 0
    root = options.state_root(state)
    where = environments.load(environments.find(document.plan, environment, root, Path(plan)))
    return posts.post(environments.operator(where, state), document, channels)
