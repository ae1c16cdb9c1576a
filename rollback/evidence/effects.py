"""The writes a capture may do, as part of the plan. Pure."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from rollback.evidence.chunks import STORED_BYTES_MAX
from rollback.guard.rules.perimeter import store_folder, store_place
from rollback.model.direction import Direction, Undo
from rollback.model.effect import FileWrite, HttpWrite, Purpose, SelfAddressedBody
from rollback.model.environment import BlobStore, FolderStore, S3Store

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment

CHUNK_PATH: Final = "chunks/{sha256}"
SPOOL: Final = "/spool"
"""How the id of the spool's permission ends."""

_KEPT = Undo(possible=False, by="evidence is kept")


def evidence_effects(
    environment: Environment, step: str, evidence_path: str, change: str = "capture"
) -> tuple[Effect, ...]:
    """The store's permission, then the local spool's; none where neither has a place.

    evidence_path: absolute folder of the plan's local evidence; empty where there is none.
    """
    evidence = environment.evidence
    made: list[Effect] = []
    store = evidence.store
    if isinstance(store, S3Store | BlobStore):
        host, root = store_place(store)
        where = (
            f"bucket {store.bucket}"
            if isinstance(store, S3Store)
            else f"container {store.container}"
        )
        made.append(
            HttpWrite(
                id=f"{step}#{change}",
                method="PUT",
                host=host,
                path=f"{root}{store.prefix}{CHUNK_PATH}",
                body=SelfAddressedBody(bytes_max=STORED_BYTES_MAX),
                condition="create-only",
                times_max=min(evidence.chunks_max, 2**20 - 1),
                direction=Direction.NEITHER,
                purpose=Purpose.EVIDENCE,
                undo=_KEPT,
                says=f"create chunks of evidence in {where}",
            )
        )
    elif isinstance(store, FolderStore):
        made.append(_files(environment, f"{step}#{change}", store_folder(environment), store.own))
    if evidence_path:
        made.append(_files(environment, f"{step}#{change}{SPOOL}", evidence_path))
    return tuple(made)


def _files(
    environment: Environment, effect_id: str, path: str, own: str | None = None
) -> FileWrite:
    evidence = environment.evidence
    how = "as read-only files" if own is None else f"in the application's own store {own!r}"
    return FileWrite(
        id=effect_id,
        path=posixpath.normpath(path),
        bytes_max=min(evidence.bytes_max, 2**40 - 1),
        times_max=min(evidence.chunks_max, 2**20 - 1),
        says=f"create chunks of evidence {how}",
    )
