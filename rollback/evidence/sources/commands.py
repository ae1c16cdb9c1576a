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

from rollback.evidence.redaction import Redaction
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.lines import line, text_line
from rollback.evidence.sources.pieces import BROKEN_OFF, END_UNKNOWN, IN_PIECES, pieces
from rollback.evidence.spread import Spread
from rollback.model.base import Fact
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.evidence.sources.pieces import Redact
    from rollback.model.environment import Environment, EvidenceCommand
    from rollback.model.ports import Clients

PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


RUNS_SHARE: Final = 0.8
"""So much of its source's time a command may run: what it wrote is still read and stored then."""


def commands(environment: Environment, seconds_max: int) -> tuple[Source, ...]:
    """One source a command. Its exit status is a fact; another than 0 is a gap too."""
    return tuple(_one(environment, named, seconds_max) for named in environment.evidence.commands)


def _one(environment: Environment, named: EvidenceCommand, seconds_max: int) -> Source:
    fields = Redaction(environment.evidence.redact)

    def read(clients: Clients) -> Iterator[Read]:
        ended: list[int] = []
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
        except (OSError, ValueError) as error:  # the second: of an argument with a zero in it
            why = getattr(error, "strerror", None) or str(error)
            yield Gap(f"{named.argv[0]}: {why}")
            return
        over = Timer(seconds_max * RUNS_SHARE, _end, (process, ended))
        over.start()
        try:

            def cut_off() -> bool:
                return process.wait() < 0 or bool(ended)

            yield from _lines(process, clients.evidence().redact_bytes, cut_off, fields)
            status = process.wait()
        finally:
            over.cancel()
            if process.returncode is None:  # not waited for yet: its number is still its own
                _end(process, ended)
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        yield Fact(name="exit_status", value=status)
        if ended:  # perhaps not it itself, but what it left behind was still writing
            time = spoken(seconds_max)
            yield Gap(f"{named.argv[0]}: ended, its time of {time} being nearly over")
        elif status != 0:
            why = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
            yield Gap(f"{named.argv[0]}: {why}")

    return Source(f"commands/{named.name}", read, seconds_max)


def _lines(
    process: subprocess.Popen[bytes],
    redact: Redact,
    cut_off: Callable[[], bool],
    fields: Redaction,
) -> Iterator[Read]:
    """Its output. fields: what rules name in it, which cannot be looked for in cut lines.

    cut_off: whether it was ended, asked where its output ends within a line: half a secret would
    not be known for one.
    """
    if process.stdout is None:
        return
    left_out, since = 0, 0
    last = b""
    spread = Spread(fields)
    for number, (piece, cut) in enumerate(pieces(process.stdout, redact), start=1):
        if last:
            yield _line(number - 1, last)
        since = number if spread.plain else since
        hidden = spread.hides(piece, cut=cut)
        last = piece
        if fields.rules and (cut or b"\0" in piece):
            left_out += 1
            last = b""
            yield line({"left_out_bytes": len(piece), "line": number})
        elif hidden:
            last = b""
            yield b'{"line":%d,"redacted_bytes":%d}' % (number, len(piece))
    if last and not last.endswith(b"\n") and cut_off():
        yield line({"left_out_bytes": len(last), "line": number})
    elif last:
        yield _line(number, last)
    if spread.followed:
        yield Gap(f"{END_UNKNOWN} (from line {since:,} on)")
    if spread.in_pieces:
        yield Gap(IN_PIECES)
    if spread.broken_off:
        yield Gap(BROKEN_OFF)
    if left_out:
        what = "lines too long, or no text in UTF-8, were left out: no field can be redacted there"
        yield Gap(f"{left_out:,} pieces of {what}")


def _line(number: int, piece: bytes) -> bytes:
    text = piece.removesuffix(b"\n").decode("utf-8", "backslashreplace")
    return text_line(f'"line":{number}', text)


def _end(process: subprocess.Popen[bytes], ended: list[int]) -> None:
    """End the command and what it started, and note that."""
    ended.append(process.pid)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
