"""Plans posted to channels from the command line, and what became of each post in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rollback.cli import output
from rollback.errors import ExitStatus, RollbackError

if TYPE_CHECKING:
    from rollback.wiring import Operator, PlanDocument
    from rollback.wiring.posting import Posted

to_channels = click.option(
    "--post",
    "channels",
    metavar="CHANNEL",
    multiple=True,
    help="Post the plan to this channel of the environment, once; repeat for each.",
)
_WORDS = {
    "posted": "posted to",
    "before": "stood before in",
    "not-posted": "NOT posted to",
    "unknown": "NOT KNOWN whether it was posted to",
}


def post(operator: Operator, document: PlanDocument, channels: tuple[str, ...]) -> ExitStatus:
    """Post to each channel and say what became of it; 6 where one of them may not have it.

    No post stops the others, nor whoever asks: what goes wrong is said.
    """
    status = ExitStatus.DONE
    for channel in dict.fromkeys(channels):
        try:
            posted = operator.post(document, channel)
        except RollbackError as error:
            output.talk(f"plan NOT posted to {channel}: {error.code}: {error.reason}")
            if error.hint:
                output.talk(f"hint: {error.hint}")
            status = max(status, error.exit_status)
            continue
        output.talk(_said(posted))
        if not posted.stands:
            status = max(status, ExitStatus.PERSON)
    return status


def _said(posted: Posted) -> str:
    why = "" if posted.stands else f": {posted.why}"
    return f"plan {_WORDS[posted.outcome]} {posted.channel}{why}"
