"""Effects the run itself needs: the evidence bundle, and the lease where machines share one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rollback.guard.rules.perimeter import store_place
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, FileWrite, HttpWrite, Purpose
from rollback.model.environment import BlobStore, FolderLease, S3Store

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment

BUNDLE = "upkeep#bundle"
LEASE_CREATE = "upkeep#lease-create"
LEASE_REPLACE = "upkeep#lease-replace"
LEASE_BYTES_MAX = 4096
LEASE_TIMES_MAX = 10_000
"""Renewals of a run: at one each 15 s this is more than a day and a half."""


def upkeep_effects(environment: Environment, evidence_path: str) -> tuple[Effect, ...]:
    """What the run's own bundle and lease may write."""
    bundle = FileWrite(
        id=BUNDLE,
        path=evidence_path,
        bytes_max=environment.evidence.bytes_max,
        times_max=environment.evidence.chunks_max,
        says="seal the evidence bundle of the run",
    )
    return (bundle, *lease_effects(environment))


def lease_effects(environment: Environment) -> tuple[HttpWrite, ...]:
    """Create and replace of the lease's objects; none where the lease is a folder's."""
    store, lease = environment.evidence.store, environment.lease.store
    if isinstance(lease, FolderLease) or not isinstance(store, S3Store | BlobStore):
        return ()
    host, root = store_place(store)
    where = store.bucket if isinstance(store, S3Store) else store.container

    def effect(name: str, condition: Literal["create-only", "if-match"], says: str) -> HttpWrite:
        return HttpWrite(
            id=name,
            method="PUT",
            host=host,
            path=f"{root}{lease.prefix}{{key}}",
            body=BoundedBody(bytes_max=LEASE_BYTES_MAX),
            condition=condition,
            times_max=LEASE_TIMES_MAX,
            direction=Direction.NEITHER,
            purpose=Purpose.LEASE,
            undo=Undo(possible=True, by="the lease runs out by itself"),
            says=says,
        )

    return (
        effect(LEASE_CREATE, "create-only", f"take the lease in {where}"),
        effect(LEASE_REPLACE, "if-match", f"renew or release the lease in {where}"),
    )
