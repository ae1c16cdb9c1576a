"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from rollback.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from rollback.running.store import RunDirectory, StateDirectory
    from rollback.wiring import PlanDocument

FORMATS = ("text", "markdown", "html", "json")
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
environment_file = click.option(
    "--environment",
    metavar="ENV",
    help="Environment file (default: found by the plan's environment; also ROLLBACK_ENVIRONMENT).",
)
environment_named = click.option(
    "--environment",
    metavar="ENV",
    help="Environment file (also ROLLBACK_ENVIRONMENT).",
)
approval_files = click.option(
    "--approval",
    "approvals",
    metavar="FILE",
    multiple=True,
    help="An approval file; repeat for each.",
)
attestations = click.option(
    "--attest",
    "attestations",
    metavar="'[ABOUT=]NAME: WORDS'",
    multiple=True,
    help="A named person's word. ABOUT: a confirm step; without it, the halt outside the platform.",
)
non_interactive = click.option(
    "--non-interactive", is_flag=True, help="Ask nobody, even at a terminal."
)


def playbooks_like(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For a shell that completes: shipped playbooks by name, or files."""
    del ctx, parameter
    from click.shell_completion import CompletionItem

    from playbooks import NAMES

    shipped = [CompletionItem(name) for name in NAMES if name.startswith(incomplete)]
    return shipped or [CompletionItem(incomplete, type="file")]


def pairs(given: Iterable[str], option: str, form: str) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping. Raises InputError."""
    read: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise InputError(
                "usage.pair", f"{option} {each!r} is not {form}", hint=f"write {option} {form}"
            )
        if name in read:
            raise InputError(
                "usage.pair-twice", f"{option} {name} is given twice", hint="give it once"
            )
        read[name] = value
    return read


def state_root(state: str | None) -> Path:
    """The folder of runs."""
    from rollback.running.store import StateDirectory

    return StateDirectory.locate(state, os.environ).root


def runs_of(state: str | None) -> StateDirectory:
    """The folder of runs, to read from. Raises InputError where a named one is not there.

    Where none is named, the user's own folder need not be there yet.
    """
    from rollback.running.store import VARIABLE, StateDirectory

    runs = StateDirectory.locate(state, os.environ)
    named = f"--state {state}" if state else VARIABLE if os.environ.get(VARIABLE) else ""
    if named and not runs.root.is_dir():
        what = "is no folder" if runs.root.exists() else "does not exist"
        raise InputError(
            "state.missing",
            f"there are no runs to read: {runs.root} {what} ({named})",
            hint="look for a slip in the path; runs are kept where they were applied",
        )
    return runs


def said_pairs(given: Iterable[str]) -> dict[str, str]:
    """``EFFECT=applied`` and ``EFFECT=not-applied``. Raises InputError."""
    read = pairs(given, "--said", "EFFECT=applied or EFFECT=not-applied")
    for effect, outcome in read.items():
        if outcome not in {"applied", "not-applied"}:
            raise InputError(
                "usage.said",
                f"--said {effect}: {outcome!r} is not an outcome",
                hint="look, then say applied or not-applied; if you cannot tell, say nothing",
            )
    return read


def run_and_plan(state: str | None, run: str) -> tuple[RunDirectory, PlanDocument]:
    """A run's folder and the plan it applies. Raises InputError."""
    from rollback.wiring import PlanDocument

    directory = runs_of(state).find(run)
    return directory, PlanDocument.read(directory.plan())
