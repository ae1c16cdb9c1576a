"""The sink of one scope: the environment's store, and the local spool that counts as written.

A store that fails once is not asked again in the same scope: a capture is bounded in time, and the
spool holds what the store did not take until somebody moves it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import EvidenceNotWritten, JournalBroken
from rollback.evidence.effects import SPOOL
from rollback.evidence.stores import BucketStore, ChunkStore, FolderStore, not_written
from rollback.model.effect import FileWrite, HttpWrite, Purpose, SelfAddressedBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.effect import Effect
    from rollback.model.ports import ObjectPort, PermissionLedger
    from rollback.model.scope import Scope, Shape


class SpoolingSink:
    """The implementation of `EvidenceSink`."""

    def __init__(
        self,
        store: ChunkStore | None,
        spool: ChunkStore | None,
        redact: Callable[[str], str],
    ) -> None:
        """Either may be missing; where both are, nothing can be put."""
        self._store = store
        self._spool = spool
        self._redact = redact
        self._spooled = False
        self._why = "there is no evidence store and no spool in this scope"

    def put(self, data: bytes) -> str:
        """Keep one chunk in the store, else in the spool. Raises EvidenceNotWritten."""
        if self._store is not None:
            try:
                return self._store.put(data)
            except JournalBroken:
                raise
            except EvidenceNotWritten as error:
                self._store, self._why = None, error.reason
        if self._spool is None:
            raise not_written("not-written", f"no store took it: {self._why}")
        self._spooled = True
        return self._spool.put(data)

    def spooled(self) -> bool:
        """True once the spool stood in for the store."""
        return self._spooled

    def redact(self, text: str) -> str:
        """The text without secret values."""
        return self._redact(text)


def sink_of(
    scope: Scope,
    ledger: PermissionLedger,
    *,
    objects: Callable[[], ObjectPort],
    prefix: str,
    redact: Callable[[str], str],
) -> SpoolingSink:
    """The sink that a scope's permissions allow.

    objects: opens the shared store, asked only where the scope may write to it.
    prefix: of the store's keys. redact: blots secret values out of a text.
    """
    store: ChunkStore | None = None
    spool: ChunkStore | None = None
    for effect in scope.permissions:
        made = _store_of(effect, ledger, objects, prefix)
        if effect.id.endswith(SPOOL):
            spool = spool or made
        else:
            store = store or made
    return SpoolingSink(store, spool, redact)


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
