"""``rollback rehearse``: the real code against a simulated platform on this machine."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollback.cli import output, quiet

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command(
    epilog="""\b
Examples:
  rollback rehearse
  rollback rehearse --scenario swap-500-after-effect
  rollback rehearse my-playbook.yaml --keep /tmp/rehearsal
  rollback rehearse --scenario all
  rollback rehearse --by-hand
"""
)
@click.argument("playbook", required=False)
@click.option(
    "--scenario", metavar="NAME|all", default="clean", show_default=True, help="What goes wrong."
)
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the simulated world, runs and bundles here.",
)
@click.option(
    "--at-once",
    metavar="N",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Scenarios of `all` to run side by side.",
)
@click.option(
    "--by-hand",
    is_flag=True,
    help="Stage it and wait: you plan, approve and apply, in another terminal.",
)
def rehearse(
    playbook: str | None, scenario: str, keep: Path | None, at_once: int, *, by_hand: bool
) -> int:
    """Practise: a bad release is live on a simulated platform, and is rolled back.

    Everything is on loopback and throwaway: keys, tokens, certificates. Exit 0 when it ended as the
    scenario says it must, promise by promise.
    """
    from rollback.wiring.packages import refuse_missing

    refuse_missing(("azure", "aws", "rehearsal"), "the rehearsal")
    from rollback.rehearsal.run import rehearse as play

    quiet.vendors()
    read = None
    if playbook is not None:
        from playbooks import find
        from rollback.loading.playbook import load_playbook

        read = load_playbook(find(playbook))
    with _hearing():
        return play(
            read,
            scenario,
            keep=keep,
            out=output.result,
            talk=output.talk_spaced,
            wait=signal.pause if by_hand else None,
            at_once=at_once,
        )


@contextmanager
def _hearing() -> Iterator[None]:
    """Ctrl-C, or what a supervisor sends, ends it and all that it started.

    A shell without job control starts its background commands deaf to Ctrl-C. By hand this one ends
    by nothing else, so it hears it all the same, as `apply` does.
    """
    heard = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in heard]
    try:
        yield
    finally:
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)
