"""Where chunks end follows from what is in them, whatever pages the lines came in."""

from __future__ import annotations

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from rollback.evidence.cutting import Cutter, Sizes

LINES = st.lists(st.binary(max_size=30).filter(lambda one: b"\n" not in one), max_size=60)
SIZES = st.builds(
    Sizes, bytes_min=st.integers(1, 80), bytes_max=st.integers(80, 200), one_in=st.integers(1, 9)
)


def by_hand(lines: list[bytes], sizes: Sizes) -> list[list[bytes]]:
    """One line after the other."""
    chunks: list[list[bytes]] = []
    held: list[bytes] = []
    for line in lines:
        if held and sum(len(one) + 1 for one in held) + len(line) + 1 > sizes.bytes_max:
            chunks.append(held)
            held = []
        held.append(line)
        size = sum(len(one) + 1 for one in held)
        alone = len(held) == 1 and size > sizes.bytes_max
        chosen = sizes.bytes_min <= size <= sizes.bytes_max and crc32(line) % sizes.one_in == 0
        if alone or chosen:
            chunks.append(held)
            held = []
    return [*chunks, held] if held else chunks


def cut(pages: list[list[bytes]], sizes: Sizes) -> list[list[bytes]]:
    cutter = Cutter(sizes)
    chunks: list[bytes] = []
    held = b""
    for page in pages:
        content, done = b"".join(line + b"\n" for line in page), 0
        while (end := cutter.end(content, done)) is not None:
            chunks.append(held + content[done:end])
            held, done = b"", end
        held += content[done:]
    return [chunk.split(b"\n")[:-1] for chunk in [*chunks, *([held] if held else [])]]


@given(LINES, SIZES, st.integers(1, 20))
def test_chunks_end_where_they_would_line_by_line(lines: list[bytes], sizes: Sizes, page: int) -> None:
    pages = [lines[at : at + page] for at in range(0, len(lines), page)]
    assert cut(pages, sizes) == by_hand(lines, sizes)


def test_a_document_more_changes_few_chunks() -> None:
    """Fixed ends would change every chunk after it."""
    sizes = Sizes(bytes_min=2_000, bytes_max=9_000, one_in=16)
    lines = [b"%d:%x" % (number, number * number * 2_654_435_761) for number in range(20_000)]
    before = {tuple(chunk) for chunk in cut([lines], sizes)}
    after = {tuple(chunk) for chunk in cut([[*lines[:9], b"one more", *lines[9:]]], sizes)}
    assert len(before) > 50
    assert len(after - before) <= 3
