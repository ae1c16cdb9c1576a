"""Leases in a folder: real for everything that shares the folder, and no further.

How old a lease is, is told by the clock that runs from the machine's start, sleep included: nobody
can set it. It is compared only where holder and taker read that same clock; a lease of another
machine, or from before this one was started, is watched instead (L3). No wall clock is asked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rollback.connectors.folders import make_folder, sync_folder
from rollback.errors import ConnectorError
from rollback.running.clock import this_boot
from rollback.running.lease.document import LeaseDocument, file_name, read_document
from rollback.running.lease.scoped import Changed, Found, ScopedLease

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.model.ports import Clock, Randomness


LOCK_S_MAX = 5
"""How long the lock of a lease is waited for. Who has it writes one small file: milliseconds."""

_TRIES = 50
_NAMED = re.compile(rb"([0-9]+) on [\w.-]+")


class FolderPlace:
    """One JSON file a scope, replaced as a whole, under a lock that dies with its process."""

    strength = "this-machine"

    def __init__(self, folder: Path, clock: Clock, boot: str | None = None) -> None:
        """folder: made when first written. boot: names the clock; empty where nobody can tell."""
        self._folder = folder
        self._clock = clock
        self._boot = this_boot() if boot is None else boot

    def read(self, scope: str) -> Found | None:
        """What is written there; its version is the SHA-256 of its bytes."""
        try:
            data = (self._folder / file_name(scope)).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(self._folder, error) from error
        document = read_document(data, scope)
        age_ms = self._now_ms() - document.boot_ms
        same = bool(self._boot) and document.boot == self._boot and age_ms >= 0
        age_s = age_ms // 1000 if same else None
        return Found(document, _version(data), age_s, told_at_once=same)

    def write(self, document: LeaseDocument, version: str | None) -> str:
        """Write over exactly `version`. Raises Changed, and ConnectorError.

        A process that is stopped while it has the lock (Ctrl-Z, a frozen container) would write
        when it wakes up, so its lock is never broken: after `LOCK_S_MAX` it is named, to be ended.
        """
        # Its end counts from before it is written, as the holder's own does (L5).
        marked = {"boot": self._boot, "boot_ms": self._now_ms()}
        data = document.model_copy(update=marked).to_bytes()
        path = self._folder / file_name(document.scope)
        try:
            with self._alone(path):
                found = self.read(document.scope)
                if (None if found is None else found.version) != version:
                    raise Changed
                part = path.with_suffix(".part")
                descriptor = os.open(
                    part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600
                )
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
                sync_folder(self._folder)
        except OSError as error:
            raise _failed(self._folder, error) from error
        return _version(data)

    def _now_ms(self) -> int:
        return int(self._clock.monotonic() * 1000)

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        make_folder(self._folder)
        lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            self._lock(lock)
            yield
        finally:
            os.close(lock)

    def _lock(self, lock: int) -> None:
        for left in reversed(range(_TRIES)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not left:
                    raise _locked(self._folder, os.pread(lock, 200, 0)) from None
                self._clock.sleep(LOCK_S_MAX / _TRIES)
            else:
                with suppress(OSError):  # for people only, and the disk may be full
                    os.ftruncate(lock, 0)
                    os.pwrite(lock, f"{os.getpid()} on {os.uname().nodename}".encode(), 0)
                return


def folder_lease(
    folder: Path, clock: Clock, randomness: Randomness, *, ttl_s: int, boot: str | None = None
) -> ScopedLease:
    """`Lease` in a folder of this machine. boot: see `FolderPlace`."""
    return ScopedLease(FolderPlace(folder, clock, boot), clock, randomness, ttl_s=ttl_s)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _failed(folder: Path, error: OSError) -> ConnectorError:
    return ConnectorError(
        "lease.folder",
        f"leases in {folder} cannot be read or written: {error.strerror}",
        transient=False,
        hint="see the rights of the folder; halts need no lease: `rollback apply --only-safe`",
    )


def _locked(folder: Path, named: bytes) -> ConnectorError:
    known = _NAMED.fullmatch(named)
    whom = f"process {named.decode('ascii')}" if known else "a process"
    end = f"kill -9 {known[1].decode()}" if known else f"fuser {folder}/*.lock"
    return ConnectorError(
        "lease.folder-locked",
        f"{whom} has been writing a lease in {folder} for over {LOCK_S_MAX} s; it may be stopped, "
        f"and would write when it wakes up: end it there (`{end}`)",
        transient=False,
        hint="then `rollback resume`; halts need no lease: `rollback apply --only-safe`",
    )
