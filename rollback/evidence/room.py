"""Rooms that lines are put together in on their way from pages to a chunk, used again and again.

Pages come and go in megabytes. What is copied out of them at once leaves nothing of them behind,
and a room that is used again costs nothing. Rooms are pages of memory from the system itself: what
is not written to costs nothing either, and what is let go leaves no hole.
"""

from __future__ import annotations

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOM_BYTES: Final = 6 * 2**20
"""As much as a chunk of many lines holds. For a larger line a room grows, and is then let go."""

SPARE_MAX: Final = 3
"""Rooms that are kept while nobody uses them: two readers', and one on its way."""

PIECE_BYTES: Final = 2**20
"""What is made anew of lines is made of about so much at once."""


class Room:
    """Lines put together so far, and how many they are."""

    __slots__ = ("_held", "items", "size")

    def __init__(self) -> None:
        self._held = _memory(ROOM_BYTES)
        self.size = 0
        self.items = 0

    def add(self, lines: memoryview, items: int) -> None:
        """Put so many lines behind the others."""
        end = self.size + len(lines)
        if end > len(self._held):
            larger = _memory(end)
            with memoryview(self._held) as held:
                larger[: self.size] = held[: self.size]
            self._held.close()
            self._held = larger
        self._held[self.size : end] = lines
        self.size = end
        self.items += items

    def content(self) -> memoryview:
        """All of it; to be released before anything is added."""
        return memoryview(self._held)[: self.size]

    def pieces(self, size: int = PIECE_BYTES) -> Iterator[bytes]:
        """Copies of all of it, one after the other: whole lines, and no more than they need."""
        at = 0
        while at < self.size:
            end = self._held.rfind(b"\n", at, min(at + size, self.size)) + 1
            end = end or self._held.find(b"\n", at, self.size) + 1 or self.size
            yield self._held[at:end]
            at = end

    def again(self) -> bool:
        """Empty it; False where it has grown and is better let go."""
        self.size = self.items = 0
        return len(self._held) == ROOM_BYTES


class Rooms:
    """Rooms not in use. Safe to use from several threads; never waits."""

    def __init__(self) -> None:
        """None is made before it is needed."""
        self._spare: list[Room] = []
        self._lock = Lock()

    def take(self) -> Room:
        """An empty room."""
        with self._lock:
            return self._spare.pop() if self._spare else Room()

    def give(self, room: Room) -> None:
        """Give one back, empty or not."""
        if room.again():
            with self._lock:
                if len(self._spare) < SPARE_MAX:
                    self._spare.append(room)


def _memory(size: int) -> mmap:
    """Of this process alone. To grow, another is made: one stretched in place may lack a floor."""
    return mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
