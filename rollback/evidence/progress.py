"""How far a capture is: what came, at what rate, and how long it can still take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_S: Final = 2.0
"""Nobody reads faster."""


@dataclass(slots=True)
class Progress:
    """Counts from several threads, and speaks at most once in `EVERY_S`."""

    say: Callable[[str], None]
    clock: Callable[[], float] = field(default_factory=lambda: time.monotonic)
    source: str = ""
    seconds_max: int = 0
    items: int = 0
    bytes: int = 0
    ahead: int = 0
    _began: float = 0.0
    _said: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def begin(self, source: str, seconds_max: int) -> None:
        """Another source begins."""
        with self._lock:
            self.source, self.seconds_max = source, seconds_max
            self.items = self.bytes = self.ahead = 0
            self._began = self._said = self.clock()

    def expect(self, items: int) -> None:
        """So many more items are ahead."""
        with self._lock:
            self.ahead += items

    def stored(self, items: int, content_bytes: int) -> None:
        """A chunk was kept."""
        with self._lock:
            self.items += items
            self.bytes += content_bytes
            now = self.clock()
            if now - self._said < EVERY_S:
                return
            self._said = now
            text = self._text(now - self._began)
        self.say(text)

    def _text(self, took_s: float) -> str:
        rate = self.bytes / max(took_s, 0.001)
        left = max(0.0, self.seconds_max - took_s)
        told = f"at most {left:.0f} s left"
        if self.ahead > self.items:
            wanted = took_s * (self.ahead - self.items) / max(1, self.items)
            told = f"about {min(wanted, left):.0f} s left"
            if wanted > left:
                told = f"{told}, and not all of it in that time"
        done = f"{self.items:,} of {self.ahead:,}" if self.ahead else f"{self.items:,}"
        return (
            f"{self.source}: {done} items, {self.bytes / 1e6:,.1f} MB, "
            f"{rate / 1e6:,.1f} MB/s, {told}"
        )
