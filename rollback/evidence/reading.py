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
from rollback.evidence.chunks import packed_lines, put
from rollback.evidence.cutting import Cutter, Sizes
from rollback.evidence.notes import Place
from rollback.evidence.redaction import UNREADABLE, one_line
from rollback.evidence.source import LOST_PLACE, SPENT, Ahead, Gap, Lines, PagedSource, fewer, more
from rollback.model.base import Fact
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import datetime

    from rollback.evidence.budget import Budget
    from rollback.evidence.chunks import PackedLines
    from rollback.evidence.notes import PartNotes, Remembered
    from rollback.evidence.packing import Packing
    from rollback.evidence.progress import Progress
    from rollback.evidence.redaction import Redaction
    from rollback.evidence.room import Room
    from rollback.evidence.source import AnySource
    from rollback.model.evidence import Chunk
    from rollback.model.ports import Clients, EvidenceSink

ITEM_BYTES_MAX: Final = 16 * 2**20
"""A larger single item is left out, with its size and digest in its place."""

ANEW_MAX: Final = 3
"""How often one part is read from its beginning before that is a gap."""

TAIL_BYTES: Final = 4096
"""So much before a place tells whether it is still where it was."""

AHEAD_MAX: Final = 3
"""Pieces of one part that may be on their way to the store."""


_UNSEARCHED: Final = Gap(
    "items in which no field can be looked for (they are no JSON) are kept by their digest alone"
)


class _Moved(Exception):
    """The place is not known any more, or its page has changed."""


class _Over(Exception):
    """Nothing more may be read or stored."""


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where reading stands: after so many lines from a page on, the last of which are `tail`."""

    page: str
    done: int
    tail: bytes


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
        self._pending: deque[tuple[Future[Chunk], int, Place, tuple[Gap, ...]]] = deque()
        self._room: Room | None = None
        self._cutter = Cutter(shared.sizes)
        self._before: _Stand | None = None
        self._skip: Place | None = None
        self._skipped = 0
        self._tail = b""
        self._left = False
        self._unsearched: tuple[Gap, ...] = ()
        self._ahead: Ahead | None = None
        before = shared.remembered.units.get((source.name, part), 0)
        self.told = [Fact(name=SPENT, value=before)] if before else []
        self.error: BaseException | None = None
        self.notes: PartNotes = shared.remembered.part(source.name, part)
        self.gaps = [gap.reason for gap in self.notes.gaps]
        self.passing = any(gap.passing for gap in self.notes.gaps)
        self._left_out = [*self.notes.gaps]
        self._before_page = self.notes.gaps
        for chunk in self.notes.chunks:
            shared.budget.known(chunk)

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """What was kept so far, in order."""
        return tuple(self.notes.chunks)

    @property
    def _items(self) -> int:
        return sum(chunk.items for chunk in self.notes.chunks)

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
                self._compare()
                return
        self.gaps.append(f"its beginning was read {ANEW_MAX} times, and its place lost each time")

    def _compare(self) -> None:
        """Hold what came against what was counted before it."""
        if self.gaps or self._ahead is None or self._items == self._ahead.items:
            return
        if self._items < self._ahead.items:
            self.gaps.append(fewer(self._ahead.items, self._items))
            return
        for read in more(self._ahead, self._items):
            if isinstance(read, Gap):
                self._missed(read)
            elif isinstance(read, Fact):
                self._tell(read)

    def _read(self) -> None:
        source, place = self._source, self.notes.place
        self._skip, self._skipped, self._before = place, 0, None
        self._tail = b""
        try:
            self._bounds()
            for read in source.read_part(
                self._shared.clients, self._part, place.page if place else ""
            ):
                if isinstance(read, Gap):
                    self._missed(read)
                    self._left_out.append(read)
                elif isinstance(read, Fact):
                    self._tell(read)
                elif isinstance(read, Ahead):
                    self._ahead = read
                    self._shared.progress.expect(max(0, read.items - self._items))
                else:
                    page = read if isinstance(read, Lines) else Lines(one_line(read) + b"\n")
                    content = self._fitting(page.content)
                    self._before_page = tuple(dict.fromkeys(self._left_out))
                    self._take(content, self._again(content), page)
                    del page, content  # not kept while the next one is on its way
                del read
                self._bounds()
            if self._skip is not None:
                raise _Moved
        except (ConnectorError, InputError) as error:
            if error.code == LOST_PLACE:
                raise _Moved from error
            self._missed(Gap.of(error))
        except _Over as over:
            self.gaps.append(str(over))

    def _tell(self, fact: Fact) -> None:
        self.told.append(fact)
        if fact.name == SPENT and isinstance(fact.value, int):
            self._shared.remembered.spent(self._source.name, self._part, fact.value)

    def _missed(self, gap: Gap) -> None:
        self.gaps.append(gap.reason)
        self.passing = self.passing or gap.passing

    def _bounds(self) -> None:
        if self._stop.is_set():
            why = "stopped: another part of it failed"
            raise _Over(why)
        if self._shared.clients.now() >= self._deadline:
            why = f"its time, {spoken(self._source.seconds_max)}, was over"
            raise _Over(why)

    def _again(self, content: bytes) -> int:
        """The offset after what is stored already. Raises _Moved where it is not there any more.

        The page may come in smaller pages than before; what counts is where its lines lead.
        """
        if self._skip is None:
            return 0
        done = 0
        while self._skipped < self._skip.done and done < len(content):
            done = content.index(b"\n", done) + 1
            self._skipped += 1
        self._tail = (self._tail + content[:done])[-TAIL_BYTES:]
        if self._skipped == self._skip.done:
            if self._digest(self._tail) != self._skip.digest:
                raise _Moved
            self._skip = None
        return done

    def _anew(self) -> None:
        with self._lock:
            self._room = None
            self._cutter = Cutter(self._shared.sizes)
            self.told = [fact for fact in self.told if fact.name == SPENT]
            while self._pending:
                self._keep_first()
            self._shared.remembered.anew(self._source.name, self._part)
            self.notes = self._shared.remembered.part(self._source.name, self._part)

    # --- lines into pieces ---------------------------------------------------------------------

    def _take(self, content: bytes, done: int, page: Lines) -> None:
        """Hold the lines from `done` on. A line is counted once: a page says how many it has."""
        lines = content.count(b"\n", 0, done)
        while (end := self._cutter.end(content, done)) is not None:
            lines += self._hold(content, done, end, _count(content, done, end, page.items - lines))
            done = end
            # Never a place without a line before it: nothing could tell that its page changed.
            self._close(_stand(page, content, done, lines) or self._before)
        lines += self._hold(content, done, len(content), page.items - lines if page.items else 0)
        self._before = _stand(page, content, len(content), lines) or self._before

    def _hold(self, content: bytes, start: int, end: int, items: int = 0) -> int:
        """Hold one piece; return how many lines it has. items: that number where it is known."""
        if end <= start:
            return 0
        items = items or content.count(b"\n", start, end)
        if self._room is None:
            self._room = self._shared.packing.rooms.take()
        with memoryview(content) as whole:
            self._room.add(whole[start:end], items)
        return items

    def _fitting(self, content: bytes) -> bytes:
        """The lines, those that no chunk should hold replaced by their size and digest."""
        if len(content) <= ITEM_BYTES_MAX:
            return content
        lines = content.split(b"\n")[:-1]
        for at, line in enumerate(lines):
            if len(line) > ITEM_BYTES_MAX:
                gap = Gap(f"an item of {len(line)} bytes was left out")
                self._missed(gap)
                self._left_out.append(gap)
                digest = hashlib.sha256(line).hexdigest()
                told = f'{{"left_out_bytes":{len(line)},"left_out_sha256":"{digest}"}}'
                lines[at] = told.encode()
        return Lines.of(lines).content

    def _flush(self) -> None:
        if self._room is not None:
            try:
                self._close(self._before)
            except _Over as over:
                self.gaps.append(str(over))
        with self._lock:
            while self._pending:
                self._keep_first()

    def _close(self, stand: _Stand | None) -> None:
        room, self._room = self._room, None
        if room is None or stand is None:
            return
        size = room.size
        if why := self._shared.budget.reserve(size):
            self._shared.packing.rooms.give(room)
            raise _Over(why)
        place = Place(stand.page, stand.done, self._digest(stand.tail))
        future = self._shared.packing.submit(partial(self._pack, room), self._put)
        with self._lock:
            if self._left:
                why = "nobody waits for it any more"
                raise _Over(why)
            self._pending.append((future, size, place, self._before_page))
            while self._pending and (len(self._pending) > AHEAD_MAX or self._pending[0][0].done()):
                self._keep_first()

    def _keep_first(self) -> None:
        future, size, place, gaps = self._pending.popleft()
        try:
            chunk = future.result()
        except BaseException:
            self._shared.budget.settle(size, None)
            raise
        self._shared.budget.settle(size, chunk)
        self.notes.chunks.append(chunk)
        self.notes.place = place
        gaps = tuple(dict.fromkeys((*gaps, *self._unsearched)))
        for gap in self._unsearched:
            if gap.reason not in self.gaps:
                self._missed(gap)
                self._left_out.append(gap)
        self._shared.remembered.kept(self._source.name, self._part, chunk, place, gaps)
        self._shared.progress.stored(chunk.items, chunk.content_bytes)

    def _pack(self, room: Room) -> PackedLines:
        """On a packing thread: redact by field, blot, compress, name."""
        redaction, rooms = self._shared.redaction, self._shared.packing.rooms
        if redaction.rules:
            clean = rooms.take()
            for piece in room.pieces():
                redacted = redaction.lines(piece)
                if redacted.count(UNREADABLE) > piece.count(UNREADABLE):
                    self._unsearched = (_UNSEARCHED,)
                with memoryview(redacted) as lines:
                    clean.add(lines, 0)
            clean.items = room.items
            rooms.give(room)
            room = clean
        with room.content() as content:
            made = packed_lines(self._shared.sink.redact_bytes(content), room.items)
        rooms.give(room)
        return made

    def _put(self, made: PackedLines) -> Chunk:
        return put(made, self._shared.sink)

    def _digest(self, tail: bytes) -> str:
        """Keyed, so that notes tell nothing of what was read."""
        key = self._shared.redaction.key[:64]
        return hashlib.blake2b(tail, key=key, digest_size=16).hexdigest()


def _count(content: bytes, start: int, end: int, left: int) -> int:
    """How many lines a piece has. left: those from `start` on, where somebody counted them.

    Of what is before `end` and what is after it, the shorter is counted then.
    """
    if left > 0 and len(content) - end < end - start:
        return left - content.count(b"\n", end)
    return content.count(b"\n", start, end)


def _stand(page: Lines, content: bytes, end: int, lines: int) -> _Stand | None:
    if not end:
        return None
    return _Stand(page.place, lines, content[max(0, end - TAIL_BYTES) : end])
