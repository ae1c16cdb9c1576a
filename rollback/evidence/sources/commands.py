"""Standard output of commands that an environment names.

A command is run as it stands, by no shell, in the environment file's folder, with PATH, HOME and
the locale of this process and nothing else of its variables: secrets stay here. It gets no standard
input, and its whole process group is ended when its time is over. What it does is beyond the guard.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from threading import Timer
from typing import TYPE_CHECKING, Final

from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.files import PIECE_BYTES
from rollback.evidence.sources.lines import line
from rollback.model.base import Fact
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment, EvidenceCommand
    from rollback.model.ports import Clients

PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


def commands(environment: Environment, seconds_max: int) -> tuple[Source, ...]:
    """One source a command. Its exit status is a fact; another than 0 is a gap too."""
    return tuple(_one(environment, named, seconds_max) for named in environment.evidence.commands)


def _one(environment: Environment, named: EvidenceCommand, seconds_max: int) -> Source:
    def read(clients: Clients) -> Iterator[Read]:
        del clients
        try:
            process = subprocess.Popen(  # noqa: S603 - named by the environment's owner, no shell
                named.argv,
                cwd=environment.base,
                env={name: os.environ[name] for name in PASSED if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            yield Gap(f"{named.argv[0]}: {error.strerror or type(error).__name__}")
            return
        over = Timer(seconds_max, _end, (process,))
        over.start()
        try:
            yield from _lines(process)
            status = process.wait()
        finally:
            over.cancel()
            if process.returncode is None:  # not waited for yet: its number is still its own
                _end(process)
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        yield Fact(name="exit_status", value=status)
        if status != 0:
            ended = f"ended after {spoken(seconds_max)}" if status < 0 else f"exit status {status}"
            yield Gap(f"{named.argv[0]}: {ended}")

    return Source(f"commands/{named.name}", read, seconds_max)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[Read]:
    if process.stdout is None:
        return
    number = 0
    while piece := process.stdout.readline(PIECE_BYTES):
        number += 1
        text = piece.removesuffix(b"\n").decode("utf-8", "backslashreplace")
        yield line({"line": number, "text": text})


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
