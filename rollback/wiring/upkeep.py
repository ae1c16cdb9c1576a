"""Effects the run itself needs: the evidence bundle, the lease and the mirror of its journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rollback.guard.rules.perimeter import store_folder, store_place
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, FileWrite, HttpWrite, Purpose
from rollback.model.environment import BlobStore, FolderLease, FolderStore, S3Store
from rollback.running.mirror import OBJECT_BYTES_MAX

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan

BUNDLE = "upkeep#bundle"
LEASE_CREATE = "upkeep#lease-create"
LEASE_REPLACE = "upkeep#lease-replace"
MIRROR = "upkeep#mirror"
JOURNALS = "journals/"
MIRROR_TIMES_MAX = 50_000
MIRROR_BYTES_MAX = 2**31
LEASE_BYTES_MAX = 4096
LEASE_TIMES_MAX = 10_000
"""Renewals of a run: at one each 15 s this is more than a day and a half."""


def upkeep_effects(environment: Environment, evidence_path: str) -> tuple[Effect, ...]:
    """What the run's own bundle, lease and mirror may write."""
    bundle = FileWrite(
        id=BUNDLE,
        path=evidence_path,
        bytes_max=environment.evidence.bytes_max,
        times_max=environment.evidence.chunks_max,
        says="seal the evidence bundle of the run",
    )
    return (bundle, *lease_effects(environment), *mirror_effects(environment))


def evidence_path_of(plan: Plan) -> str:
    """The folder of a plan's local evidence, as its own upkeep names it; empty where none does."""
    return next(
        (one.path for one in plan.upkeep if one.id == BUNDLE and isinstance(one, FileWrite)), ""
    )


def mirror_prefix(environment: Environment) -> str:
    """What the keys of mirrored journals start with, in a store that machines share."""
    store = environment.evidence.store
    return f"{store.prefix}{JOURNALS}" if isinstance(store, S3Store | BlobStore) else JOURNALS


def mirror_folder(environment: Environment) -> str:
    """The folder of mirrored journals; empty where they are in a store that machines share."""
    folder = store_folder(environment)
    return str(Path(folder) / JOURNALS) if folder else ""


def mirror_effects(environment: Environment) -> tuple[Effect, ...]:
    """What mirroring the journal may write; none where the environment asks for no mirror."""
    store = environment.evidence.store
    if not environment.journal_mirror or store is None:
        return ()
    says = "keep a copy of the run's journal outside this machine"
    if isinstance(store, FolderStore):
        if store.own is not None:
            says = f"{says}, in the application's own store {store.own!r}"
        return (
            FileWrite(
                id=MIRROR,
                path=mirror_folder(environment),
                bytes_max=MIRROR_BYTES_MAX,
                times_max=MIRROR_TIMES_MAX,
                says=says,
            ),
        )
    host, root = store_place(store)
    return (
        HttpWrite(
            id=MIRROR,
            method="PUT",
            host=host,
            path=f"{root}{mirror_prefix(environment)}{{key}}",
            body=BoundedBody(bytes_max=OBJECT_BYTES_MAX),
            condition="create-only",
            times_max=MIRROR_TIMES_MAX,
            direction=Direction.NEITHER,
            purpose=Purpose.EVIDENCE,
            undo=Undo(possible=False, by="it is kept"),
            says=says,
        ),
    )


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
