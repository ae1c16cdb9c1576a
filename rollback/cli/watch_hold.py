"""``rollback watch-hold``: whether a release that was marked bad is seen again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rollback.cli import environments, options, output, people
from rollback.cli.hold import environment_of
from rollback.errors import ExitStatus

if TYPE_CHECKING:
    from rollback.actions.held_seen import HeldSeen


BLIND_MAX = 3
"""With --every: so many looks in a row that see not everything end it. One is a passing fault."""


@click.command(
    "watch-hold",
    epilog="""\b
Examples:
  rollback watch-hold --environment production.yaml
  rollback watch-hold --environment production.yaml --every 60

\b
Exit 0 when no release on hold is seen, 8 when one is, 6 when not everything could be looked at.
In the stable slot, where a swap leaves it and nothing leads users there, it is parked: said, and no
alarm, unless --parked.
""",
)
@options.environment_named
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.IntRange(min=1),
    help="Look again and again, until one is seen, three looks in a row cannot see everything, or "
    "Ctrl-C.",
)
@click.option("--parked", is_flag=True, help="A parked release is an alarm too.")
@options.as_json
@click.pass_obj
def watch_hold(
    state: str | None,
    *,
    environment: str | None,
    every: int | None,
    parked: bool,
    as_json: bool,
) -> int:
    """Look for every release on hold, on every slot and host. Reads only."""
    operator = environments.operator(environments.load(environment_of(environment)), state)
    with people.interruptible(lambda: "nothing was sent: it only looks") as stopping:
        blind = 0
        while True:
            seen = operator.watch_holds()
            status = _status(seen, parked=parked)
            blind = blind + 1 if status is ExitStatus.PERSON else 0
            ends = status is ExitStatus.VERIFICATION or blind == BLIND_MAX
            if ends or every is None or stopping():
                break
            for gap in seen.gaps:
                output.talk(f"not seen  {gap}")
            output.talk(_said(seen))
            for _ in range(every * 2):  # in short steps, so that Ctrl-C is heard at once
                if not stopping():
                    operator.setting.clock.sleep(0.5)
            if stopping():
                break
    if as_json:
        output.result_json(
            {
                "exit_status": status.value,
                "on_hold": [f"{surface} {build}" for surface, build in seen.held],
                "seen": [
                    {
                        "surface": one.surface,
                        "build": one.build,
                        "slot": one.slot,
                        "host": one.host,
                        "parked": one.parked,
                    }
                    for one in seen.sightings
                ],
                "not_looked_at": list(seen.gaps),
            }
        )
        return status.value
    for surface, build in seen.held:
        output.result_spaced(f"on hold   {build} of {surface}")
    for one in seen.sightings:
        output.result_spaced(f"{'parked' if one.parked else 'SEEN':9} {one}")
    for gap in seen.gaps:
        output.result_spaced(f"not seen  {gap}")
    output.result_spaced(_said(seen))
    return status.value


def _status(seen: HeldSeen, *, parked: bool) -> ExitStatus:
    if seen.alarms or (parked and seen.sightings):
        return ExitStatus.VERIFICATION
    return ExitStatus.PERSON if seen.gaps else ExitStatus.DONE


def _said(seen: HeldSeen) -> str:
    if seen.alarms:
        return "a release on hold is seen again: find out who deployed it, and roll back"
    if seen.gaps:
        return "not everything could be looked at, so nothing is said of it"
    return f"{len(seen.held)} on hold, none seen where users could reach it"

