"""The library's own log, through structlog on the standard logger named ``rollback``.

Nothing is configured here: whoever embeds the library gives that logger a level and handlers, as
with any other, and gets events as messages with their fields as extra attributes of the record.
Where nobody listens, nothing is made and structlog is not imported. The log is talk: what happened
stands in the journal.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollback.model.ports import Exchange, ExchangeLog
    from rollback.model.scope import Scope

LOGGER: Final = "rollback"

_LEVELS: Final = {
    "looking": logging.DEBUG,
    "waiting": logging.DEBUG,
    "capturing": logging.DEBUG,
    "failed": logging.ERROR,
    "not verified": logging.ERROR,
    "not recorded": logging.ERROR,
    "unknown": logging.ERROR,
    "handed-over": logging.WARNING,
    "skipped": logging.WARNING,
    "not sealed": logging.WARNING,
    "not read": logging.WARNING,
    "not heard": logging.WARNING,
}
"""How grave an event of a run is; any other is worth knowing."""


class EventLog:
    """Events of one plan or run. redact: takes every secret value out of a text."""

    def __init__(self, redact: Callable[[str], str], **bound: str) -> None:
        """bound: fields that every event carries, like the run."""
        self._redact = redact
        self._given = bound

    def event(self, name: str, **fields: object) -> None:
        """Log an event with its fields, where anybody listens."""
        level = _LEVELS.get(name, logging.INFO)
        if heard(level):
            self._bound.log(level, name, **self._spoken(fields))

    def request(self, scope: Scope, exchange: Exchange) -> None:
        """Log one request and its answer, for whoever listens to debugging."""
        if heard(logging.DEBUG):
            fields = {
                "step": scope.step,
                "request_id": exchange.request_id,
                "method": exchange.method,
                "host": exchange.host,
                "path": exchange.path,
                "status": exchange.status,
                "elapsed_ms": exchange.elapsed_ms,
                "problem": exchange.problem,
            }
            self._bound.log(logging.DEBUG, "request", **self._spoken(fields))

    @cached_property
    def _bound(self) -> Any:
        import structlog

        logger = structlog.wrap_logger(
            logging.getLogger(LOGGER),
            processors=[structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        return logger.bind(**self._given)

    def _spoken(self, fields: Mapping[str, object]) -> dict[str, object]:
        return {
            name: self._redact(value) if isinstance(value, str) else value
            for name, value in fields.items()
        }


@dataclass(frozen=True, slots=True)
class LoggedExchanges:
    """Exchanges are logged on their way to where they are recorded."""

    kept: ExchangeLog
    log: EventLog = field(repr=False)

    def seen(self, scope: Scope, exchange: Exchange) -> None:
        """Log and pass on; never raises."""
        self.log.request(scope, exchange)
        self.kept.seen(scope, exchange)


def heard(level: int) -> bool:
    """Whether somebody gave the logger, or one above it, a handler that takes this level."""
    logger = logging.getLogger(LOGGER)
    return logger.isEnabledFor(level) and logger.hasHandlers()
