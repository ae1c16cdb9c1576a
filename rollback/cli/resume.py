"""``rollback resume``: go on with an interrupted run."""

from __future__ import annotations

from pathlib import Path

import click

from rollback.cli import environments, options, people
from rollback.cli.endings import print_ending
from rollback.cli.progress import progress


@click.command(
    epilog="""\b
Examples:
  rollback resume latest
  rollback resume r-20261123-0936-4f2a
  rollback resume latest --said 'revert-backend#swap=applied'
  rollback resume r-20261123-0936-4f2a --environment production.yaml

\b
What was sent is looked for first, and never sent again blindly. Where looking cannot tell, look
yourself (at the builds each instance serves), then say what you saw with --said. A run of another
machine is taken from the environment's journal mirror, by its whole name.
"""
)
@click.argument("run", metavar="RUN")
@options.environment_file
@options.approval_files
@options.attestations
@click.option(
    "--said",
    metavar="EFFECT=applied|not-applied",
    multiple=True,
    help="What became of a write whose outcome is unknown; your word is recorded.",
)
@options.non_interactive
@options.as_json
@click.pass_obj
def resume(
    state: str | None,
    *,
    run: str,
    environment: str | None,
    approvals: tuple[str, ...],
    attestations: tuple[str, ...],
    said: tuple[str, ...],
    non_interactive: bool,
    as_json: bool,
) -> int:
    """Go on with RUN: its name, the start or end of it, or `latest`."""
    words = options.said_pairs(said)
    attested = people.read_attestations(attestations)
    directory, document = environments.run_of(run, environment, state)
    found = environments.find(document.plan, environment, options.state_root(state))
    operator = environments.operator(environments.load(found), state)
    hears = progress()
    # To the end of what is told: a second interrupt there is told the run's name too.
    with people.interruptible(
        lambda: people.in_doubt(operator.setting.state, document.digest)
    ) as stopping:
        try:
            result = operator.resume(
                directory.run,
                said=words,
                approvals=[Path(each) for each in approvals],
                attestations=attested,
                people=people.AtTerminal(hears, non_interactive),
                progress=hears,
                stopping=stopping,
            )
        finally:
            hears.close()
        return print_ending(document, result, as_json=as_json)
