"""``--log FILE``: the library's log as lines of JSON, for supervisors and to read afterwards."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from rollback.cli import output
from rollback.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

FIELDS = ("at", "level", "event")
"""What every line begins with; the event's own fields follow."""


class _File(logging.FileHandler):
    """A file that may stop taking lines: that is said once, and holds up nothing."""

    full = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base's name
        """Say it once."""
        del record
        if not self.full:
            self.full = True
            output.talk(f"the log {self.baseFilename} takes no more lines; the run goes on")


@contextmanager
def logging_to(path: str) -> Iterator[None]:
    """Append each event to a file while this lasts. Raises InputError where it cannot be opened."""
    import structlog

    try:
        handler = _File(path, encoding="utf-8")
    except OSError as error:
        raise InputError(
            "log.unwritable",
            f"{path} cannot be written: {error.strerror}",
            hint="name a file that you may write to with --log, or leave --log out",
        ) from None
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _in_order,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    from rollback.wiring.log import LOGGER

    logger = logging.getLogger(LOGGER)
    level, upward = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = upward
        with suppress(OSError):  # what it did not take was said
            handler.close()


def _in_order(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    first = {name: event.pop(name) for name in FIELDS if name in event}
    return {**first, **event}
