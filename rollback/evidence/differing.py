"""Lines that stand more often in one list of chunks than in another, for chunks of any number.

What both have as a whole chunk is not read. Of every other line a digest is noted, with its place,
in one of several files without a name, so that equal lines meet in the same file; one file at a
time is sorted and counted. In memory are one chunk, one file's notes, and a bit for each line of a
chunk that holds a difference. The lines themselves are read again when somebody asks for them.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from tempfile import SpooledTemporaryFile
from typing import IO, Final, NamedTuple

from rollback.errors import InputError
from rollback.model.evidence import Chunk

NOTES_AT_ONCE: Final = 100_000
"""So many are sorted at once; each takes about 70 bytes."""

FILES_MAX: Final = 128
"""Open at once. Above `NOTES_AT_ONCE` times as many lines, files grow instead."""

_SPOOL_BYTES: Final = 2**14
"""A file is in memory up to this size, so that small captures leave the disk alone."""

_NOTE: Final = struct.Struct(">16sBII")
"""The digest, the side, the chunk, the line in it: in this order, so that bytes sort as they do."""

_BEFORE, _AFTER = 0, 1

ReadChunk = Callable[[Chunk], Iterable[bytes]]


class Side(NamedTuple):
    """Chunks of one source, and how one is read as lines: the same ones each time."""

    chunks: tuple[Chunk, ...]
    read: ReadChunk


NOTHING: Final = Side((), lambda _: ())


@dataclass(frozen=True, slots=True)
class DifferentLines:
    """Lines in the order they were captured in; read when asked for, as often as that is."""

    _side: Side = NOTHING
    _bits: dict[int, bytearray] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many."""
        return sum(int.from_bytes(bits, "big").bit_count() for bits in self._bits.values())

    def __iter__(self) -> Iterator[bytes]:
        """The lines, chunk by chunk. Raises what reading a chunk raises."""
        for number in sorted(self._bits):
            bits = self._bits[number]
            for at, line in enumerate(self._side.read(self._side.chunks[number])):
                if at >> 3 < len(bits) and bits[at >> 3] >> (at & 7) & 1:
                    yield line

    def mark(self, chunk: int, line: int) -> None:
        """Count one in."""
        bits = self._bits.setdefault(chunk, bytearray())
        bits.extend(bytes(max(0, (line >> 3) + 1 - len(bits))))
        bits[line >> 3] |= 1 << (line & 7)


def differing(
    before: Side,
    after: Side,
    key: Callable[[bytes], bytes],
    notes_at_once: int = NOTES_AT_ONCE,
) -> tuple[DifferentLines, DifferentLines]:
    """(gone, new): counted, so that a line more of a kind is seen. Equal lines have one `key`.

    Raises InputError where there is no room for the notes, and what reading a chunk raises.
    """
    shared = Counter(one.content_sha256 for one in before.chunks)
    shared &= Counter(one.content_sha256 for one in after.chunks)
    sides = tuple(Side(_without(side.chunks, shared), side.read) for side in (before, after))
    lines = sum(chunk.items for side in sides for chunk in side.chunks)
    found = tuple(DifferentLines(side) for side in sides)
    count = max(1, min(FILES_MAX, -(-lines // notes_at_once)))
    try:
        with ExitStack() as opened:
            files: list[IO[bytes]] = [
                opened.enter_context(SpooledTemporaryFile(_SPOOL_BYTES)) for _ in range(count)
            ]
            _note(sides, key, files)
            for file in files:
                for side, chunk, line in _unmatched(file):
                    found[side].mark(chunk, line)
    except OSError as error:
        raise InputError(
            "diff.room",
            f"no room to compare them in: {error.strerror or type(error).__name__}",
            hint="set TMPDIR to a folder with room: about a twentieth of what was captured",
        ) from error
    return found[_BEFORE], found[_AFTER]


def _without(chunks: tuple[Chunk, ...], shared: Counter[str]) -> tuple[Chunk, ...]:
    """The chunks that are left once each shared one is taken out as often as it is shared."""
    left = shared.copy()
    kept = []
    for chunk in chunks:
        if left[chunk.content_sha256] > 0:
            left[chunk.content_sha256] -= 1
        else:
            kept.append(chunk)
    return tuple(kept)


def _note(sides: tuple[Side, ...], key: Callable[[bytes], bytes], files: list[IO[bytes]]) -> None:
    """One note a line, in the file that its digest names. Keyed, so that it tells nothing."""
    secret = os.urandom(16)
    for number, side in enumerate(sides):
        for at, chunk in enumerate(side.chunks):
            for line, content in enumerate(side.read(chunk)):
                digest = hashlib.blake2b(key(content), digest_size=16, key=secret).digest()
                file = files[int.from_bytes(digest[:4], "big") % len(files)]
                file.write(_NOTE.pack(digest, number, at, line))


def _unmatched(file: IO[bytes]) -> Iterator[tuple[int, int, int]]:
    """(side, chunk, line) of every line that has no equal left on the other side."""
    file.seek(0)
    notes = []
    while note := file.read(_NOTE.size):
        notes.append(note)
    notes.sort()
    for _, equal in groupby(notes, key=lambda note: note[:16]):
        places: tuple[list[tuple[int, int, int]], ...] = ([], [])
        for note in equal:
            _, side, chunk, line = _NOTE.unpack(note)
            places[side].append((side, chunk, line))
        matched = min(map(len, places))
        for side in places:
            yield from side[matched:]
