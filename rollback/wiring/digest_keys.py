"""The keys of digests that stand for values in evidence: one pair a run, whoever goes on with it.

Who has a key can try what a short value was, so it never enters evidence, journal, mirror or notes.
While a run can go on its keys are in files of its folder that only the owner reads: a process that
goes on after another draws no new ones, and what was captured before and after can be compared. The
files go once the run is done and its evidence sealed. Where one cannot be written (a full disk), or
the run goes on elsewhere, there is another key, and digests of before compare with none of after.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from rollback.errors import InputError
from rollback.evidence.redaction import field_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rollback.wiring.setting import Setting

SETTINGS: Final = "digest-key-of-settings"
FIELDS: Final = "digest-key-of-fields"
_KEY_BYTES: Final = 32


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
    """Remove the keys of a run that does not go on."""
    for name in (SETTINGS, FIELDS):
        with suppress(OSError):
            (folder / name).unlink()


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
