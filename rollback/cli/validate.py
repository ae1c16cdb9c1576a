"""``rollback validate``: files checked before anything is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from rollback.cli import options
from rollback.errors import ExitStatus, InputError
from rollback.rendering.findings import Checked

if TYPE_CHECKING:
    from rollback.loading.environment import Environment

FORMATS = ("text", "json", "sarif", "junit")


@click.command(
    epilog="""\b
Examples:
  rollback validate full-rollback
  rollback validate my-playbook.yaml --environment production.yaml
  rollback validate playbooks/*.yaml --json
  rollback validate playbooks/*.yaml --format sarif > rollback.sarif
  rollback validate --environment production.yaml
"""
)
@click.argument(
    "playbooks", metavar="[PLAYBOOK]...", nargs=-1, shell_complete=options.playbooks_like
)
@click.option(
    "--environment",
    metavar="ENV",
    envvar="ROLLBACK_ENVIRONMENT",
    help="An environment file to check them against (also ROLLBACK_ENVIRONMENT).",
)
@click.option(
    "--format",
    "face",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="sarif: for code scanning; junit: for CI servers.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def validate(
    *,
    playbooks: tuple[str, ...],
    environment: str | None,
    face: Literal["text", "json", "sarif", "junit"],
    as_json: bool,
) -> int:
    """Check playbooks, shipped by name or your own files, and an environment with them.

    Of an environment, the files it names (signers, certificates) are read too.

    Every complaint is told at once, with file, line, what is wrong and what was expected. Nothing
    is contacted, and no secret is needed. Exit 0 when all is well, 2 when not.
    """
    if not playbooks and environment is None:
        raise InputError(
            "usage.nothing",
            "there is nothing to check",
            hint="name a playbook, an environment with --environment, or both",
        )
    checked: list[Checked] = []
    where = None
    if environment is not None:
        where, one = _environment(environment)
        checked.append(one)
    checked += [_playbook(name, where, environment) for name in playbooks]
    _show(checked, "json" if as_json else face)
    well = all(one.problem is None for one in checked)
    return int(ExitStatus.DONE if well else ExitStatus.USAGE)


def _environment(file: str) -> tuple[Environment | None, Checked]:
    from rollback.loading.environment import load_environment

    where = None
    try:
        where = load_environment(file)
        _files(where)
    except InputError as error:
        return where, Checked(file, problem=error)
    return where, Checked(file, f"{file}: environment {where.environment} is well formed")


def _playbook(name: str, where: Environment | None, environment: str | None) -> Checked:
    from playbooks import find
    from rollback.loading.playbook import load_playbook
    from rollback.rendering.words import counted

    try:
        read = load_playbook(find(name))
    except InputError as error:
        return Checked(name, problem=error)
    if where is not None:
        from rollback.loading.together import check_together

        if complaints := check_together(read, where):
            problem = InputError(
                "input.together",
                f"{name} does not fit {environment}",
                hint="correct the lines named, or name another environment",
                complaints=complaints,
            )
            return Checked(name, problem=problem)
    steps = counted(len(read.steps), "step")
    return Checked(
        name, f"{name}: playbook {read.playbook} is well formed, {steps}"
    )


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


def _show(checked: list[Checked], face: Literal["text", "json", "sarif", "junit"]) -> None:
    if face == "text":
        from rollback.cli.main import complain
        from rollback.rendering.escape import visible

        for one in checked:
            if one.said:
                click.echo(visible(one.said))
        for one in checked:
            if one.problem is not None:
                complain(one.problem)
        return
    from rollback.rendering import findings

    if face == "junit":
        click.echo(findings.junit(checked), nl=False)
        return
    import json

    from rollback.wiring.setting import tool_version

    made = findings.plain(checked) if face == "json" else findings.sarif(checked, tool_version())
    click.echo(json.dumps(made, indent=2, ensure_ascii=True))
