"""The lease of an environment: a folder of this machine, or a bucket that machines share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollback.model.environment import FolderLease
from rollback.running.lease.folder import folder_lease

if TYPE_CHECKING:
    from rollback.model.ports import Lease
    from rollback.wiring.operator import Setting


def lease_of(setting: Setting) -> Lease:
    """The lease store the environment names."""
    named = setting.environment.lease
    folder = setting.state.leases_path
    if isinstance(named.store, FolderLease) and named.store.path is not None:
        folder = Path(setting.environment.base) / named.store.path
    return folder_lease(folder, setting.clock, setting.randomness, ttl_s=named.ttl_s)
