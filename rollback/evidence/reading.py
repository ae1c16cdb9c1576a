"""One part of a source, read on a thread of its own into chunks that others pack.

A part goes on where notes say that it was interrupted: at a page, after so many of its lines. Where
the service no longer knows that place, or the page is not what it was, the part is read from its
beginning; its chunks are named by their content, so nothing is stored or listed twice.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock
from typing import TYPE_CHECKING, Final

from rollback.errors import ConnectorError, InputError
from rollback.evidence.chunks import kept
from rollback.evidence.cutting import Cutter, Sizes
from rollback.evidence.notes import Place
from rollback.evidence.source import LOST_PLACE, Ahead, Gap, Lines, PagedSource
from rollback.model.base import Fact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from rollback.evidence.budget import Budget
    from rollback.evidence.notes import PartNotes, Remembered
    from rollback.evidence.packing import Packing
    from rollback.evidence.progress import Progress
    from rollback.evidence.redaction import Redaction
    from rollback.evidence.source import AnySource
    from rollback.model.evidence import Chunk
    from rollback.model.ports import Clients, EvidenceSink

ITEM_BYTES_MAX: Final = 16 * 2**20
"""A larger single item is left out, with its size and digest in its place."""

ANEW_MAX: Final = 3
"""How often one part is read from its beginning before that is a gap."""

AHEAD_MAX: Final = 2
"""Pieces of one part that may be on their way to the store."""


class _Moved(Exception):
    """The place is not known any more, or its page has changed."""


class _Over(Exception):
    """Nothing more may be read or stored."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the parts of one capture have in common."""

    clients: Clients
    sink: EvidenceSink
    redaction: Redaction
    budget: Budget
    remembered: Remembered
    packing: Packing
    progress: Progress
    sizes: Sizes = field(default_factory=Sizes)


class PartReading:
    """Reads one part. `run` is for a thread; the rest is read once it has ended or was left."""

    def __init__(
        self, shared: Shared, source: AnySource, part: str, deadline: datetime, stop: Event
    ) -> None:
        """stop: set where another part failed, or nobody waits any more."""
        self._shared = shared
        self._source = source
        self._part = part
        self._deadline = deadline
        self._stop = stop
        self._lock = Lock()
        self._pending: deque[tuple[Future[Chunk], int, Place]] = deque()
        self._held: list[bytes] = []
        self._cutter = Cutter(shared.sizes)
        self._page: tuple[str, Sequence[bytes]] = ("", ())
        self._left = False
        self.gaps: list[str] = []
        self.told: list[Fact] = []
        self.error: BaseException | None = None
        self.notes: PartNotes = shared.remembered.part(source.name, part)
        for chunk in self.notes.chunks:
            shared.budget.known(chunk)

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """What was kept so far, in order."""
        return tuple(self.notes.chunks)

    def run(self) -> None:
        """Read to the end, or to what stops it. Never raises: see `error`."""
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that decides
            self.error = error
            self._stop.set()

    def leave(self, why: str) -> None:
        """Stop waiting for it: what was kept stays, what comes later is not listed."""
        with self._lock:
            self._left = True
            self.gaps.append(why)
            while self._pending:
                self._keep_first()

    def _run(self) -> None:
        if self.notes.chunks and not isinstance(self._source, PagedSource):
            self._anew()
        for _ in range(ANEW_MAX):
            try:
                self._read()
                self._flush()
            except _Moved:
                self._anew()
            else:
                return
        self.gaps.append(f"its beginning was read {ANEW_MAX} times, and its place lost each time")

    def _read(self) -> None:
        source, place = self._source, self.notes.place
        try:
            self._bounds()
            for read in source.read_part(
                self._shared.clients, self._part, place.page if place else ""
            ):
                if isinstance(read, Gap):
                    self.gaps.append(read.reason)
                elif isinstance(read, Fact):
                    self.told.append(read)
                elif isinstance(read, Ahead):
                    self._shared.progress.expect(read.items)
                else:
                    page = read if isinstance(read, Lines) else Lines((read,))
                    done = 0 if place is None else self._again(page.items, place)
                    place = None
                    self._take(page.items, done, page.place)
                self._bounds()
        except (ConnectorError, InputError) as error:
            if error.code == LOST_PLACE:
                raise _Moved from error
            self.gaps.append(error.reason)
        except _Over as over:
            self.gaps.append(str(over))

    def _bounds(self) -> None:
        if self._stop.is_set():
            why = "stopped: another part of it failed"
            raise _Over(why)
        if self._shared.clients.now() >= self._deadline:
            why = f"stopped after {self._source.seconds_max} s"
            raise _Over(why)

    def _again(self, items: Sequence[bytes], place: Place) -> int:
        """How many lines of a page are stored already. Raises _Moved where it has changed."""
        if len(items) < place.done or self._digest(items[: place.done]) != place.digest:
            raise _Moved
        return place.done

    def _anew(self) -> None:
        with self._lock:
            self._held, self._cutter, self._page = [], Cutter(self._shared.sizes), ("", ())
            while self._pending:
                self._keep_first()
            self._shared.remembered.anew(self._source.name, self._part)
            self.notes = self._shared.remembered.part(self._source.name, self._part)

    # --- lines into pieces ---------------------------------------------------------------------

    def _take(self, items: Sequence[bytes], done: int, page: str) -> None:
        if items and max(map(len, items)) > ITEM_BYTES_MAX:
            items = [self._fitting(item) for item in items]
        while (count := self._cutter.end(items, done)) is not None:
            self._held += items[done : done + count]
            done += count
            # Never a place without a line before it: nothing could tell that its page changed.
            stood = Place(page, done, self._digest(items[:done])) if done else self._before()
            self._close(stood)
        self._held += items[done:]
        self._page = (page, items)

    def _before(self) -> Place:
        page, items = self._page
        return Place(page, len(items), self._digest(items))

    def _fitting(self, item: bytes) -> bytes:
        if len(item) <= ITEM_BYTES_MAX:
            return item
        self.gaps.append(f"an item of {len(item)} bytes was left out")
        digest = hashlib.sha256(item).hexdigest()
        return f'{{"left_out_bytes":{len(item)},"left_out_sha256":"{digest}"}}'.encode()

    def _flush(self) -> None:
        if self._held:
            try:
                self._close(self._before())
            except _Over as over:
                self.gaps.append(str(over))
        with self._lock:
            while self._pending:
                self._keep_first()

    def _close(self, place: Place) -> None:
        lines, self._held = self._held, []
        if not lines:
            return
        size = sum(map(len, lines)) + len(lines)
        if why := self._shared.budget.reserve(size):
            raise _Over(why)
        future = self._shared.packing.submit(partial(self._pack, lines))
        with self._lock:
            if self._left:
                why = "nobody waits for it any more"
                raise _Over(why)
            self._pending.append((future, size, place))
            while self._pending and (
                len(self._pending) > AHEAD_MAX or self._pending[0][0].done()
            ):
                self._keep_first()

    def _keep_first(self) -> None:
        future, size, place = self._pending.popleft()
        try:
            chunk = future.result()
        except BaseException:
            self._shared.budget.settle(size, None)
            raise
        self._shared.budget.settle(size, chunk)
        self.notes.chunks.append(chunk)
        self.notes.place = place
        self._shared.remembered.kept(self._source.name, self._part, chunk, place)
        self._shared.progress.stored(chunk.items, chunk.content_bytes)

    def _pack(self, lines: list[bytes]) -> Chunk:
        """On a packing thread: redact by field, blot, compress, name, store."""
        return kept(self._shared.redaction.joined(lines), self._shared.sink)

    def _digest(self, items: Sequence[bytes]) -> str:
        """Keyed, so that notes tell nothing of what was read."""
        digest = hashlib.blake2b(key=self._shared.redaction.key[:64], digest_size=16)
        for item in items:
            digest.update(item)
            digest.update(b"\n")
        return digest.hexdigest()
