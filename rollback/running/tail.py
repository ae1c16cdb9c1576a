"""The end of an append-only file: what was written since it was last known to be durable.

A failed fsync may have lost any of it, and a full disk leaves half a line. So it is kept in memory
until a sync succeeds, and after a failure it is written once more from the last durable place.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollback.running.disk import Disk

LINES_MAX = 1000
"""Lines kept in memory before a sync is made without being asked for."""


class Tail:
    """Not safe for several threads. Methods raise OSError where nothing else is said."""

    def __init__(self, descriptor: int, disk: Disk, durable_bytes: int = 0) -> None:
        """descriptor: opened to append. durable_bytes: length of what is durable already."""
        self._descriptor = descriptor
        self._disk = disk
        self._durable_bytes = durable_bytes
        self._lines: list[bytes] = []
        self._suspect = False  # the file may lack some of the lines, or end in half a one

    @property
    def durable(self) -> bool:
        """Whether a sync covered every line."""
        return not self._lines and not self._suspect

    @property
    def sound(self) -> bool:
        """Whether the file holds every line, so that the next sync covers them."""
        return not self._suspect

    def append(self, line: bytes, *, durable: bool) -> None:
        """Write one more line. After OSError call `settle` or `drop`."""
        self._lines.append(line)
        self.settle(durable=durable, fresh=True)

    def settle(self, *, durable: bool, fresh: bool = False) -> None:
        """Bring the file to hold every line. fresh: all but the last are written already."""
        again = self._suspect or not fresh
        self._suspect = True
        if again:
            self._disk.truncate(self._descriptor, self._durable_bytes)
        for line in self._lines if again else self._lines[-1:]:
            self._write(line)
        if durable or len(self._lines) >= LINES_MAX:
            self._disk.sync(self._descriptor)
            self._durable_bytes += sum(map(len, self._lines))
            self._lines.clear()
        self._suspect = False

    def drop(self) -> None:
        """Forget the last line, and cut half a one off. Never raises: opening would cut it too."""
        self._lines.pop()
        with suppress(OSError):
            whole = self._durable_bytes + sum(len(line) for line in self._lines)
            self._disk.truncate(self._descriptor, whole)

    def _write(self, line: bytes) -> None:
        left = line
        while left:
            left = left[self._disk.write(self._descriptor, left) :]
