"""Reads are asked again, a few times and on the run's clock. Nothing else ever is."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from rollback.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rollback.model.ports import Clock

T = TypeVar("T")

WAIT_S = 0.2
WAIT_S_MAX = 2.0


def read_again(read: Callable[[], T], clock: Clock, *, tries: int) -> T:
    """Read up to `tries` times while the failure is transient; raise the last ConnectorError.

    Waits 0.2 s, then twice as long each time up to 2 s, by `clock`.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    again = Retrying(
        sleep=clock.sleep,
        stop=stop_after_attempt(max(1, tries)),
        wait=wait_exponential(multiplier=WAIT_S, max=WAIT_S_MAX),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    return again(read)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ConnectorError) and error.transient


def age_s(date: str, written: datetime | None) -> int | None:
    """Seconds between two readings of the store's clock; None where it did not give both."""
    now = http_date(date)
    return None if now is None or written is None else max(0, int((now - written).total_seconds()))


def http_date(date: str) -> datetime | None:
    """The moment that a ``Date`` header names; None where it names none."""
    try:
        found = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
