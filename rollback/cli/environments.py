"""Find the environment file of a plan or run, so that nobody types it again at night.

Order: ``--environment``; ROLLBACK_ENVIRONMENT; the file that ``rollback plan`` was given on this
machine; ``NAME.yaml`` here, under ``environments/``, or beside the plan. Whether it is the very
environment of the plan is checked where the plan is applied, by name and digest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.cli import quiet
from rollback.connectors.folders import make_folder
from rollback.errors import InputError

if TYPE_CHECKING:
    from rollback.loading.environment import Environment
    from rollback.model.plan import Plan
    from rollback.running.store import RunDirectory
    from rollback.wiring import Operator, PlanDocument

VARIABLE = "ROLLBACK_ENVIRONMENT"
_PATH_BYTES_MAX = 4_096


def load(path: str) -> Environment:
    """Load an environment file. Raises InputError with every complaint."""
    from rollback.loading.environment import load_environment

    return load_environment(path)


def operator(environment: Environment, state: str | None) -> Operator:
    """The operator of an environment, with the net cast over this process."""
    from rollback.cli import output
    from rollback.model.scope import HostKind
    from rollback.wiring import Operator
    from rollback.wiring.process_watch import ProcessWatch

    quiet.vendors()
    watch = ProcessWatch(refuse=frozenset({HostKind.COSMOS}), tell=output.talk)
    return Operator(environment, state=state, watch=watch)


def remember(plan: Plan, path: str, state: Path) -> None:
    """Note on this machine which file the plan's environment came from. A failure is no matter."""
    note = _note(plan, state)
    try:
        make_folder(note.parent)
        note.write_text(str(Path(path).absolute()), encoding="utf-8")
    except OSError:
        return


def find(plan: Plan, given: str | None, state: Path, beside: Path | None = None) -> str:
    """The environment file for this plan. Raises InputError where none is found."""
    if named := given or os.environ.get(VARIABLE):
        return named
    note = _note(plan, state)
    try:
        noted = note.read_text(encoding="utf-8")[:_PATH_BYTES_MAX]
    except (OSError, UnicodeDecodeError):
        noted = ""
    name = f"{plan.environment}.yaml"
    places = [Path(noted)] if noted else []
    places += [Path(name), Path("environments") / name]
    places += [beside.parent / name] if beside is not None else []
    for place in places:
        if place.is_file():
            return str(place)
    raise InputError(
        "environment.not-found",
        f"no environment file for {plan.environment} was found",
        hint=f"give --environment FILE, or set {VARIABLE}",
    )


def run_of(
    run: str, environment: str | None, state: str | None
) -> tuple[RunDirectory, PlanDocument]:
    """A run's folder and its plan; one of another machine is brought here from the mirror.

    Raises InputError where it is not here and no environment file is named.
    """
    from rollback.cli import options

    try:
        return options.run_and_plan(state, run)
    except InputError:
        elsewhere = environment or os.environ.get(VARIABLE)
        if not elsewhere:
            raise
        operator(load(elsewhere), state).take_up(run)
        return options.run_and_plan(state, run)


def _note(plan: Plan, state: Path) -> Path:
    return state / "environments" / plan.environment_digest
