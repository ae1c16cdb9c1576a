"""``rollback doctor``: is this machine ready to roll back, before anybody has to."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

import click

from rollback.cli import environments, options, output
from rollback.errors import ExitStatus
from rollback.rendering.escape import clipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollback.model.ports import Check

_SEEN_CHARS_MAX = 800
_COLUMNS_MIN = 60


def _table(checks: Sequence[Check], columns: int) -> Iterator[str]:
    """A line a check, its words wrapped under each other."""
    named = [clipped(each.name, 60) for each in checks]
    wide = min(max(map(len, named), default=0), columns // 2)
    lead = " " * (wide + 7)
    for each, name in zip(checks, named, strict=True):
        word = "ok" if each.holds else "FAIL" if each.weight == "must" else "weak"
        seen = wrap(clipped(each.seen, _SEEN_CHARS_MAX), columns - len(lead)) or [""]
        yield f"{word:<5}{name:<{wide}}  {seen[0]}"
        for more in seen[1:]:
            yield lead + more


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
    """Look, by reading only, at everything a rollback will need.

    Variables and files of the environment, the guard, the clock, Resource Manager and warm-up, what
    the credentials could do to the Cosmos account, evidence store, lease, mirror, halt authority.

    FAIL must hold; weak is worth mending. Exit 0 when everything that must hold does, 3 when not.
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
        for line in _table(checks, max(output.columns(), _COLUMNS_MIN)):
            output.result(line)
        failed = sum(not each.holds and each.weight == "must" for each in checks)
        weak = sum(not each.holds and each.weight != "must" for each in checks)
        said = "ready" if ready else f"not ready: {failed} of {len(checks)} checks FAIL"
        output.talk(f"{said}; {weak} weak" if weak else said)
    return int(ExitStatus.DONE if ready else ExitStatus.REFUSED)
