"""The disk under a journal: it can be full, lie about a sync, and lose what no sync covered."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from rollback.running.disk import RealDisk
from tests.simulation.baton import Crashed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.baton import Process
    from tests.simulation.ground import Ground


class SimulatedDisk(RealDisk):
    """A file in memory (tmpfs, where there is one) below the real `FileJournal`, of one process.

    After its process died nothing is written any more: what runs then is only Python unwinding.
    """

    def __init__(self, ground: Ground, process: Process) -> None:
        self._ground = ground
        self._process = process
        self.descriptor: int | None = None
        self._file: tuple[int, int] | None = None
        self.synced = 0
        self._size = 0
        self._full = ""
        self._reserved = False
        self._head: tuple[int, tuple[int, int]] | None = None
        self._heads = [b""]
        ground.disks.setdefault(process.name, []).append(self)

    def write(self, descriptor: int, data: bytes) -> int:
        if self._process.dead:
            raise Crashed
        self._know(descriptor)
        fault = self._ground.point("append", f"write {len(data)} bytes to the journal")
        if fault == "crash-before":
            self._ground.kill(self._process)
        if fault == "power-cut":
            self.lose_power(descriptor)
            self._ground.kill(self._process)
        if fault == "torn":
            os.write(descriptor, data[: self._ground.fate.part(len(data))])
            self._ground.kill(self._process)
        if fault in {"full", "full-for-good", "broken"}:
            self._full = fault
        if self._full:
            os.write(descriptor, data[: len(data) // 3])
            code = errno.EIO if self._full == "broken" else errno.ENOSPC
            raise OSError(code, os.strerror(code))
        went = os.write(descriptor, data)
        if fault == "crash-after":
            self._ground.kill(self._process)
        return went

    def sync(self, descriptor: int) -> None:
        self._refuse_when_dead()
        self._know(descriptor)
        fault = self._ground.point("sync", "sync the journal")
        if fault == "pause":
            self._ground.common(fault)
        if fault in {"crash-before", "torn"}:
            self._ground.kill(self._process)
        if fault == "power-cut":
            self.lose_power(descriptor)
            self._ground.kill(self._process)
        if fault == "unsynced":
            size = os.fstat(descriptor).st_size
            os.ftruncate(descriptor, self.synced)
            os.ftruncate(descriptor, size)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.synced = os.fstat(descriptor).st_size
        if fault == "crash-after":
            self._ground.kill(self._process)

    def overwrite(self, descriptor: int, data: bytes) -> None:
        """The head beside the journal, which no sync covers."""
        self._refuse_when_dead()
        self._head = (descriptor, _identity(descriptor))
        fault = self._ground.point("head", "write the head of the journal")
        if fault == "crash-before":
            self._ground.kill(self._process)
        if fault == "power-cut":
            self._ground.cut_power(self._process)
        if fault in {"torn", "full"}:
            os.pwrite(descriptor, data[: self._ground.fate.part(len(data))], 0)
            if fault == "torn":
                self._ground.kill(self._process)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().overwrite(descriptor, data)
        self._heads.append(data)
        if fault == "crash-after":
            self._ground.kill(self._process)

    def truncate(self, descriptor: int, length: int) -> None:
        self._refuse_when_dead()
        os.ftruncate(descriptor, length)
        self.synced = min(self.synced, length)

    def allocate(self, path: Path, length: int) -> None:
        self._refuse_when_dead()
        del length
        path.write_bytes(b"")
        self._reserved = True

    def remove(self, path: Path) -> None:
        self._refuse_when_dead()
        super().remove(path)
        if self._reserved and self._full == "full":
            self._full = ""
        self._reserved = False

    def lose_power(self, descriptor: int) -> None:
        """Of what no sync covered, a part is left, and it may be torn.

        The head was written back by itself, or is the one before, or never got to the disk.
        """
        size = os.fstat(descriptor).st_size
        left = self._ground.fate.part(max(0, size - self.synced))
        os.ftruncate(descriptor, min(size, self.synced + left))
        if self._head is not None and (written := self._ground.fate.part(2)) != 1:
            before = self._heads[-2] if written and len(self._heads) > 1 else b""
            os.ftruncate(self._head[0], len(before))
            os.pwrite(self._head[0], before, 0)

    def let_go(self) -> None:
        """What the system does when a process ends: its file is closed, and its lock is free."""
        if self.descriptor is not None and self.open_here():
            os.close(self.descriptor)
        if self._head is not None and _is(*self._head):
            os.close(self._head[0])

    def open_here(self) -> bool:
        """Whether its file is open, and still the one that was."""
        return self.descriptor is not None and _is(self.descriptor, self._file)

    def moved(self) -> None:
        """Another file stands in the place of the one that was open: a copy of it."""
        assert self.descriptor is not None
        self._file = _identity(self.descriptor)
        if self._head is not None:
            self._head = (self._head[0], _identity(self._head[0]))

    def unsynced(self) -> bytes:
        """What no sync covered yet."""
        assert self.descriptor is not None
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, self.synced)

    def covered(self, since: int) -> bytes:
        """What a sync covers of what stands from there on."""
        assert self.descriptor is not None
        return os.pread(self.descriptor, max(0, self.synced - since), since)

    def _know(self, descriptor: int) -> None:
        self.descriptor, self._file = descriptor, _identity(descriptor)
        if self.synced == 0 and self._size == 0:
            self.synced = self._size = os.fstat(descriptor).st_size

    def _refuse_when_dead(self) -> None:
        if self._process.dead:
            raise OSError(errno.EIO, "the process is dead")


def _identity(descriptor: int) -> tuple[int, int]:
    """Which file is open there. Raises OSError."""
    seen = os.fstat(descriptor)
    return seen.st_dev, seen.st_ino


def _is(descriptor: int, file: tuple[int, int] | None) -> bool:
    try:
        return _identity(descriptor) == file
    except OSError:
        return False
