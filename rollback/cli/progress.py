"""Live progress on standard error: plain lines, or coloured ones with a moving last line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from rollback.cli import output
from rollback.rendering.escape import clipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_TEXT_CHARS_MAX = 300
_STYLES = {
    "done": "green",
    "verified": "green",
    "failed": "bold red",
    "not verified": "bold red",
    "unknown": "magenta",
    "handed-over": "magenta",
    "skipped": "yellow",
    "not recorded": "bold red",
    "not sealed": "yellow",
}


class Progress(Protocol):
    """Hears what a run does, from several threads: an event, the step it is about, and words."""

    def __call__(self, event: str, step: str, text: str) -> None:
        """One event."""
        ...

    def aside(self) -> AbstractContextManager[object]:
        """Hold still while a person is asked something."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class PlainProgress:
    """One line an event, with the time in UTC; for logs and pipes."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __call__(self, event: str, step: str, text: str) -> None:
        """One line."""
        with self._lock:
            output.talk_escaped(f"{_now()} {_words(event, step, text)}")

    def aside(self) -> AbstractContextManager[object]:
        """Nothing moves here; the lock keeps lines out of a prompt."""
        return self._lock

    def close(self) -> None:
        """Nothing to end."""


class TerminalProgress:
    """Coloured lines, and a last line that moves while something is awaited."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("starting")
        self._status.start()
        self._lock = Lock()

    def __call__(self, event: str, step: str, text: str) -> None:
        """Print the event, and show it as what is going on."""
        from rich.text import Text

        words = _words(event, step, text)
        with self._lock:
            if event not in {"waiting", "looking", "capturing"}:
                self._console.print(Text(f"{_now()} {words}", style=_STYLES.get(event, "")))
            self._status.update(Text(words))

    def aside(self) -> AbstractContextManager[object]:
        """Stop moving while a person answers."""
        from contextlib import contextmanager

        @contextmanager
        def still() -> Iterator[None]:
            with self._lock:
                self._status.stop()
                try:
                    yield
                finally:
                    self._status.start()

        return still()

    def close(self) -> None:
        """Take the moving line away."""
        self._status.stop()


def progress() -> Progress:
    """What fits where standard error goes."""
    return TerminalProgress() if output.coloured(sys.stderr) else PlainProgress()


def _words(event: str, step: str, text: str) -> str:
    said = clipped(text, _TEXT_CHARS_MAX)
    return f"{event:<12} {clipped(step, 80)}" + (f": {said}" if said else "")


def _now() -> str:
    return f"{datetime.now(UTC):%H:%M:%SZ}"
