"""One source into chunks, bounded in time and size; what is missing is said, never hidden.

A source yields lines (one JSON value each), gaps (what could not be read, and why) and told facts.
It may also fail half-way, or hang. Whatever happens, a `SourceWindow` says what was asked, what
came, and whether that is all: complete; partial with the reason; unknown where nothing came.
"""

from __future__ import annotations

import queue
import time
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, Literal

from rollback.errors import ConnectorError, InputError
from rollback.evidence.reading import PartReading
from rollback.evidence.source import SPENT, Gap
from rollback.model.base import Fact
from rollback.model.durations import spoken
from rollback.model.evidence import SourceWindow

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.evidence.reading import Shared
    from rollback.evidence.source import AnySource

PARTS_AT_ONCE: Final = 2
"""Parts of one source that are read at the same time."""

MISSED: Final = "missed_at_first"
"""The fact of a window that was captured after an interruption: why it was not before it."""

STORING_S: Final = 5.0
"""So much of its bound, at most a twelfth, a source does not read: what it read is stored then."""


def capture(source: AnySource, moment: str, shared: Shared) -> SourceWindow:
    """Capture one source. Raises EvidenceNotWritten, and a refusal of the guard; nothing else.

    A source whose window is noted as done is not read again, but where what it lacks may be there
    now (it was throttled, or out of reach) and is still of the moment: it has a window of time, or
    nothing came. Where less comes than before, what was noted stays; else it says what was missed.
    """
    known = shared.remembered.windows.get(source.name)
    if known is not None and (
        source.name not in shared.remembered.passing or (known.items and source.since is None)
    ):
        return known
    window, passing = _captured(source, moment, shared)
    if known is not None:
        if window.completeness != "complete" and window.items <= known.items:
            return _with_spent(known, window)
        window = window.model_copy(update={"facts": (*window.facts, _missed(known))})
    shared.remembered.window(window, passing=passing)
    return window


def _with_spent(known: SourceWindow, again: SourceWindow) -> SourceWindow:
    """What was noted stays, but for what asking again cost on top."""
    spent = [fact for fact in again.facts if fact.name == SPENT]
    others = [fact for fact in known.facts if fact.name != SPENT]
    ordered = sorted((*others, *spent), key=lambda fact: fact.name)
    return known.model_copy(update={"facts": tuple(ordered)}) if spent else known


def _missed(before: SourceWindow) -> Fact:
    """Why a source was not captured before an interruption: the first reason stays."""
    told = (fact for fact in before.facts if fact.name == MISSED)
    return next(told, Fact(name=MISSED, value=before.reason))


def _captured(source: AnySource, moment: str, shared: Shared) -> tuple[SourceWindow, bool]:
    """The window, and whether what it lacks may be there later."""
    started = shared.clients.now()
    gaps: list[Gap] = []
    readings: tuple[PartReading, ...] = ()
    if started >= shared.budget.deadline:
        gaps.append(Gap("not begun: the time of the whole capture was over"))
    else:
        reading_s = source.seconds_max - min(STORING_S, source.seconds_max / 12)
        deadline = min(started + timedelta(seconds=reading_s), shared.budget.deadline)
        shared.progress.begin(source.name, source.seconds_max)
        readings = _read(source, shared, deadline, gaps)
    passing = any(gap.passing for gap in gaps) or any(one.passing for one in readings)
    missing = [*(gap.reason for gap in gaps), *(gap for one in readings for gap in one.gaps)]
    chunks = tuple(chunk for one in readings for chunk in one.chunks)
    items = sum(chunk.items for chunk in chunks)
    window = SourceWindow(
        source=source.name,
        moment=moment,
        since=source.since,
        until=source.until,
        completeness=_completeness(missing, items),
        reason=shared.sink.redact(_written("; ".join(dict.fromkeys(missing)))),
        items=items,
        took_ms=max(0, int((shared.clients.now() - started).total_seconds() * 1000)),
        chunks=chunks,
        facts=_told(readings),
    )
    return window, passing


def _read(
    source: AnySource, shared: Shared, deadline: datetime, gaps: list[Gap]
) -> tuple[PartReading, ...]:
    """All parts, a few at once, each on a thread that is left behind where it hangs.

    None is waited for beyond the bound of its source, in which which parts there are is asked, too.
    """
    until = time.monotonic() + source.seconds_max
    try:
        parts = shared.remembered.parts.get(source.name)
        if parts is None:
            parts = _parts(source, shared, until)
            shared.remembered.parts_of(source.name, parts)
    except (ConnectorError, InputError) as error:
        gaps.append(Gap.of(error))
        return ()
    except queue.Empty:
        gaps.append(Gap(_unanswered(source), passing=True))
        return ()
    stop = Event()
    readings = tuple(PartReading(shared, source, part, deadline, stop) for part in parts)
    waiting: queue.SimpleQueue[PartReading] = queue.SimpleQueue()
    for reading in readings:
        waiting.put(reading)
    done: queue.SimpleQueue[PartReading] = queue.SimpleQueue()

    def read() -> None:
        while True:
            try:
                reading = waiting.get_nowait()
            except queue.Empty:
                return
            reading.run()
            done.put(reading)

    for number in range(min(PARTS_AT_ONCE, len(readings))):
        Thread(target=read, name=f"evidence-read-{number}", daemon=True).start()
    _wait(readings, done, until, stop, _unanswered(source))
    for reading in readings:
        if reading.error is not None:
            raise reading.error
    return readings


def _parts(source: AnySource, shared: Shared, until: float) -> tuple[str, ...]:
    """Which parts there are. Raises queue.Empty where nobody answers in time."""
    told: queue.SimpleQueue[tuple[str, ...] | BaseException] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(source.parts(shared.clients))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            told.put(error)

    Thread(target=ask, name="evidence-parts", daemon=True).start()
    said = told.get(timeout=max(0.0, until - time.monotonic()))
    if isinstance(said, BaseException):
        raise said
    return said


def _unanswered(source: AnySource) -> str:
    return f"no answer within {spoken(source.seconds_max)}; it was not waited for any longer"


def _wait(
    readings: tuple[PartReading, ...],
    done: queue.SimpleQueue[PartReading],
    until: float,
    stop: Event,
    why: str,
) -> None:
    """Until every part has ended, or the source has hung for too long."""
    open_ = set(readings)
    while open_:
        try:
            open_.discard(done.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            stop.set()
            for reading in open_:
                reading.leave(why)
            return


def _written(reason: str) -> str:
    """As it can be written: a file may have a name that is no text."""
    return reason.encode("utf-8", "backslashreplace").decode()


def _told(readings: tuple[PartReading, ...]) -> tuple[Fact, ...]:
    """The facts of all parts; numbers of one name are added up."""
    told: dict[str, Fact] = {}
    for fact in (fact for one in readings for fact in one.told):
        before = told.get(fact.name)
        value = fact.value
        if before is not None and isinstance(before.value, int) and isinstance(value, int):
            value = before.value + value
        told[fact.name] = Fact(name=fact.name, value=value)
    return tuple(told[name] for name in sorted(told))


def _completeness(gaps: list[str], items: int) -> Literal["complete", "partial", "unknown"]:
    if not gaps:
        return "complete"
    return "partial" if items else "unknown"
