"""A capture in a process of its own that is killed at one of its chunks.

    python -m tests.evidence.killed FOLDER PORT KILL_AT

Captures the container of a Cosmos-shaped server into FOLDER/store, with the action itself. At the
KILL_AT-th file that it creates (0: never) the process kills itself, after the file is there and
before anything is noted of it. Where KILL_AT is negative, it dies once so many are there, before the
next one is: another may be half written then. Prints the windows when it comes to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.actions.snapshot_audit_logs import SnapshotAuditLogs
from rollback.evidence import stores
from rollback.evidence.sinks import sink_of
from rollback.model.change import Update
from rollback.model.observation import World
from rollback.model.scope import Phase
from rollback.model.steps import SnapshotAuditLogs as Spec
from tests.actions.loopback import context, environment, opened
from tests.evidence.cosmos_shaped import CONTAINER, DATABASE, FIRST_TS

if TYPE_CHECKING:
    from rollback.model.ports import EvidenceSink
    from tests.actions.loopback import Opened

def main() -> None:
    """Capture once."""
    folder, port, kill_at = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    env = environment(
        evidence={"store": {"kind": "folder", "path": str(folder / "store")}},
        cosmos={
            "endpoint": f"http://127.0.0.1:{port}/",
            "database": DATABASE,
            "key": "${COSMOS_KEY}",
            "control_containers": [],
            "audit_containers": [CONTAINER],
        },
        surfaces=[
            ("backend", {"provider": "unsupported", "human_step": "by hand"}),
        ],
    )
    action = SnapshotAuditLogs()
    step = context(
        env,
        Spec(sources="durable", window=3600),
        "capture",
        created=datetime.fromtimestamp(FIRST_TS, UTC),
        evidence_path=str(folder / "local"),
    )
    (change,) = action.plan(step, World()).changes
    if not isinstance(change, Update):
        raise SystemExit(change)
    created: list[str] = []
    create = stores.create

    def counted(path: Path, data: bytes) -> None:
        if kill_at < 0 and len(created) >= -kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        create(path, data)
        created.append(path.name)
        with (folder / "created").open("a") as file:
            file.write(f"{path.name}\n")
        if 0 < kill_at <= len(created):
            os.kill(os.getpid(), signal.SIGKILL)

    def sink(under: Opened) -> EvidenceSink:
        return sink_of(
            under.wire.scope,
            under.ledger,
            objects=under.clients.objects,
            prefix="",
            redact=under.secrets.redact_bytes,
        )

    stores.create = counted
    with opened(env, change.effects, phase=Phase.APPLY, sink=sink) as under:
        facts = action.perform(step, change, under.clients).facts
    told = {fact.name: fact.value for fact in facts}
    sys.stdout.write(f"{told['windows_sha256']}\n")


if __name__ == "__main__":
    main()
