"""Fakes of the ports below a run: time, chance, a disk with a size, a bucket."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rollback.errors import ConnectorError
from rollback.model.effect import HttpWrite
from rollback.model.ports import StoredObject
from rollback.running.disk import RealDisk

START = datetime(2026, 11, 23, 9, 36, tzinfo=UTC)


@dataclass
class VirtualClock:
    """Time that moves when somebody sleeps. skew_s: how wrong this machine's wall clock is."""

    skew_s: float = 0.0
    passed_s: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s + self.skew_s)

    def monotonic(self) -> float:
        return 1000.0 + self.passed_s

    def sleep(self, seconds: float) -> None:
        self.passed_s += max(0.0, seconds)


class SeededRandomness:
    """Chance that repeats."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def hex(self, n_bytes: int) -> str:
        return self._random.randbytes(n_bytes).hex()

    def fraction(self) -> float:
        return self._random.random()


@dataclass
class SmallDisk(RealDisk):
    """A real file on a disk of `capacity` bytes that can also fail to sync.

    A failed sync loses what was written since the last good one, as kernels do: the bytes are
    still counted, and read as zeros.
    """

    capacity: int = 1 << 30
    failing_syncs: int = 0
    chunk: int = 1 << 30
    reserved: int = 0
    synced: dict[int, int] = field(default_factory=dict)

    def _free(self, descriptor: int) -> int:
        return self.capacity - self.reserved - os.fstat(descriptor).st_size

    def write(self, descriptor: int, data: bytes) -> int:
        room = min(self._free(descriptor), self.chunk)
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data[:room])

    def sync(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        if self.failing_syncs:
            self.failing_syncs -= 1
            kept = min(self.synced.get(descriptor, 0), size)
            os.ftruncate(descriptor, kept)
            os.ftruncate(descriptor, size)
            raise OSError(errno.EIO, "Input/output error")
        self.synced[descriptor] = size

    def allocate(self, path: Path, length: int) -> None:
        if length > self.capacity:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(b"")
        self.reserved = length

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.reserved = 0


@dataclass
class MemoryBucket:
    """`ObjectPort` in memory. lose: what becomes of the next writes (see `LOSSES`).

    age_s: how old its clock says that everything is.
    """

    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    lose: list[str] = field(default_factory=list)
    writes: int = 0
    age_s: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> tuple[bytes, str] | None:
        return self.objects.get(key)

    def stored(self, key: str) -> StoredObject | None:
        found = self.objects.get(key)
        return None if found is None else StoredObject(*found, age_s=self.age_s)

    def keys(self, prefix: str, most: int = 100_000) -> tuple[str, ...]:
        return tuple(sorted(key for key in self.objects if key.startswith(prefix)))[:most]

    def create(self, effect: HttpWrite, key: str, body: bytes) -> str:
        assert effect.condition == "create-only"
        return self._write(key, body, None)

    def replace(self, effect: HttpWrite, key: str, body: bytes, etag: str) -> str:
        assert effect.condition == "if-match"
        return self._write(key, body, etag)

    def _write(self, key: str, body: bytes, etag: str | None) -> str:
        with self.lock:
            fault = self.lose.pop(0) if self.lose else ""
            if fault == "before":
                raise ConnectorError("s3.lost", "the connection was dropped", transient=True)
            if fault == "conflict":
                raise ConnectorError("s3.conflict", "409", transient=True, status=409)
            found = self.objects.get(key)
            if (None if found is None else found[1]) != etag:
                raise ConnectorError("s3.changed", "412", transient=False, status=412)
            self.writes += 1
            fresh = hashlib.sha256(body + str(self.writes).encode()).hexdigest()
            self.objects[key] = (body, fresh)
            if fault == "after":
                raise ConnectorError("s3.lost", "the answer was dropped", transient=True)
            return fresh
