"""People at the terminal: attestations given as options or asked for, and interrupts."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.cli import output
from rollback.errors import ExitStatus, InputError
from rollback.rendering.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rollback.cli.progress import Progress
    from rollback.running.store import StateDirectory

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what a supervisor sends, and a terminal that hangs up."""

HALT_OUTSIDE = "halt-outside"
"""What an attestation without ABOUT is about: trading is halted at the venue or broker."""


def read_attestations(given: Iterable[str]) -> dict[str, str]:
    """``[ABOUT=]NAME: WORDS`` options, by what they are about. Raises InputError."""
    read: dict[str, str] = {}
    for each in given:
        head, equals, tail = each.partition("=")
        about, words = (head, tail) if equals and ":" not in head else (HALT_OUTSIDE, each)
        name, colon, statement = words.partition(":")
        if not colon or not name.strip() or not statement.strip() or not about:
            raise InputError(
                "usage.attest",
                f"--attest {each!r} does not name a person and their words",
                hint="write --attest 'NAME: WORDS', or 'STEP=NAME: WORDS' for a confirm step",
            )
        if about in read:
            raise InputError(
                "usage.attest", f"--attest {about} is given twice", hint="give it once"
            )
        read[about] = words
    return read


@dataclass(frozen=True, slots=True)
class AtTerminal:
    """Asks whoever sits there. Where nobody does, nobody attests."""

    progress: Progress
    silent: bool

    def attest(self, about: str, statement: str) -> tuple[str, str] | None:
        """A named person's word, or None."""
        if self.silent or not output.can_ask():
            return None
        with self.progress.aside():
            output.talk(f"step {about} asks a person to confirm: {statement}")
            name = output.ask("your name (empty: not confirmed)").strip()
            if not name:
                return None
            words = output.ask("in your words, what you saw").strip()
        return (name, words) if words else None


@contextmanager
def interruptible(unknown: Callable[[], str]) -> Iterator[Callable[[], bool]]:
    """First interrupt: what was sent is looked for, nothing else is begun. Second: out at once.

    unknown: says what nobody knows at that moment, and what to do. The second interrupt waits for
    no thread and closes nothing: the journal holds what `resume` needs, as after a power cut.
    A terminal may hang up more than once, and nobody means anything by it: that is never a second
    interrupt. Under ``nohup`` it is none at all.
    """
    asked: list[int] = []

    def hear(number: int, _: object) -> None:
        if not asked:
            asked.append(number)
            _say("stopping: what was sent is looked for first; interrupt again to leave at once")
            return
        if number == signal.SIGHUP:
            return
        try:
            said = unknown()
        except Exception as error:  # noqa: BLE001 - leaving must not fail
            said = f"what was sent stands in the journal ({type(error).__name__})"
        _say(f"error: interrupted: left at once; {said}")
        os._exit(ExitStatus.INTERRUPTED)

    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heard = [number for number in INTERRUPTS if not (nohup and number == signal.SIGHUP)]
    before = [(number, signal.signal(number, hear)) for number in heard]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _say(text: str) -> None:
    """One line to standard error, past its buffer: a signal may interrupt a write to that."""
    with suppress(OSError, ValueError):
        os.write(sys.stderr.fileno(), f"{visible(text)}\n".encode())


def in_doubt(runs: StateDirectory, digest: str) -> str:
    """What nobody knows of the run of a plan, from its journal, and the next safe move."""
    from rollback.wiring.run_result import read_status

    appliers = runs.appliers(digest)
    name = next((one.run for one in runs.runs() if one.run in appliers), None)
    if name is None:
        return "nothing was sent; apply the plan again"
    known = read_status(runs.find(name))
    unknown = (
        f"unknown: {', '.join(known.in_doubt)} (sent, and not looked for yet)"
        if known.in_doubt
        else "nothing that was sent is unknown"
    )
    return f"{unknown}; `rollback resume {name}` looks first and sends nothing twice"
