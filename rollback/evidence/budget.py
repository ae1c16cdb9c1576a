"""What a whole capture may store, and until when it may begin another source."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.evidence import Chunk


@dataclass(slots=True)
class Budget:
    """Counted from several threads. One chunk is kept back: the list of all windows."""

    bytes_max: int
    chunks_max: int
    deadline: datetime
    bytes: int = 0
    chunks: int = 0
    seen: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def reserve(self, size: int) -> str:
        """Set room for one chunk of at most `size` bytes aside. Empty, or why there is none."""
        with self._lock:
            if self.bytes + size > self.bytes_max:
                return f"the budget of {self.bytes_max} bytes is spent"
            if self.chunks + 2 > self.chunks_max:
                return f"the budget of {self.chunks_max} chunks is spent"
            self.bytes += size
            self.chunks += 1
            return ""

    def settle(self, size: int, chunk: Chunk | None) -> None:
        """Count what came of a reservation; a chunk that was stored before costs nothing."""
        with self._lock:
            self.bytes -= size
            self.chunks -= 1
            if chunk is not None:
                self._count(chunk)

    def known(self, chunk: Chunk) -> None:
        """Count a chunk of an earlier, interrupted try."""
        with self._lock:
            self._count(chunk)

    def _count(self, chunk: Chunk) -> None:
        if chunk.sha256 not in self.seen:
            self.seen.add(chunk.sha256)
            self.bytes += chunk.bytes
            self.chunks += 1
