"""What a run's captures hold: windows, lines, and control documents as they were read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from rollback.evidence import windows as captured
from rollback.evidence.chunks import unpacked
from rollback.evidence.source import CLOCK_AHEAD
from rollback.model.record import RecordKind
from rollback.model.views import DocumentView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from rollback.model.evidence import SourceWindow
    from rollback.model.record import Record

CONTROL: Final = "cosmos-control/"


@dataclass(frozen=True, slots=True)
class Reading:
    """One container as it was read once. gaps: why it is not whole.

    clock_ahead_s: at least so far this machine's clock was ahead of the account's.
    """

    container: str
    moment: str
    at: datetime
    documents: tuple[DocumentView, ...]
    gaps: tuple[str, ...] = ()
    clock_ahead_s: int = 0


def document_views(lines: Iterable[bytes]) -> tuple[DocumentView, ...]:
    """The documents of a control source's lines. Raises ValueError."""
    return tuple(DocumentView.model_validate_json(line) for line in lines if line)


def captured_readings(
    records: tuple[Record, ...], fetch: Callable[[str], bytes | None]
) -> tuple[Reading, ...]:
    """Every reading of a control container in a run's captures, in the journal's order."""
    found: list[Reading] = []
    for record, window in captured_windows(records, fetch):
        if not window.source.startswith(CONTROL):
            continue
        gaps = [] if window.completeness == "complete" else [window.reason or "incomplete"]
        try:
            documents = document_views(window_lines(window, fetch))
        except (ValidationError, ValueError) as error:
            documents, gaps = (), [*gaps, f"its chunks cannot be read ({type(error).__name__})"]
        container = window.source.removeprefix(CONTROL)
        ahead = next((one.value for one in window.facts if one.name == CLOCK_AHEAD), 0)
        found.append(
            Reading(
                *(container, window.moment, record.at, documents, tuple(gaps)),
                clock_ahead_s=ahead if isinstance(ahead, int) else 0,
            )
        )
    return tuple(found)


def captured_windows(
    records: tuple[Record, ...], fetch: Callable[[str], bytes | None]
) -> Iterator[tuple[Record, SourceWindow]]:
    """Every window of a run's captures with the record that names it. What is lost is left out."""
    for record in records:
        if record.kind is not RecordKind.EVIDENCE:
            continue
        for _, chunk in captured.lists((record,)):
            try:
                windows = captured.parsed(unpacked(fetch(chunk.sha256) or b""))
            except ValueError:
                continue  # sealing says that a list is lost
            for window in windows:
                yield record, window


def window_lines(window: SourceWindow, fetch: Callable[[str], bytes | None]) -> Iterator[bytes]:
    """Lines of a window's chunks. Raises ValueError where one is not there."""
    for chunk in window.chunks:
        stored = fetch(chunk.sha256)
        if stored is None:
            msg = f"chunk {chunk.sha256[:12]} is in no store"
            raise ValueError(msg)
        yield from unpacked(stored).split(b"\n")
