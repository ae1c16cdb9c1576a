"""A bucket in memory that passes the public suite of stores, and ways for it to fail."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.evidence.chunks import kept
from rollback.model.ports import StoredObject

if TYPE_CHECKING:
    from rollback.model.effect import HttpWrite
    from rollback.model.evidence import Chunk
    from rollback.model.ports import EvidenceSink


class MemoryBucket:
    """An `ObjectPort` in memory. fails: raised by every create; drops: stores, then loses the answer."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.created: list[str] = []
        self.fails: ConnectorError | None = None
        self.drops = False

    def get(self, key: str) -> tuple[bytes, str] | None:
        found = self.objects.get(key)
        return None if found is None else (found, hashlib.sha256(found).hexdigest())

    def stored(self, key: str) -> StoredObject | None:
        found = self.get(key)
        return None if found is None else StoredObject(*found)

    def keys(self, prefix: str, most: int = 100_000) -> tuple[str, ...]:
        return tuple(sorted(key for key in self.objects if key.startswith(prefix)))[:most]

    def create(self, effect: HttpWrite, key: str, body: bytes) -> str:
        del effect
        if self.fails is not None:
            raise self.fails
        if key in self.objects:
            raise ConnectorError("s3.precondition", "it is there", transient=False, status=412)
        self.objects[key] = body
        self.created.append(key)
        if self.drops:
            raise ConnectorError("s3.timeout", "no answer in time", transient=True)
        return "etag"

    def replace(self, effect: HttpWrite, key: str, body: bytes, etag: str) -> str:
        raise NotImplementedError


class Chunker:
    """Puts lines into chunks of about `size` bytes, one after the other."""

    def __init__(self, sink: EvidenceSink, *, size: int = 4096) -> None:
        self._sink = sink
        self._size = size
        self._lines: list[bytes] = []
        self._chunks: list[Chunk] = []
        self.items = 0

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        return tuple(self._chunks)

    def add(self, line: bytes) -> None:
        if self._lines and sum(map(len, self._lines)) + len(line) > self._size:
            self.flush()
        self._lines.append(line)
        self.items += 1

    def flush(self) -> None:
        if self._lines:
            self._chunks.append(kept(b"\n".join([*self._lines, b""]), len(self._lines), self._sink))
        self._lines = []
