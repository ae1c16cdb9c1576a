"""The evidence of a run: where its chunks go, and the bundle at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.evidence.sinks import sink_of
from rollback.model.environment import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.guard.wire import Wire
    from rollback.model.ports import EvidenceSink, PermissionLedger, S3Port
    from rollback.wiring.operator import Setting


def sink_for(
    setting: Setting, ledger: PermissionLedger, s3: Callable[[Wire], S3Port]
) -> Callable[[Wire], EvidenceSink]:
    """Makes the sink that a scope's permissions allow."""
    store = setting.environment.evidence.store
    prefix = store.prefix if isinstance(store, S3Store) else ""

    def sink(wire: Wire) -> EvidenceSink:
        return sink_of(
            wire.scope,
            ledger,
            s3=lambda: s3(wire),
            prefix=prefix,
            redact=setting.secrets.redact,
        )

    return sink
