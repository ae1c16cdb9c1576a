"""``rollback evidence capture``: evidence without a rollback, by the one road for writes."""

from __future__ import annotations

from typing import Literal

import click

from rollback.cli import environments, options, output, people
from rollback.cli.endings import print_ending
from rollback.cli.progress import progress
from rollback.errors import InputError
from rollback.model.base import seconds


@click.command(
    epilog="""\b
Examples:
  rollback evidence capture --environment production.yaml --incident INC-4711
  rollback evidence capture --environment production.yaml --window 2h --sources durable

\b
A plan of one step is made and applied: it may create chunks of evidence and seal a bundle, and
nothing else. It moves nobody and needs nobody's approval. Sources are read only; each is bounded in
time, and what could not be read is said in the bundle, not hidden.

\b
Exit 0 when it was captured and sealed; 9 when evidence could be written nowhere.
"""
)
@click.option(
    "--environment",
    metavar="ENV",
    required=True,
    envvar=environments.VARIABLE,
    help="Environment file.",
)
@click.option(
    "--window",
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="How far back durable sources are read, like 90m or 2d.",
)
@click.option(
    "--sources",
    type=click.Choice(("all", "volatile", "durable")),
    default="all",
    show_default=True,
    help="volatile: what the next change destroys; durable: what the platform keeps.",
)
@click.option("--incident", metavar="ID", help="The incident this is for.")
@options.as_json
@click.pass_obj
def capture(
    state: str | None,
    *,
    environment: str,
    window: str,
    sources: Literal["all", "volatile", "durable"],
    incident: str | None,
    as_json: bool,
) -> int:
    """Capture evidence now, without a rollback, and seal a bundle of it."""
    window_s = seconds(window)
    if not isinstance(window_s, int) or window_s <= 0:
        raise InputError(
            "usage.window", f"--window {window!r} is not a duration", hint="write 90m, 24h or 2d"
        )
    from rollback.wiring.capture_alone import capture_playbook

    where = environments.load(environment)
    operator = environments.operator(where, state)
    document = operator.plan(capture_playbook(window_s, sources), incident=incident)
    environments.remember(document.plan, environment, options.state_root(state))
    for effect in document.plan.effects:
        output.talk(f"may: {effect.says}")
    hears = progress()
    try:
        with people.interruptible(
            lambda: people.in_doubt(operator.setting.state, document.digest)
        ) as stopping:
            result = operator.apply(document, progress=hears, stopping=stopping)
    finally:
        hears.close()
    return print_ending(document, result, as_json=as_json)
