"""The keys of digests that stand for values in evidence: one pair a run, whoever goes on with it.

Who has a key can try what a short value was, so it never enters evidence, journal, mirror or notes.
While a run can go on its keys are in files of its folder that only the owner reads: a process that
goes on after another draws no new ones, and what was captured before and after can be compared. The
files go once the run is done and its evidence sealed; those of a run that nobody goes on with are
removed by the next run that ends, once `KEPT_DAYS` have passed since the last record. Where one
cannot be written (a full disk), or the run goes on elsewhere, there is another key, and digests of
before compare with none of after.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from rollback.errors import InputError
from rollback.evidence.redaction import field_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rollback.running.store import RunDirectory, StateDirectory
    from rollback.wiring.setting import Setting

SETTINGS: Final = "digest-key-of-settings"
FIELDS: Final = "digest-key-of-fields"
_KEY_BYTES: Final = 32

KEPT_DAYS: Final = 30
"""So long after its last record a run is not gone on with any more, as far as its keys go."""


class DigestKeys:
    """Those of one run. folder: the run's; None keeps nothing. Safe to use from several threads."""

    def __init__(self, setting: Setting, run: str, folder: Path | None) -> None:
        self._setting = setting
        self._run = run
        self._folder = folder
        self._lock = Lock()
        self._fields = b""

    def settings(self) -> bytes:
        """Of App Service settings: drawn by chance, so that nobody can make it again."""
        return self._kept(SETTINGS, self._drawn)

    def fields(self) -> bytes:
        """Of fields that a rule redacts. Asked for by captures only: halts wait for no secret."""
        with self._lock:
            self._fields = self._fields or self._kept(FIELDS, self._derived)
            return self._fields

    def _drawn(self) -> bytes:
        return bytes.fromhex(self._setting.randomness.hex(_KEY_BYTES))

    def _derived(self) -> bytes:
        """Of the halt token, so that another machine with it has the same key; else drawn."""
        try:
            token = self._setting.secrets.get(self._setting.environment.halt_authority.token)
        except InputError:
            return self._drawn()
        return field_key(token, self._run)

    def _kept(self, name: str, draw: Callable[[], bytes]) -> bytes:
        if self._folder is None:
            return draw()
        path = self._folder / name
        with suppress(OSError, ValueError):
            found = bytes.fromhex(path.read_text("ascii"))
            if len(found) == _KEY_BYTES:
                return found
        key = draw()
        with suppress(OSError):
            _keep(path, key)
        return key


def forget(folder: Path) -> None:
    """Remove the keys of a run that does not go on, and what a death left of one half written."""
    for path in _files(folder):
        with suppress(OSError):
            path.unlink()


def forget_aged(state: StateDirectory, now: datetime) -> tuple[str, ...]:
    """Remove the keys of runs that were left long ago; which runs that were. Raises nothing.

    A run that somebody goes on with has a lock on its journal, and keeps its keys. The lock is held
    meanwhile, so that nobody begins to: who tries in that moment is told that the run is running.
    """
    found: list[str] = []
    runs: tuple[RunDirectory, ...] = ()
    with suppress(OSError):
        runs = state.runs()
    for run in runs:
        with suppress(OSError):
            if _files(run.path) and _aged(run, now) and _left(run, now):
                found.append(run.run)
    return tuple(found)


def _left(run: RunDirectory, now: datetime) -> bool:
    """Forget the keys where nobody has the run; whether nobody had, and it is aged all the same."""
    if not run.journal_path.exists():
        forget(run.path)
        return True
    lock = os.open(run.journal_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aged = _aged(run, now)  # asked again: somebody may have gone on with it, and stopped
        if aged:
            forget(run.path)
        return aged
    finally:
        os.close(lock)


def _aged(run: RunDirectory, now: datetime) -> bool:
    path = run.journal_path if run.journal_path.exists() else run.path
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > timedelta(days=KEPT_DAYS)


def _files(folder: Path) -> tuple[Path, ...]:
    names = (SETTINGS, FIELDS)
    kept = (folder / name for name in names if (folder / name).exists())
    return (*kept, *(half for name in names for half in folder.glob(f".{name}.*")))


def _keep(path: Path, key: bytes) -> None:
    """Whole or not at all. Not fsynced: halts wait for nothing, and it may be lost."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key.hex())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
