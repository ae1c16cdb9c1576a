"""Chunks: JSON lines, compressed, named by the SHA-256 of what is stored.

A chunk is one zstd frame. A line is never split, so a chunk can be read alone.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rollback.model.evidence import Chunk

if TYPE_CHECKING:
    import zstandard

    from rollback.model.ports import EvidenceSink

CONTENT_BYTES_MAX: Final = 64 * 2**20
"""No chunk holds more than this, and no reader unpacks more."""

STORED_BYTES_MAX: Final = CONTENT_BYTES_MAX + 2**20
"""What does not compress grows a little."""

LEVEL: Final = 1
"""Seven times the speed of level 6, and the source is slower still."""

MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""How a frame begins that holds something. A skippable one unpacks to nothing, and could hide what
no manifest counts."""

_STEP_BYTES: Final = 1024
"""Of four bytes zstd makes 128 KiB at most: a step makes 32 MiB at most."""

_own = threading.local()


def sha256(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def packed(content: bytes) -> bytes:
    """The zstd frame of a content."""
    return packed_lines(content, 0).stored


def unpacked(stored: bytes, bytes_max: int = CONTENT_BYTES_MAX) -> bytes:
    """The content of one zstd frame. Raises ValueError for anything else, or for a larger one.

    What a frame says of its own size is not trusted: it is unpacked a step at a time, and no
    further than `bytes_max`.
    """
    import zstandard

    reader = zstandard.ZstdDecompressor().decompressobj()
    content = bytearray()
    try:
        for at in () if stored[:4] != MAGIC else range(0, len(stored), _STEP_BYTES):
            content += reader.decompress(stored[at : at + _STEP_BYTES])
            if len(content) > bytes_max:
                msg = f"it holds more than {bytes_max} bytes"
                raise ValueError(msg)
            if reader.eof:
                if reader.unused_data or at + _STEP_BYTES < len(stored):
                    break
                return bytes(content)
    except zstandard.ZstdError as error:
        msg = f"not a whole zstd frame ({error})"
        raise ValueError(msg) from error
    msg = "not exactly one zstd frame"
    raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class PackedLines:
    """What is stored of lines, and what a `Chunk` says of them."""

    stored: bytes
    content_sha256: str
    content_bytes: int
    items: int


def packed_lines(content: bytes | memoryview, items: int) -> PackedLines:
    """So many lines. Raises ValueError for more than a chunk can hold.

    They are compressed and hashed in one go each: threads that read are let in between, and not at
    every block.
    """
    size = len(content)
    if size >= CONTENT_BYTES_MAX:
        msg = f"a chunk of evidence holds at most {CONTENT_BYTES_MAX} bytes"
        raise ValueError(msg)
    stored: bytes = _compressor().compress(content)
    digest = hashlib.sha256(content).hexdigest()
    return PackedLines(stored, digest, size, items)


def _compressor() -> zstandard.ZstdCompressor:
    """Each thread keeps one: it is not shared."""
    found: zstandard.ZstdCompressor | None = getattr(_own, "found", None)
    if found is None:
        import zstandard

        found = _own.found = zstandard.ZstdCompressor(
            level=LEVEL, write_checksum=True, write_content_size=True
        )
    return found


def put(made: PackedLines, sink: EvidenceSink) -> Chunk:
    """Store what was packed. Raises EvidenceNotWritten."""
    return Chunk(
        sha256=sink.put(made.stored),
        bytes=len(made.stored),
        content_sha256=made.content_sha256,
        content_bytes=made.content_bytes,
        items=made.items,
    )


def kept(lines: bytes, items: int, sink: EvidenceSink) -> Chunk:
    """Store so many lines, each with its newline, as one chunk.

    Secret values are blotted out here, before anything is named. Raises EvidenceNotWritten, and
    ValueError for more than a chunk can hold.
    """
    return put(packed_lines(sink.redact_bytes(lines), items), sink)
