"""A capture over made-up sources, into memory, with everything it is told in reach."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from rollback.evidence.budget import Budget
from rollback.evidence.chunks import sha256, unpacked
from rollback.evidence.cutting import Sizes
from rollback.evidence.notes import FileNotes, NoNotes, Remembered
from rollback.evidence.packing import Packing
from rollback.evidence.progress import Progress
from rollback.evidence.reading import Shared
from rollback.evidence.redaction import Redaction
from rollback.evidence.source import Lines, PagedSource, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rollback.model.evidence import SourceWindow
    from rollback.model.ports import Clients, Notes

SMALL = Sizes(bytes_min=60, bytes_max=200, one_in=4)


@dataclass
class Kept:
    """A sink in memory. fails_at: the put that does not come back, as in a crash."""

    data: dict[str, bytes] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    fails_at: int = 0
    error: BaseException | None = None
    blots: Callable[[bytes | memoryview], bytes | memoryview] | None = None

    def put(self, data: bytes) -> str:
        name = sha256(data)
        if self.fails_at and len(self.puts) + 1 >= self.fails_at:
            raise self.error or KeyboardInterrupt
        if name not in self.data:
            self.puts.append(name)
            self.data[name] = data
        return name

    def spooled(self) -> bool:
        return False

    def redact(self, text: str) -> str:
        return text

    def redact_bytes(self, data: bytes | memoryview) -> bytes | memoryview:
        return data if self.blots is None else self.blots(data)

    def notes(self, name: str) -> Notes:
        raise NotImplementedError

    def progress(self, text: str) -> None:
        self.said.append(text)

    def lines(self, window: SourceWindow) -> list[bytes]:
        content = b"".join(unpacked(self.data[chunk.sha256]) for chunk in window.chunks)
        return content.split(b"\n")[:-1]


@dataclass
class Moment:
    """The little that the pipeline and sources of this machine ask of clients."""

    at: datetime = datetime(2026, 11, 23, 10, tzinfo=UTC)
    step: timedelta = timedelta(0)
    paused: list[float] = field(default_factory=list)
    sink: Kept | None = None

    def now(self) -> datetime:
        self.at += self.step
        return self.at

    def evidence(self) -> Kept:
        assert self.sink is not None
        return self.sink

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.at += timedelta(seconds=seconds)


@contextmanager
def capturing(
    sink: Kept,
    notes: Path | None = None,
    *,
    clients: Moment | Clients | None = None,
    rules: tuple[str, ...] = (),
    key: bytes = b"key",
    sizes: Sizes = SMALL,
    bytes_max: int = 2**30,
    chunks_max: int = 10_000,
    say: Callable[[str], None] | None = None,
) -> Iterator[Shared]:
    """What one capture needs, over `sink`."""
    moment = clients or Moment()
    if isinstance(moment, Moment):
        moment.sink = sink
    with Packing() as packing:
        yield Shared(
            clients=cast("Clients", moment),
            sink=sink,
            redaction=Redaction(rules, key),
            budget=Budget(bytes_max, chunks_max, moment.now() + timedelta(hours=1)),
            remembered=Remembered.of(NoNotes() if notes is None else FileNotes(notes)),
            packing=packing,
            progress=Progress(say or sink.progress),
            sizes=sizes,
        )


@dataclass
class Container:
    """Pages of several parts, read from any place; each place is a page's number as text."""

    parts: dict[str, list[tuple[bytes, ...]]]
    reads: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, int], None] = lambda *_: None

    def source(self, name: str = "cosmos/audit") -> PagedSource:
        def read_part(clients: Clients, part: str, place: str) -> Iterator[Read]:
            del clients
            self.reads.append((part, place))
            for number in range(int(place or "0"), len(self.parts[part])):
                self.before(part, number)
                yield Lines.of(self.parts[part][number], str(number) if number else "")

        return PagedSource(name, read_part, 60, lambda _: tuple(self.parts))

    @property
    def all(self) -> list[bytes]:
        return [line for pages in self.parts.values() for page in pages for line in page]


def container(parts: int, pages: int, lines: int) -> Container:
    """So many parts of so many pages of so many distinct lines."""
    return Container(
        {
            f"part-{part}": [
                tuple(f'{{"n":"{part}.{page}.{one}"}}'.encode() for one in range(lines))
                for page in range(pages)
            ]
            for part in range(parts)
        }
    )


def apart_from_times(windows: Sequence[SourceWindow]) -> list[dict[str, Any]]:
    """Windows without how long they took, and without what reading twice cost."""
    return [
        window.model_dump(mode="json", exclude={"took_ms", "facts"}) for window in windows
    ]
