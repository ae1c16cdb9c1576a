"""The file of the head beside a journal: read, and written over in place (K1 to K3)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from rollback.model.kept_head import BYTES_MAX, KeptHead
from rollback.running.disk import RealDisk

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.journal import JournalCheck
    from rollback.running.disk import Disk

SUFFIX = ".head"
"""In the order of names before `.jsonl`: what copies a folder by name copies the head first, and a
copy of a run that goes on has a head that is behind, not ahead."""

_ODD = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Nothing that lies in its place may lead elsewhere, or be waited for."""


def head_path(journal: Path) -> Path:
    """Where the head of a journal lies."""
    return journal.with_suffix(SUFFIX)


def read_head(journal: Path) -> bytes | None:
    """The head's bytes; None where there is none, empty where it cannot be read. Never raises."""
    try:
        descriptor = os.open(head_path(journal), os.O_RDONLY | _ODD)
    except FileNotFoundError:
        return None
    except OSError:
        return b""
    try:
        return os.read(descriptor, BYTES_MAX)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def write_head(journal: Path, check: JournalCheck) -> None:
    """The head of a journal that is whole on disk and not being written. Never raises.

    Where it cannot be written there is none, or the one before: who opens the journal says so.
    """
    head = HeadFile(journal, RealDisk())
    head.keep(KeptHead(check.run, len(check.records), check.head))
    head.close()


class HeadFile:
    """Of one journal, by the one process that holds its lock. Not safe for several threads."""

    def __init__(self, journal: Path, disk: Disk) -> None:
        """Nothing is opened before the first `keep`."""
        self._path = head_path(journal)
        self._disk = disk
        self._descriptor: int | None = None
        self.problem = ""

    def keep(self, head: KeptHead) -> None:
        """Write it over. Never raises: what fails stands in `problem`, and is tried again."""
        try:
            if self._descriptor is None:
                self._descriptor = self._opened(head)
            self._disk.overwrite(self._descriptor, head.to_bytes())
        except OSError as error:
            self.problem = f"{self._path} cannot be written: {error.strerror}"
        else:
            self.problem = ""

    def close(self) -> None:
        """Let go of the file. Never raises."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = None

    def _opened(self, head: KeptHead) -> int:
        flags = os.O_CREAT | os.O_WRONLY | _ODD
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size > len(head.to_bytes()):
                self._disk.truncate(descriptor, 0)  # what is longer is not ours
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
