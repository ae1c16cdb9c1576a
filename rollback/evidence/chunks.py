"""Chunks: JSON lines, compressed, named by the SHA-256 of what is stored.

A chunk is one zstd frame. A line is never split, so a chunk can be read alone.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final

import zstandard

from rollback.model.evidence import Chunk

if TYPE_CHECKING:
    from rollback.model.ports import EvidenceSink

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


def kept(lines: bytes, sink: EvidenceSink) -> Chunk:
    """Store lines, the last one without its newline, as one chunk.

    Secret values are blotted out here, before anything is named. Raises EvidenceNotWritten, and
    ValueError for more than a chunk can hold.
    """
    if len(lines) >= CONTENT_BYTES_MAX:
        msg = f"a chunk of evidence holds at most {CONTENT_BYTES_MAX} bytes"
        raise ValueError(msg)
    content = sink.redact_bytes(lines) + b"\n"
    stored = packed(content)
    return Chunk(
        sha256=sink.put(stored),
        bytes=len(stored),
        content_sha256=sha256(content),
        content_bytes=len(content),
        items=content.count(b"\n"),
    )
