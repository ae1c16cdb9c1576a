"""The documents of the simulated Cosmos account: first contents, stamps and recorded changes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator.world import Container, DocumentChange, World

if TYPE_CHECKING:
    from datetime import datetime

CONTROL_CONTAINERS = (
    "dynamic_config",
    "trading_controls",
    "user_profiles",
    "snapshots",
    "capital_ledgers",
    "strategy_presets",
)
AUDIT_CONTAINERS = ("audit_log", "operational_events")
AUDITED = "operator:"
"""Who changes control state through the backend, which audits it; a release at start does not."""

AUDIT_DOCUMENTS = 300
"""Generated for each audit container; with their filler they are about 600 bytes each."""
AUDIT_SPAN_S = 24 * 3600


def control_containers() -> dict[str, Container]:
    """Return the containers of the standard story."""
    documents: dict[str, list[dict[str, Any]]] = {
        "dynamic_config": [
            {"id": "limits", "scope": "global", "schema": 4, "maxOrderValue": 250000},
            {"id": "venues", "scope": "global", "schema": 4, "enabled": ["XLON", "XPAR"]},
        ],
        "trading_controls": [
            _control("global", "global"),
            _control("tenant:alpha", "tenant"),
            _control("tenant:beta", "tenant"),
            _control("strategy:momentum", "strategy"),
        ],
        "user_profiles": [
            {"id": "probe@alpha", "scope": "alpha", "name": "Probe Alpha"},
            {"id": "probe@beta", "scope": "beta", "name": "Probe Beta"},
        ],
        "snapshots": [{"id": "positions-latest", "scope": "global", "positions": 214}],
        "capital_ledgers": [{"id": "alpha-2026-11", "scope": "alpha", "balance": "1250000.00"}],
        "strategy_presets": [{"id": "momentum", "scope": "global", "version": 12}],
    }
    containers = {
        name: Container(partition_key="/scope", documents=documents[name])
        for name in CONTROL_CONTAINERS
    }
    for name in AUDIT_CONTAINERS:
        containers[name] = Container(partition_key="/tenant", generated=AUDIT_DOCUMENTS)
    return containers


def _control(document_id: str, scope: str) -> dict[str, Any]:
    return {
        "id": document_id,
        "scope": scope,
        "schema": 4,
        "halted": False,
        "by": None,
        "at": None,
    }


def prepare(world: World) -> None:
    """Fill in generated documents and stamp every document that has no stamps yet."""
    start = int(world.at.timestamp()) - AUDIT_SPAN_S
    for name, container in world.containers.items():
        step = AUDIT_SPAN_S // max(container.generated, 1)
        container.documents.extend(
            _audit(name, index, start + index * step) for index in range(container.generated)
        )
        container.generated = 0
        for document in container.documents:
            if "_etag" not in document:
                stamp(name, document, document.get("_ts", start), "story")


def _audit(container: str, index: int, ts: int) -> dict[str, Any]:
    mark = hashlib.sha256(f"{container}/{index}".encode()).hexdigest()
    action = ("order.placed", "config.read", "session.refreshed", "control.read")[index % 4]
    return {
        "id": f"{container}-{index:05d}",
        "tenant": ("alpha", "beta")[index % 2],
        "requestId": f"req-{mark[:16]}",
        "actor": ("probe@alpha", "probe@beta")[index % 2],
        "action": action,
        "email": f"user{index}@customer.example",
        "detail": " ".join(mark[i : i + 8] for i in range(0, 64, 8)) * 3,
        "_ts": ts,
    }


def stamp(container: str, document: dict[str, Any], ts: int, salt: str) -> None:
    """Set the system properties that the service sets on every write."""
    mark = hashlib.sha256(f"{container}/{document.get('id')}/{ts}/{salt}".encode()).hexdigest()
    document["_rid"] = mark[:16]
    document["_self"] = f"dbs/trading/colls/{container}/docs/{mark[:16]}/"
    document["_etag"] = f'"{mark[16:24]}-0000-0000-0000-{mark[24:36]}"'
    document["_attachments"] = "attachments/"
    document["_ts"] = ts


def record_change(
    world: World,
    now: datetime,
    *,
    principal: str,
    operation: str,
    container: str,
    document_id: str,
    user_agent: str = "",
    client_request_id: str = "",
) -> None:
    """Record that a write reached the account, whoever sent it."""
    world.changes.append(
        DocumentChange(
            seq=len(world.changes) + 1,
            at=now,
            principal=principal,
            operation=operation,
            container=container,
            id=document_id,
            user_agent=user_agent,
            client_request_id=client_request_id,
        )
    )


def update_document(
    world: World,
    now: datetime,
    *,
    principal: str,
    container: str,
    document_id: str,
    values: dict[str, Any],
) -> dict[str, Any]:
    """Change a document from inside the world (a backend build, an operator) and record it."""
    document = world.document(container, document_id)
    if document is None:
        document = {"id": document_id, "scope": values.get("scope", "global")}
        world.containers[container].documents.append(document)
    document.update(values)
    stamp(container, document, int(now.timestamp()), f"{len(world.changes)}")
    record_change(
        world,
        now,
        principal=principal,
        operation="Upsert",
        container=container,
        document_id=document_id,
    )
    if principal.startswith(AUDITED):
        _audit_write(world, now, principal, container, document)
    return document


def _audit_write(
    world: World, now: datetime, principal: str, container: str, document: dict[str, Any]
) -> None:
    """What the backend's control interface writes into the audit log when a person uses it."""
    event = {
        "id": f"audit_log-control-{len(world.changes):05d}",
        "tenant": "alpha",
        "requestId": f"req-control-{len(world.changes):05d}",
        "actor": principal,
        "action": "control.updated",
        "container": container,
        "documentId": document["id"],
        "etag": document["_etag"],
    }
    stamp("audit_log", event, int(now.timestamp()), event["requestId"])
    world.containers["audit_log"].documents.append(event)
