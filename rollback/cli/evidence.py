"""``rollback evidence``: what a reviewer does with a bundle, offline."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from importlib import import_module
from typing import Any

import click

from rollback.cli import options, output
from rollback.errors import ExitStatus
from rollback.rendering.escape import visible


@click.group()
def evidence() -> None:
    """Verify evidence, offline."""


@evidence.command(
    epilog="""\b
Example:
  rollback evidence verify evidence/r-20261123-0936-4f2a
"""
)
@click.argument("bundle", type=click.Path(exists=True))
@options.as_json
def verify(bundle: str, as_json: bool) -> int:  # noqa: FBT001
    """Verify BUNDLE from its own files: every digest, the journal's chain, the plan, completeness.

    Needs no network and no environment. Exit 0 when it holds, 9 when not.
    """
    check = import_module("rollback.evidence.verify").verify_bundle(bundle)
    holds = bool(check.holds)
    if as_json:
        output.result_json({"bundle": bundle, "holds": holds, **_plain(check)})
    else:
        output.result(visible(f"{bundle}: {'holds' if holds else 'does not hold'}"))
        for problem in _problems(check):
            output.result("  " + visible(problem))
    return int(ExitStatus.DONE if holds else ExitStatus.EVIDENCE)


def _problems(check: Any) -> tuple[str, ...]:
    problems = getattr(check, "problems", None)
    if problems is None:
        problem = getattr(check, "problem", "")
        return (str(problem),) if problem else ()
    return tuple(str(problem) for problem in problems)


def _plain(check: Any) -> dict[str, Any]:
    if is_dataclass(check) and not isinstance(check, type):
        return {
            name: value
            for name, value in asdict(check).items()
            if isinstance(value, str | int | bool | list | tuple | type(None))
        } | {"problems": list(_problems(check))}
    return {"problems": list(_problems(check))}
