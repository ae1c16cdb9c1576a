"""``rollback lease``: who holds what, and giving up a lease that stands in the way."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rollback.cli import environments, options, output
from rollback.cli.endings import print_ending
from rollback.cli.hold import environment_of
from rollback.cli.progress import progress
from rollback.errors import ExitStatus, RollbackError
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from rollback.wiring import Operator, PlanDocument
    from rollback.wiring.lease_release import LeaseShown


@click.group(
    epilog="""\b
Examples:
  rollback lease show --environment production.yaml
  rollback lease release web --environment production.yaml

\b
A lease is the exclusive right to change a surface. It runs out by itself when its holder dies,
and can then be taken at once; halts never need one. You seldom have to release one by hand.
"""
)
def lease() -> None:
    """Who holds the right to change what: show it, or give it up."""


@lease.command()
@options.environment_named
@options.as_json
@click.pass_obj
def show(state: str | None, *, environment: str | None, as_json: bool) -> int:
    """Show each surface's lease: its holder, step and age, and the next safe move. Reads only."""
    operator = environments.operator(environments.load(environment_of(environment)), state)
    found = operator.leases()
    if as_json:
        output.result_json([asdict(one) for one in found])
        return ExitStatus.DONE
    for one in found:
        output.result_spaced(_line(one))
        output.result_spaced(f"{'':10} next: {one.next_move}")
    return ExitStatus.DONE


@lease.command(
    epilog="""\b
Exit 0 when nobody holds it any more (or nobody did), 12 when its holder is moving users.
"""
)
@click.argument("surface", metavar="SURFACE")
@options.environment_named
@click.option("--incident", metavar="ID", help="The incident this belongs to.")
@options.as_json
@click.pass_obj
def release(
    state: str | None,
    *,
    surface: str,
    environment: str | None,
    incident: str | None,
    as_json: bool,
) -> int:
    """Give up the lease on SURFACE, and what its holder holds besides, by a plan applied at once.

    A run takes what it changes all or none, and loses all with one: what it held besides would only
    stand in the way. Done where the lease ran out or its holder only observes. A holder in the
    middle of its moves, on any of its surfaces, keeps all: let it finish, or wait until it runs
    out.
    """
    file = environment_of(environment)
    operator = environments.operator(environments.load(file), state)
    document = operator.plan_lease_release(surface, incident=incident)
    refused = [one for step in document.plan.steps for one in step.refused]
    for one in refused:
        output.talk(f"refused: {one.reason}")
        output.talk(f"hint: {one.next_move}")
    if refused:
        if as_json:
            output.result_json(
                {
                    "exit_status": document.exit_status.value,
                    "reason": refused[0].reason,
                    "next_move": refused[0].next_move,
                }
            )
        return document.exit_status.value
    giving = [change.summary for _, change in document.plan.updates]
    for summary in giving:
        output.talk(summary)
    environments.remember(document.plan, file, options.state_root(state))
    hears = progress()
    try:
        result = operator.apply(document, progress=hears)
    finally:
        hears.close()
    if giving:
        _say_what_is_left(operator, document)
    return print_ending(document, result, as_json=as_json)


def _say_what_is_left(operator: Operator, document: PlanDocument) -> None:
    """What those whose leases were to be given up hold all the same."""
    holders = {
        fact.value for _, change in document.plan.updates for fact in change.before
        if fact.name == "holder"
    }  # fmt: skip
    try:
        found = operator.leases()
    except RollbackError as error:
        output.talk(f"what they hold now cannot be read: {error.reason}")
        return
    for one in found:
        if one.standing == "unreadable":
            output.talk(f"who holds {one.surface} cannot be read; next: {one.next_move}")
        elif one.holder in holders:
            output.talk(f"still held: {_line(one)}; next: {one.next_move}")


def _line(one: LeaseShown) -> str:
    if one.standing == "free":
        return f"{'free':10} {one.surface} (fence {one.fence})"
    if one.standing == "unreadable":
        return f"{'unread':10} {one.surface}: what is written there cannot be read"
    said = f"{one.surface} held by {one.holder}, at {one.doing!r}, {spoken(one.age_s)} ago"
    also = f"; it holds {' and '.join(one.also)} too" if one.also else ""
    return f"{one.standing:10} {said} (fence {one.fence}){also}"
