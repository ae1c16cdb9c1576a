"""The sink of one scope: the environment's store, and the local spool that counts as written.

A store that fails once is not asked again in the same scope: a capture is bounded in time, and the
spool holds what the store did not take until somebody moves it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from rollback.errors import EvidenceNotWritten, JournalBroken
from rollback.evidence.effects import SPOOL
from rollback.evidence.notes import FileNotes, NoNotes
from rollback.evidence.stores import BucketStore, ChunkStore, FolderStore, not_written
from rollback.model.effect import FileWrite, HttpWrite, Purpose, SelfAddressedBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.effect import Effect
    from rollback.model.ports import Notes, ObjectPort, PermissionLedger
    from rollback.model.scope import Scope, Shape

NOTES = "captures"
"""The folder of notes, in the folder of the plan's local evidence."""


class SpoolingSink:
    """The implementation of `EvidenceSink`. Safe to use from several threads."""

    def __init__(
        self,
        store: ChunkStore | None,
        spool: ChunkStore | None,
        redact: Callable[[bytes | memoryview], bytes | memoryview],
        *,
        notes: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Either store may be missing; where both are, nothing can be put.

        notes: the folder of notes. say: hears how far a capture is.
        """
        self._store = store
        self._spool = spool
        self._redact = redact
        self._notes = notes
        self._say = say
        self._spooled = False
        self._failed = False
        self._lock = Lock()
        self._why = "there is no evidence store and no spool in this scope"

    def put(self, data: bytes) -> str:
        """Keep one chunk in the store, else in the spool. Raises EvidenceNotWritten."""
        store = self._store
        if store is not None:
            try:
                return store.put(data)
            except JournalBroken:
                raise
            except EvidenceNotWritten as error:
                with self._lock:
                    self._store, self._why, self._failed = None, error.reason, True
        if self._spool is None:
            raise not_written("not-written", f"no store took it: {self._why}")
        try:
            name = self._spool.put(data)
        except EvidenceNotWritten as error:
            if not self._failed:
                raise
            reason = f"the store did not take it: {self._why}; nor did the spool: {error.reason}"
            raise not_written("not-written", reason) from error
        self._spooled = True
        return name

    def spooled(self) -> bool:
        """True once the spool stood in for the store."""
        return self._spooled

    def redact(self, text: str) -> str:
        """The text without secret values."""
        data = text.encode("utf-8", "surrogatepass")
        return bytes(self._redact(data)).decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes | memoryview) -> bytes | memoryview:
        """The bytes without secret values."""
        return self._redact(data)

    def notes(self, name: str) -> Notes:
        """Notes of one capture; kept only where the scope may write to this machine."""
        if self._notes is None:
            return NoNotes()
        file = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.jsonl"
        return FileNotes(self._notes / file, self._redact)

    def progress(self, text: str) -> None:
        """Pass it on."""
        self._say(text)


def sink_of(
    scope: Scope,
    ledger: PermissionLedger,
    *,
    objects: Callable[[], ObjectPort],
    prefix: str,
    redact: Callable[[bytes | memoryview], bytes | memoryview],
    say: Callable[[str], None] = lambda _: None,
    own: Callable[[Callable[[Shape], None]], ChunkStore | None] = lambda _: None,
) -> SpoolingSink:
    """The sink that a scope's permissions allow.

    objects: opens the shared store, asked only where the scope may write to it.
    prefix: of the store's keys. redact: blots secret values out. say: hears of progress.
    own: the application's own store instead of a folder's, given what spends its permission.
    """
    store: ChunkStore | None = None
    spool: ChunkStore | None = None
    notes: Path | None = None
    for effect in scope.permissions:
        made = _store_of(effect, ledger, objects, prefix)
        if effect.id.endswith(SPOOL) and isinstance(effect, FileWrite):
            spool = spool or made
            notes = notes or Path(effect.path) / NOTES
        elif made is not None:
            of_folder = isinstance(made, FolderStore)
            mine = own(_spender(ledger, effect.id)) if of_folder else None
            store = store or mine or made
    return SpoolingSink(store, spool, redact, notes=notes, say=say)


def _store_of(
    effect: Effect, ledger: PermissionLedger, objects: Callable[[], ObjectPort], prefix: str
) -> ChunkStore | None:
    if effect.purpose is not Purpose.EVIDENCE:
        return None
    if isinstance(effect, FileWrite):
        return FolderStore(Path(effect.path), _spender(ledger, effect.id))
    if isinstance(effect, HttpWrite) and isinstance(effect.body, SelfAddressedBody):
        return BucketStore(objects(), effect, prefix)
    return None


def _spender(ledger: PermissionLedger, effect_id: str) -> Callable[[Shape], None]:
    def spend(shape: Shape) -> None:
        ledger.spend(effect_id, shape)

    return spend
