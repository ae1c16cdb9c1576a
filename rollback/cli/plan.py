"""``rollback plan``: the world is read, a plan is made and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollback.cli import environments, options, output, posts
from rollback.cli.faces import show_plan, whole_plan

if TYPE_CHECKING:
    from rollback.rendering.faces import Format


@click.command(
    epilog="""\b
Examples:
  rollback plan full-rollback --environment production.yaml --incident INC-4711 --out plan.json
  rollback plan backend-only --environment production.yaml --set to=2026.11.20-3 --out plan.json
  rollback plan full-rollback --environment production.yaml --format markdown > ticket.md
  rollback plan full-rollback --environment production.yaml --out plan.json --post desk

\b
Exit 0 for a plan, with or without changes; 3 for a refused one, which is shown all the same with
why, the next possible move, and what --only-safe could still apply; 7 when halt authority is why.
A post that fails is said and changes no exit status; `rollback show PLAN --post` tries again.
"""
)
@click.argument("playbook", shell_complete=options.playbooks_like)
@click.option(
    "--environment",
    metavar="ENV",
    required=True,
    envvar=environments.VARIABLE,
    help="Environment file.",
)
@click.option(
    "--set",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a parameter of the playbook.",
)
@click.option("--incident", metavar="ID", help="The incident this is for.")
@click.option(
    "--trigger", metavar="NAME", help="What made it necessary; it decides the order of reverts."
)
@posts.to_channels
@click.option("--out", metavar="FILE", help="Keep the plan here, to be approved and applied.")
@click.option(
    "--format", "face", type=click.Choice(options.FORMATS), default="text", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@whole_plan
@click.option(
    "--max-chars", type=click.IntRange(min=1), help="Cut to this many characters (Markdown: 65536)."
)
@click.pass_obj
def plan(  # noqa: PLR0913 - options of a command line
    state: str | None,
    *,
    playbook: str,
    environment: str,
    parameters: tuple[str, ...],
    incident: str | None,
    trigger: str | None,
    channels: tuple[str, ...],
    out: str | None,
    face: Format,
    as_json: bool,
    whole: bool,
    max_chars: int | None,
) -> int:
    """Look at the world, read-only, and make a plan of PLAYBOOK (a shipped name or a file).

    A plan lists every write that would be sent; nothing else can be. Making one changes nothing.
    """
    from playbooks import find
    from rollback.loading.playbook import load_playbook

    if out is not None:
        output.check_place(Path(out), output.PLAN)
    values = options.pairs(parameters, "--set", "NAME=VALUE")
    read = load_playbook(find(playbook))
    where = environments.load(environment)
    operator = environments.operator(where, state)
    document = operator.plan(
        read, incident=incident, trigger=trigger, parameters=values
    )
    environments.remember(document.plan, environment, options.state_root(state))
    if out is not None:
        output.write_file(Path(out), document.canonical)
    show_plan(document, "json" if as_json else face, max_chars, whole=whole, file=out)
    if out is not None:
        output.talk(f"plan {document.digest} is in {out}")
    elif face != "json" and not as_json:
        output.talk("hint: the plan was not kept; give --out FILE to have it approved and applied")
    posts.post(operator, document, channels)
    return int(document.exit_status)
