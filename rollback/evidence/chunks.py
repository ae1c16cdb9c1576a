"""Chunks: JSON lines cut at a fixed size, compressed, named by the SHA-256 of what is stored.

A chunk is one zstd frame. A line is never split, so a chunk can be read alone. Memory is bounded by
one chunk, whatever the size of the source.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final

import zstandard

from rollback.model.evidence import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.ports import EvidenceSink

CONTENT_BYTES: Final = 4 * 2**20
"""A chunk is closed once it holds this much; a single longer line makes a longer chunk."""

CONTENT_BYTES_MAX: Final = 64 * 2**20
"""No chunk holds more than this, and no reader unpacks more."""

STORED_BYTES_MAX: Final = CONTENT_BYTES_MAX + 2**20
"""What does not compress grows a little."""

LEVEL: Final = 1
"""Seven times the speed of level 6, and the source is slower still."""

_own = threading.local()


def sha256(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def packed(content: bytes) -> bytes:
    """The zstd frame of a content. Each thread keeps one compressor: they are not shared."""
    compressor = getattr(_own, "compressor", None)
    if compressor is None:
        compressor = _own.compressor = zstandard.ZstdCompressor(
            level=LEVEL, write_checksum=True, write_content_size=True
        )
    frame: bytes = compressor.compress(content)
    return frame


def unpacked(stored: bytes) -> bytes:
    """The content of one zstd frame. Raises ValueError for anything else, or for a larger one."""
    try:
        size = zstandard.get_frame_parameters(stored).content_size
        if size > CONTENT_BYTES_MAX:
            msg = f"it says it holds more than {CONTENT_BYTES_MAX} bytes"
            raise ValueError(msg)
        reader = zstandard.ZstdDecompressor().decompressobj()
        content = reader.decompress(stored)
    except zstandard.ZstdError as error:
        msg = f"not a whole zstd frame ({error})"
        raise ValueError(msg) from error
    if not reader.eof or reader.unused_data:
        msg = "not exactly one zstd frame"
        raise ValueError(msg)
    return content


class Chunker:
    """Collects lines and puts chunks into a sink."""

    def __init__(
        self,
        sink: EvidenceSink,
        *,
        size: int = CONTENT_BYTES,
        stored: Callable[[Chunk], None] | None = None,
    ) -> None:
        """stored: hears of every chunk once it is kept."""
        self._sink = sink
        self._size = size
        self._stored = stored
        self._lines: list[bytes] = []
        self._held = 0
        self._chunks: list[Chunk] = []
        self.items = 0

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """What was stored so far, in order."""
        return tuple(self._chunks)

    def add(self, line: bytes) -> None:
        """Take one line, without newline. Raises EvidenceNotWritten; ValueError for a newline."""
        if b"\n" in line:
            msg = "a line of evidence holds no newline"
            raise ValueError(msg)
        if len(line) >= CONTENT_BYTES_MAX:
            msg = f"a line of evidence is longer than {CONTENT_BYTES_MAX} bytes"
            raise ValueError(msg)
        if self._held and self._held + len(line) + 1 > self._size:
            self.flush()
        self._lines.append(line)
        self._held += len(line) + 1
        self.items += 1

    def flush(self) -> None:
        """Store what is held. Secret values are blotted out here, before anything is named."""
        if not self._lines:
            return
        content = b"\n".join(self._lines) + b"\n"
        clean = self._sink.redact(content.decode("utf-8", "surrogateescape"))
        content = clean.encode("utf-8", "surrogateescape")
        self._lines, self._held = [], 0
        stored = packed(content)
        chunk = Chunk(
            sha256=self._sink.put(stored),
            bytes=len(stored),
            content_sha256=sha256(content),
            content_bytes=len(content),
            items=content.count(b"\n"),
        )
        self._chunks.append(chunk)
        if self._stored is not None:
            self._stored(chunk)
