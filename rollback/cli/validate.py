"""``rollback validate``: files checked before anything is looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from rollback.errors import Complaint, ExitStatus, InputError, RollbackError

if TYPE_CHECKING:
    from rollback.loading.environment import Environment


@click.command(
    epilog="""\b
Examples:
  rollback validate full-rollback
  rollback validate my-playbook.yaml --environment production.yaml
  rollback validate playbooks/*.yaml --json
"""
)
@click.argument("playbooks", metavar="PLAYBOOK...", nargs=-1, required=True)
@click.option("--environment", metavar="ENV", help="An environment file to check them against.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def validate(playbooks: tuple[str, ...], environment: str | None, as_json: bool) -> int:  # noqa: FBT001
    """Check playbooks, shipped by name or your own files, and an environment with them.

    Of an environment, the files it names (signers, certificates) are read too.

    Every complaint is told at once, with file, line, what is wrong and what was expected. Nothing
    is contacted, and no secret is needed. Exit 0 when all is well, 2 when not.
    """
    problems: list[InputError] = []
    lines: list[str] = []
    where = None
    if environment is not None:
        from rollback.loading.environment import load_environment

        try:
            where = load_environment(environment)
            _files(where)
            lines.append(f"{environment}: environment {where.environment} is well formed")
        except InputError as error:
            problems.append(error)
    for name in playbooks:
        try:
            from playbooks import find
            from rollback.loading.playbook import load_playbook

            read = load_playbook(find(name))
            if where is not None:
                from rollback.loading.together import check_together

                if complaints := check_together(read, where):
                    raise InputError(  # noqa: TRY301 - told with the others
                        "input.together",
                        f"{name} does not fit {environment}",
                        hint="correct the lines named, or name another environment",
                        complaints=complaints,
                    )
            lines.append(
                f"{name}: playbook {read.playbook} is well formed, {len(read.steps)} steps"
            )
        except InputError as error:
            problems.append(error)
    if as_json:
        click.echo(json.dumps({"valid": not problems, "complaints": _plain(problems)}, indent=2))
    else:
        for text in lines:
            _echo(text)
        _tell(problems)
    return int(ExitStatus.USAGE if problems else ExitStatus.DONE)


def _files(environment: Environment) -> None:
    """Raises InputError where a file that the environment names is not as it must be."""
    from rollback.wiring.named_files import check_named_files

    if complaints := check_named_files(environment):
        raise InputError(
            "environment.files",
            "a file that the environment names is not as it must be",
            hint="correct the files or the lines that name them",
            complaints=complaints,
        )


def _tell(problems: list[InputError]) -> None:
    if problems:
        from rollback.cli.main import complain

        for problem in problems:
            complain(problem)


def _echo(text: str) -> None:
    from rollback.rendering.escape import visible

    click.echo(visible(text))


def _plain(problems: list[InputError]) -> list[dict[str, object]]:
    return [
        {
            "code": problem.code,
            "reason": problem.reason,
            "hint": problem.hint,
            "file": each.file if each else None,
            "line": each.line if each else None,
            "column": each.column if each else None,
            "path": each.path if each else None,
            "problem": each.problem if each else problem.reason,
            "expected": each.expected if each else None,
        }
        for problem in problems
        for each in _complaints(problem)
    ]


def _complaints(problem: RollbackError) -> tuple[Complaint | None, ...]:
    complaints = problem.complaints if isinstance(problem, InputError) else ()
    return complaints or (None,)
