"""The product's own capture as a contender: its real parts, put together as a run does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollback.connectors.clients import GuardedClients, Parts
from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.budget import Budget
from rollback.evidence.capture import capture
from rollback.evidence.effects import evidence_effects
from rollback.evidence.notes import Remembered
from rollback.evidence.packing import Packing
from rollback.evidence.progress import Progress
from rollback.evidence.reading import Shared
from rollback.evidence.redaction import Redaction
from rollback.evidence.sinks import sink_of
from rollback.evidence.sources import cosmos
from rollback.evidence.units import Units
from rollback.evidence.windows import recorded
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import Wire
from rollback.model.direction import Direction
from rollback.model.scope import Phase, Scope
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.journal import FileJournal
from rollback.running.latch import JournalLatch
from rollback.running.ledger import Ledger
from rollback.wiring.scopes import JournalledExchanges
from tests.connectors.stand import VARIABLES
from tests.guard.support import environment
from tests.running.plans import make_plan, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.environment import Environment

ENOUGH = 10**9


def capturing(told: dict[str, Any]) -> Callable[[], int]:
    """A capture of the whole container into the store that was asked for."""
    folder = Path(told["folder"])
    known = _environment(told)
    effects = evidence_effects(known, "capture", str(folder / "local"))
    made = make_plan()
    step = made.steps[0].model_copy(
        update={"changes": (update("capture", Direction.NEITHER, *effects),)}
    )
    clock, secrets = SystemClock(), VariableSecrets({**VARIABLES, "S3_KEY": "rehearsal-secret"})
    for _, secret in known.cosmos:
        if hasattr(secret, "variable"):
            secrets.get(secret)
    secrets.get(known.halt_authority.token)
    secrets.get(known.halt_authority.refused_token)
    journal = FileJournal.create(folder / "journal.jsonl", "r-1", clock)
    ledger = Ledger(
        made.model_copy(update={"steps": (step,), "upkeep": ()}), journal, emergency=lambda _: None
    )
    wire = Wire(
        scope=Scope(run="r-1", step="capture", phase=Phase.APPLY, permissions=effects),
        perimeter=perimeter_of(known),
        ledger=ledger,
        latch=JournalLatch(journal),
        exchanges=JournalledExchanges(journal),
        network=known.network,
        clock=clock,
    )
    parts = Parts(known, secrets, clock, SystemRandomness(), b"k" * 32)
    clients = GuardedClients(wire, parts)
    clients.cosmos().problem()
    if told["to"] == "s3":
        clients.s3().keys("nothing/")
    since, until = window_of()

    def run() -> int:
        sink = sink_of(
            wire.scope,
            ledger,
            objects=clients.objects,
            prefix=told["prefix"] if told["to"] == "s3" else "",
            redact=secrets.redact_bytes,
        )
        with Packing() as packing:
            shared = Shared(
                clients=clients,
                sink=sink,
                redaction=Redaction((), b"key"),
                budget=Budget(2**40, 10**6, datetime.now(UTC) + timedelta(hours=1)),
                remembered=Remembered.of(sink.notes("capture")),
                packing=packing,
                progress=Progress(sink.progress),
            )
            (source,) = cosmos.audit(known, 3600, since, until, Units(ENOUGH, ENOUGH))
            window = capture(source, "durable", shared)
        recorded((window,), "durable", sink)
        if window.completeness != "complete" or sink.spooled():
            raise SystemExit(f"not complete: {window.reason} {sink.spooled()}")
        if window.items != told["events"]:
            raise SystemExit(f"{window.items} events of {told['events']}")
        return sum(chunk.content_bytes for chunk in window.chunks)

    return run


def window_of() -> tuple[datetime, datetime]:
    """A window that holds every synthetic event."""
    from benchmarks.evidence_contenders import window

    return window()


def _environment(told: dict[str, Any]) -> Environment:
    store: dict[str, Any] = {"kind": "folder", "path": str(Path(told["folder"]) / "store")}
    if told["to"] == "s3":
        store = {
            "kind": "s3",
            "endpoint": told["s3"],
            "region": "eu-west-1",
            "bucket": told["bucket"],
            "prefix": told["prefix"],
            "access_key_id": "${S3_ID}",
            "secret_access_key": "${S3_KEY}",
            "retention_days": 1,
        }
    return environment(
        evidence={"store": store, "bytes_max": 2**39, "chunks_max": 10**6},
        cosmos={
            "endpoint": f"http://127.0.0.1:{told['port']}/",
            "database": "trading",
            "key": "${COSMOS_KEY}",
            "control_containers": [],
            "audit_containers": ["audit_log"],
        },
    )
