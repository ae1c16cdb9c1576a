"""The evidence of a run: where its chunks go, and the bundle at its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.evidence.sinks import sink_of
from rollback.model.environment import BlobStore, S3Store
from rollback.wiring.own_stores import chunks_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.guard.wire import Wire
    from rollback.model.ports import EvidenceSink, ObjectPort, PermissionLedger
    from rollback.wiring.setting import Setting


def sink_for(
    setting: Setting,
    ledger: PermissionLedger,
    objects: Callable[[Wire], ObjectPort],
    say: Callable[[str, str, str], None],
) -> Callable[[Wire], EvidenceSink]:
    """Makes the sink that a scope's permissions allow. say: (kind, step, text) of progress."""
    store = setting.environment.evidence.store
    prefix = store.prefix if isinstance(store, S3Store | BlobStore) else ""

    def sink(wire: Wire) -> EvidenceSink:
        return sink_of(
            wire.scope,
            ledger,
            objects=lambda: objects(wire),
            prefix=prefix,
            redact=setting.secrets.redact_bytes,
            say=lambda text: say("capturing", wire.scope.step, text),
            own=partial(chunks_of, setting.environment, setting.stores),
        )

    return sink
