"""``rollback apply``: the plan's writes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from rollback.cli import environments, options, output, people
from rollback.cli.endings import print_ending
from rollback.cli.plan_files import load_plan
from rollback.cli.progress import progress
from rollback.errors import InputError


@click.command(
    epilog="""\b
Examples:
  rollback apply plan.json --approval ana.json --approval ben.json
  rollback apply plan.json --only-safe
  rollback apply plan.json --approval ana.json --attest 'Dana Reyes: trading is halted at the venue'
  rollback apply plan.json --break-glass 'INC-4711: nobody can sign, users see other tenants'

\b
Stops and halts go first and wait for nobody. What moves users waits for approval, lease, evidence
and proof. The world is read again before each step; a lost answer is looked for, never sent again.
A plan applies once. Ctrl-C stops cleanly; `rollback resume RUN` goes on.
"""
)
@click.argument("plan", metavar="PLAN")
@options.environment_file
@options.approval_files
@click.option(
    "--only-safe",
    is_flag=True,
    help="Apply exactly what moves toward safety, and captures. Needs nobody.",
)
@click.option(
    "--break-glass",
    metavar="REASON",
    help="Skip approval, never a promise. The reason stands first in every report.",
)
@options.attestations
@options.non_interactive
@options.as_json
@click.pass_obj
def apply(  # noqa: PLR0913 - options of a command line
    state: str | None,
    *,
    plan: str,
    environment: str | None,
    approvals: tuple[str, ...],
    only_safe: bool,
    break_glass: str | None,
    attestations: tuple[str, ...],
    non_interactive: bool,
    as_json: bool,
) -> int:
    """Apply PLAN, a file that `rollback plan --out` wrote, once."""
    if break_glass is not None and not break_glass.strip():
        raise InputError(
            "usage.break-glass", "--break-glass needs a reason", hint="say why, in words"
        )
    said = people.read_attestations(attestations)
    document = load_plan(plan)
    root = options.state_root(state)
    found = environments.find(document.plan, environment, root, Path(plan))
    loaded = environments.load(found)
    operator = environments.operator(loaded, state)
    if loaded.environment == document.plan.environment:
        # Whoever goes on with the run, or halts by its plan, need not name the file again.
        environments.remember(document.plan, found, root)
    hears = progress()
    # To the end of what is told: a second interrupt there is told the run's name too.
    with people.interruptible(
        lambda: people.in_doubt(operator.setting.state, document.digest)
    ) as stopping:
        try:
            result = operator.apply(
                document,
                approvals=[Path(each) for each in approvals],
                only_safe=only_safe,
                break_glass=break_glass or "",
                attestations=said,
                people=people.AtTerminal(hears, non_interactive),
                progress=hears,
                stopping=stopping,
            )
        finally:
            hears.close()
        output.talk(f"run {result.run}")
        return print_ending(document, result, as_json=as_json)
