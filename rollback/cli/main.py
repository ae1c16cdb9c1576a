"""The entry of the command line: run a verb, turn what it raises into words and an exit status."""

from __future__ import annotations

import gc
import os
import re
import sys
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollback.cli import output
from rollback.cli.group import LazyGroup
from rollback.cli.streams import open_closed
from rollback.errors import ExitStatus, InputError, RollbackError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPLAINTS_MAX = 50
_SECRET_SHORTEST = 6
_BEGIN_RUNS = frozenset({"apply", "resume", "capture", "release", "rehearse"})
"""Verbs that begin a run, or go on with one."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
COLLECT_AFTER = 70_000
"""Objects made and not freed before Python looks for cycles among them; its own number is 700."""

TURN_S = 0.0005
"""How long a thread waits for another one to give the interpreter up; Python's own is 0.005."""


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"rollback {version('trade-rollback')}")
        except PackageNotFoundError:
            click.echo("rollback (not installed)")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
A rollback, start to end:
  rollback plan full-rollback --environment production.yaml --incident INC-4711 --out plan.json
  rollback approve plan.json --key ~/.ssh/id_ed25519 --out ana.json      (as many people as it says)
  rollback apply plan.json --approval ana.json --approval ben.json

\b
Only stop the rollout, now, without waiting for anybody:
  rollback apply plan.json --only-safe

\b
Exit: 0 done, 1 defect, 2 bad input, 3 refused, 4 approval, 5 stale, 6 a person is needed,
7 halt authority, 8 verification failed, 9 evidence, 12 lease held, 130 interrupted.
""",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version.",
)
@click.option(
    "--state",
    metavar="DIR",
    envvar="ROLLBACK_STATE",
    help="Folder of runs (default: your user state folder; also ROLLBACK_STATE).",
)
@click.option(
    "--log",
    metavar="FILE",
    envvar="ROLLBACK_LOG",
    help="Append what is done to a file, a line of JSON an event (also ROLLBACK_LOG).",
)
@click.option(
    "--debug", is_flag=True, envvar="ROLLBACK_DEBUG", help="Show the traceback of a defect."
)
@click.pass_context
def cli(
    ctx: click.Context,
    state: str | None,
    log: str | None,
    debug: bool,  # noqa: FBT001 - click's
) -> None:
    """Bring a trading platform back to its last stable release.

    A plan is a complete and binding list of what would be written. People sign it; only what is
    in it can be sent. Trading stays haltable throughout, and control-plane state is never written.
    """
    del debug
    ctx.obj = state
    if log:
        from rollback.cli.logfile import logging_to

        ctx.with_resource(logging_to(log))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    open_closed()
    collect_rarely()
    take_turns_often()
    status = run(argv)
    end_at_once()
    sys.exit(status)


def collect_rarely() -> None:
    """Look for cycles of garbage a hundred times less often than Python does by itself.

    A verb lives for seconds and makes many small values that it keeps: looking through them
    again and again is a fifth of the time of a long plan. Only in a process of our own.
    """
    gc.set_threshold(COLLECT_AFTER)


def take_turns_often() -> None:
    """Let threads wait half a millisecond for the interpreter, where Python has them wait five.

    A capture has five at work, which give it up and want it back at every packet: who wants it
    waits while another one computes, and a core stands idle. Only in a process of our own.
    """
    sys.setswitchinterval(TURN_S)


def end_at_once() -> None:
    """Let the process end without looking through all it made for cycles of garbage once more."""
    gc.freeze()


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status instead of leaving."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        status = cli.main(args=given, prog_name="rollback", standalone_mode=False)
    except RollbackError as error:
        return _told(error, given)
    except click.exceptions.NoArgsIsHelpError as error:
        _say_help(error)
        return int(ExitStatus.USAGE)
    except click.ClickException as error:
        return _told(_usage(error), given)
    except (KeyboardInterrupt, click.Abort):
        _say("error: interrupted: stopped by a person")
        _say(f"hint: {_after_interrupt(given)}")
        return int(ExitStatus.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last line: a defect is told, never a traceback
        return _defect(
            error, traceback="--debug" in given or bool(os.environ.get("ROLLBACK_DEBUG"))
        )
    return status if isinstance(status, int) else int(ExitStatus.DONE)


def _after_interrupt(given: Sequence[str]) -> str:
    """The next safe move. `latest` is none: it may be a run that was begun before this one."""
    if _BEGIN_RUNS.isdisjoint(given):
        return "no run was begun; give the command again"
    return (
        "`rollback status` lists every run that was begun: go on with this one by its name, "
        "`rollback resume RUN`, or, where it is not there, give the command again"
    )


def _usage(error: click.ClickException) -> InputError:
    """What click says of an option or argument, as an error of ours."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else "rollback"
    hint = f"see `{where} --help`"
    missing = error.param if isinstance(error, click.MissingParameter) else None
    if missing is not None and missing.envvar:
        hint = f"name it, or set {missing.envvar}; {hint}"
    return InputError("usage", " ".join(error.format_message().split()), hint=hint)


def _say_help(error: click.exceptions.NoArgsIsHelpError) -> None:
    """What a command alone can do, to who typed no verb of it."""
    if error.ctx is not None:
        click.echo(error.ctx.get_help(), err=True)


def _told(error: RollbackError, given: Sequence[str]) -> int:
    """Say an error to people, and to the program that asked for JSON; its exit status."""
    complain(error)
    if "--json" in given or "json" in _values_of("--format", given):
        with suppress(InputError):  # the error itself may be that standard output takes no more
            output.result_json({"error": error_as_json(error)})
    return int(error.exit_status)


def _values_of(option: str, given: Sequence[str]) -> list[str]:
    after = [value for name, value in pairwise(given) if name == option]
    return [*after, *(one[len(option) + 1 :] for one in given if one.startswith(f"{option}="))]


def error_as_json(error: RollbackError) -> dict[str, object]:
    """An error for programs: what people are told, by field."""
    complaints = error.complaints if isinstance(error, InputError) else ()
    return {
        "code": error.code,
        "promise": error.promise,
        "reason": error.reason,
        "hint": error.hint,
        "exit_status": int(error.exit_status),
        "complaints": [asdict(one) for one in complaints],
    }


def complain(error: RollbackError) -> None:
    """Say an error on standard error: what, by which promise, each complaint, what to do next."""
    by = f" [{error.promise}]" if error.promise else ""
    _say(f"error: {error.code}{by}: {error.reason}")
    if isinstance(error, InputError):
        for complaint in error.complaints[:_COMPLAINTS_MAX]:
            _say(str(complaint), lead="  ")
        if len(error.complaints) > _COMPLAINTS_MAX:
            _say(f"and {len(error.complaints) - _COMPLAINTS_MAX} more", lead="  ")
    if error.hint:
        _say(f"hint: {error.hint}")


def _defect(error: Exception, *, traceback: bool) -> int:
    kind = type(error)
    if traceback:
        import traceback as tracebacks

        for line in _without_variables("".join(tracebacks.format_exception(error))).splitlines():
            output.talk_spaced(line)
    _say(f"error: defect: {kind.__module__}.{kind.__qualname__}: this is a bug in rollback")
    _say("hint: what was sent is in the journal (`rollback status`); --debug shows the traceback")
    return int(ExitStatus.DEFECT)


def _without_variables(text: str) -> str:
    """A text without what variables of this process hold: which are secrets, a defect cannot say.

    Paths stay, and what is too short to be a secret by itself.
    """
    from rollback.connectors.secrets import VariableSecrets

    secrets = VariableSecrets({})
    secrets.know(
        *(
            value
            for name, value in os.environ.items()
            if len(value) >= _SECRET_SHORTEST and _VARIABLE.fullmatch(name) and not _is_path(value)
        )
    )
    return secrets.redact(text)


def _is_path(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):  # too long for one, or not one at all
        return False


def _say(text: str, *, lead: str = "") -> None:
    from rollback.rendering.escape import visible

    output.talk_escaped(lead + visible(text))
