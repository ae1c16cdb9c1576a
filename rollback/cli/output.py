"""Results to standard output, talk to standard error; colour and prompts only at a terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rollback.errors import InputError
from rollback.rendering.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TextIO


def coloured(stream: TextIO) -> bool:
    """Whether to use colour there: a terminal, and neither NO_COLOR nor TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """The terminal's width; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def result(text: str) -> None:
    """A result, to standard output. Whoever stopped reading it changes no exit status.

    Raises InputError where it cannot be written whole: on a full disk, half a ticket is none.
    """
    end = "" if text.endswith("\n") else "\n"
    _put(lambda: click.echo(text + end, nl=False, color=True))
    _put(sys.stdout.flush)  # so that results and talk keep their order where both go to one log


def result_spaced(text: str) -> None:
    """A result of one line that is laid out with spaces: these stay, everything else is escaped."""
    result(" ".join(visible(part) for part in text.split(" ")))


def result_json(value: Any) -> None:
    """A result for machines: one JSON document."""
    result(json.dumps(value, indent=2, ensure_ascii=True))


def result_pieces(pieces: Iterable[str]) -> None:
    """A result that may be larger than memory, piece by piece. Raises like `result`."""
    for piece in pieces:
        if not _put(partial(sys.stdout.write, piece)):
            return
    _put(sys.stdout.flush)


def _put(write: Callable[[], object]) -> bool:
    """Whether somebody still reads standard output. Raises InputError where it takes no more."""
    try:
        write()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
        return False
    except OSError as error:
        _to_nowhere(sys.stdout)  # or what is buffered fails once more as the process ends
        raise InputError(
            "output.not-written",
            f"standard output takes no more: {error.strerror}",
            hint="make room where it goes, or send it elsewhere, and give the command again",
        ) from error
    return True


def talk(text: str) -> None:
    """Talk, to standard error, on one line."""
    talk_escaped(visible(text))


def talk_escaped(text: str) -> None:
    """Talk whose outside parts are escaped already; its own spacing stays.

    Where nobody can hear it any more (a terminal that hung up, a pipe that was closed, a full disk
    under a log) it is dropped: it must not stop what it talks about.
    """
    try:
        click.echo(text, err=True)
    except OSError:
        _to_nowhere(sys.stderr)


def _to_nowhere(stream: TextIO) -> None:
    """Nobody reads it any more, so that what is still to come is dropped without an error."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def talk_spaced(text: str) -> None:
    """Talk that is laid out with spaces: these stay, everything else is escaped."""
    talk_escaped(" ".join(visible(part) for part in text.split(" ")))


def can_ask() -> bool:
    """Whether a person is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, *, hidden: bool = False) -> str:
    """Ask at the terminal, on standard error. Never called without one."""
    return str(click.prompt(question, err=True, hide_input=hidden, default="", show_default=False))


PLAN = b'{"approvals":{'
"""How a plan file begins."""

APPROVAL = b'{\n "statement": '
"""How an approval file begins."""


def check_place(path: Path, over: bytes) -> None:
    """Raises InputError where `write_file` could not write; before anything is looked at for it.

    over: how a file begins that may be replaced, of the same kind. Whatever else stands there was
    named by a slip (the plan, a key, an environment file), and would be lost.
    """
    folder = path.parent
    if path.is_dir():
        why = "it is a folder"
    elif not folder.is_dir():
        why = f"there is no folder {folder}"
    elif not os.access(folder, os.W_OK):
        why = f"nothing may be written in {folder}"
    elif path.exists() and not path.is_file():
        why = "it is no regular file"
    elif _stands_there(path, over):
        raise InputError(
            "file.exists",
            f"{path} holds something else, and would be lost",
            hint="name another file with --out, or move that one away",
        )
    else:
        return
    raise InputError(
        "file.not-written",
        f"{path} cannot be written: {why}",
        hint="name a file in a folder that exists and that you may write to",
    )


def _stands_there(path: Path, over: bytes) -> bool:
    """Whether a file holds anything that is not of the kind that begins so."""
    try:
        with path.open("rb") as file:
            found = file.read(len(over))
    except FileNotFoundError:
        return False
    except OSError:
        return True  # nobody can tell what it is
    return bool(found) and found != over


def write_file(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a file whole, or not at all. Raises InputError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if not replace and path.exists():
            raise InputError(
                "file.exists", f"{path} exists", hint="name another file with --out, or remove it"
            )
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(
            "file.not-written",
            f"{path} cannot be written: {error.strerror}",
            hint="name a file in a folder that exists and that you may write to",
        ) from error
