"""``rollback doctor``: is this machine ready to roll back, before anybody has to."""

from __future__ import annotations

import click

from rollback.cli import environments, options, output
from rollback.errors import ExitStatus
from rollback.rendering.escape import clipped

_SEEN_CHARS_MAX = 400


@click.command(
    epilog="""\b
Example:
  rollback doctor --environment production.yaml
"""
)
@click.option(
    "--environment",
    metavar="ENV",
    required=True,
    envvar=environments.VARIABLE,
    help="Environment file.",
)
@options.as_json
@click.pass_obj
def doctor(state: str | None, environment: str, as_json: bool) -> int:  # noqa: FBT001
    """Check credentials, reachability, clock, state folder and evidence store, by reading only.

    Exit 0 when everything that must hold does, 3 when not.
    """
    operator = environments.operator(environments.load(environment), state)
    checks = operator.doctor()
    ready = all(check.holds for check in checks if check.weight == "must")
    if as_json:
        output.result_json(
            {
                "ready": ready,
                "checks": [
                    {
                        "name": each.name,
                        "holds": each.holds,
                        "seen": each.seen,
                        "weight": each.weight,
                    }
                    for each in checks
                ],
            }
        )
    else:
        for each in checks:
            word = "ok  " if each.holds else "FAIL" if each.weight == "must" else "weak"
            output.result(f"{word} {clipped(each.name, 80)}: {clipped(each.seen, _SEEN_CHARS_MAX)}")
    return int(ExitStatus.DONE if ready else ExitStatus.REFUSED)
