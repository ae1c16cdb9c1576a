"""``rollback hold``: what is on hold, and the plan that releases a hold."""

from __future__ import annotations

import os
from pathlib import Path

import click

from rollback.cli import environments, options, output
from rollback.errors import InputError


@click.group(
    epilog="""\b
Examples:
  rollback hold show --environment production.yaml
  rollback hold release web 2026.11.2 --environment production.yaml --out release.json

\b
A rollback puts the release it takes back on hold (the action hold_release). One on hold is never
restored, and is an alarm where it is seen again: `rollback watch-hold`.
"""
)
def hold() -> None:
    """Releases marked bad: show them, or plan a release of one."""


@hold.command()
@options.environment_named
@options.as_json
@click.pass_obj
def show(state: str | None, *, environment: str | None, as_json: bool) -> int:
    """List every release that is or was on hold. Reads only."""
    operator = environments.operator(environments.load(environment_of(environment)), state)
    found = operator.holds()
    if as_json:
        said = [
            {
                "surface": one.surface,
                "build": one.build,
                "held": one.held,
                "words": one.number,
            }
            for one in found
        ]
        output.result_json(said)
        return 0
    for one in found:
        output.result_spaced(f"{'on hold' if one.held else 'released':9} {one.surface} {one.build}")
    if not found:
        output.talk("no release was ever put on hold here")
    return 0


@hold.command(
    epilog="""\b
It moves away from safety, so the plan is approved and applied like any other:
  rollback approve release.json --key KEY      rollback apply release.json --approval FILE
"""
)
@click.argument("surface", metavar="SURFACE")
@click.argument("build", metavar="BUILD")
@options.environment_named
@click.option("--incident", metavar="ID", help="The incident this belongs to.")
@click.option("--out", metavar="FILE", required=True, help="Where the plan is written.")
@click.pass_obj
def release(
    state: str | None,
    *,
    surface: str,
    build: str,
    environment: str | None,
    incident: str | None,
    out: str,
) -> int:
    """Plan to release the hold on BUILD of SURFACE. Sends nothing."""
    output.check_place(Path(out), output.PLAN)
    file = environment_of(environment)
    operator = environments.operator(environments.load(file), state)
    document = operator.plan_hold_release(surface, build, incident=incident)
    output.write_file(Path(out), document.canonical)
    environments.remember(document.plan, file, options.state_root(state))
    output.result(document.to_text())
    output.talk(f"plan {document.digest[:12]} written to {out}")
    return document.exit_status.value


def environment_of(given: str | None) -> str:
    """The environment file that was named. Raises InputError where none was."""
    named = given or os.environ.get(environments.VARIABLE)
    if not named:
        raise InputError(
            "environment.not-named",
            "no environment is named",
            hint=f"give --environment FILE, or set {environments.VARIABLE}",
        )
    return named
