"""The six things a journal asks of a disk, as a port: so that a full or lying one can be tried."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """Calls raise OSError. Offsets and lengths are bytes."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Append as much as goes; return how much went."""
        ...

    def overwrite(self, descriptor: int, data: bytes) -> None:
        """Write all of `data` from the file's start on, and wait for nothing."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when what was written would survive a power cut."""
        ...

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut the file."""
        ...

    def allocate(self, path: Path, length: int) -> None:
        """Make a file that really occupies `length` bytes."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file and give its space back; a file that is not there is fine."""
        ...


class RealDisk:
    """The operating system's calls."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Append as much as goes."""
        return os.write(descriptor, data)

    def overwrite(self, descriptor: int, data: bytes) -> None:
        """One call: a process that is killed leaves the old or the new."""
        if os.pwrite(descriptor, data, 0) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self, descriptor: int) -> None:
        """Ask for fdatasync where there is one: it makes the new length durable too."""
        getattr(os, "fdatasync", os.fsync)(descriptor)

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut the file."""
        os.ftruncate(descriptor, length)

    def allocate(self, path: Path, length: int) -> None:
        """posix_fallocate where there is one, otherwise zeros."""
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, length)
            else:  # pragma: no cover - macOS
                left = length
                while left > 0:
                    left -= os.write(descriptor, bytes(min(left, 1 << 16)))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Cut first: the space comes back even while somebody holds the file open."""
        with suppress(FileNotFoundError):
            os.truncate(path, 0)
            path.unlink()
