"""People at the terminal: attestations given as options or asked for, and Ctrl-C."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.cli import output
from rollback.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rollback.cli.progress import Progress

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
def interruptible() -> Iterator[Callable[[], bool]]:
    """First Ctrl-C: nothing new moves away from safety, what was sent is looked at. Second: out."""
    asked: list[int] = []

    def hear(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        output.talk("stopping: what was sent is looked for first; Ctrl-C again leaves at once")

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
