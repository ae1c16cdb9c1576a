"""Where chunks end: at lines that their own content chooses, between two sizes. Pure.

Ends that follow the content come back after a difference: a document that was added or has expired
changes the chunks it stands in and no others, so a second capture stores only what is new. Lines
that cannot end a chunk, being below the smaller size, are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bounds of a chunk's content in bytes. One in `one_in` lines between them is an end."""

    bytes_min: int = 3 * 2**20
    bytes_max: int = 6 * 2**20
    one_in: int = 1024


@dataclass(slots=True)
class Cutter:
    """Says where chunks end, from lines that come in pieces. Every line ends with its newline."""

    sizes: Sizes
    held: int = 0

    def end(self, lines: bytes, start: int) -> int | None:
        """The offset in `lines`, from `start` on, at which a chunk ends.

        None where none does: all of it is held then. `start` itself ends it with what was held
        before. A line that is larger than the larger size is a chunk of its own.
        """
        rest = len(lines) - start
        if rest == 0 or self.held + rest < self.sizes.bytes_min:
            self.held += rest
            return None
        smallest = start + self.sizes.bytes_min - self.held
        largest = start + self.sizes.bytes_max - self.held
        after = lines.find(b"\n", max(start, smallest - 1)) + 1
        before = lines.rfind(b"\n", start, after - 1) + 1 or start
        while after:
            if after > largest:
                return self._taken(before if before > start or self.held else after)
            if crc32(lines[before : after - 1]) % self.sizes.one_in == 0:
                return self._taken(after)
            before, after = after, lines.find(b"\n", after) + 1
        self.held += rest
        return None

    def _taken(self, offset: int) -> int:
        self.held = 0
        return offset
