"""Where chunks end: at lines that their own content chooses, between two sizes. Pure.

Ends that follow the content come back after a difference: a document that was added or has expired
changes the chunks it stands in and no others, so a second capture stores only what is new. Lines
that cannot end a chunk, being below the smaller size, are not looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bounds of a chunk's content in bytes. One in `one_in` lines between them is an end."""

    bytes_min: int = 3 * 2**20
    bytes_max: int = 5 * 2**20
    one_in: int = 1024


@dataclass(slots=True)
class Cutter:
    """Collects lines and says where chunks end."""

    sizes: Sizes
    held: int = 0

    def end(self, lines: Sequence[bytes], start: int) -> int | None:
        """How many lines from `start` on complete the chunk; None where all are held and none does.

        Lines are counted with their newline. 0 completes the chunk with what was held before.
        """
        sizes = list(accumulate(len(line) + 1 for line in islice(lines, start, None)))
        if not sizes:
            return None
        if self.held + sizes[-1] < self.sizes.bytes_min:
            self.held += sizes[-1]
            return None
        first = bisect_left(sizes, self.sizes.bytes_min - self.held)
        fits = bisect_right(sizes, self.sizes.bytes_max - self.held)
        for at in range(first, fits):
            if crc32(lines[start + at]) % self.sizes.one_in == 0:
                return self._taken(at + 1)
        if fits < len(sizes):  # the next line would pass the larger size; alone it is a chunk
            return self._taken(fits if fits or self.held else 1)
        self.held += sizes[-1]
        return None

    def _taken(self, count: int) -> int:
        self.held = 0
        return count
