"""Telling whoever listens to a run, so that nobody who listens can hold it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.wiring.log import EventLog


class Teller:
    """Passes events on, without secrets. Safe from any thread.

    A listener that raises is told nothing more: its terminal is gone, its pipe was closed or it is
    broken. The run goes on, the log says so, and the journal holds everything.
    """

    def __init__(
        self,
        listener: Callable[[str, str, str], None] | None,
        redact: Callable[[str], str],
        log: EventLog,
    ) -> None:
        self._listener = listener
        self._redact = redact
        self._log = log

    def __call__(self, event: str, step: str, text: str) -> None:
        """Tell one event of a step. Raises nothing of the listener's."""
        self._log.event(event, step=step, said=text)
        listener = self._listener
        if listener is None:
            return
        try:
            listener(event, step, self._redact(text))
        except Exception as error:  # noqa: BLE001 - who listens must not stop a rollback
            self._listener = None
            self._log.event("not heard", step=step, said=type(error).__name__)
