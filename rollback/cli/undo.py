"""``rollback undo``: a new plan, never a hidden reversal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollback.cli import environments, options, output
from rollback.cli.faces import show_plan

if TYPE_CHECKING:
    from rollback.rendering.faces import Format


@click.command(
    epilog="""\b
Example:
  rollback undo latest --out undo.json
  rollback approve undo.json --key ~/.ssh/id_ed25519
  rollback apply undo.json --approval undo.ana.json
"""
)
@click.argument("run", metavar="RUN")
@options.environment_file
@click.option(
    "--set",
    "parameters",
    metavar="way=WAY",
    multiple=True,
    help="How users are moved back: auto, image, swap or artifact.",
)
@click.option("--out", metavar="PLAN", required=True, help="Where the plan goes.")
@click.option(
    "--format", "face", type=click.Choice(options.FORMATS), default="text", show_default=True
)
@options.as_json
@click.pass_obj
def undo(
    state: str | None,
    *,
    run: str,
    environment: str | None,
    parameters: tuple[str, ...],
    out: str,
    face: Format,
    as_json: bool,
) -> int:
    """Make a plan that restores what RUN changed, from the values recorded before each change.

    It goes through the same guard, proof and approvals as any plan. Making it changes nothing.
    A run of another machine is taken from the environment's journal mirror, by its whole name.
    """
    from rollback.running.journal import check_file

    output.check_place(Path(out), output.PLAN)
    directory, before = environments.run_of(run, environment, state)
    found = environments.find(before.plan, environment, options.state_root(state))
    operator = environments.operator(environments.load(found), state)
    given = options.pairs(parameters, "--set", "NAME=VALUE")
    document = operator.undo(directory.run, parameters=given)
    environments.remember(document.plan, found, options.state_root(state))
    output.write_file(Path(out), document.canonical)
    show_plan(document, "json" if as_json else face, None, whole=False, file=out)
    output.talk(f"plan {document.digest} is in {out}")
    if remark := check_file(directory.journal_path).remark:
        output.talk(f"note: {remark}; the plan takes back what the journal holds")
    return int(document.exit_status)
