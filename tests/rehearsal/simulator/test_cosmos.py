"""The real Cosmos client against the simulated account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.store import AUDIT_DOCUMENTS

from . import reach

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.process import Simulator

pytestmark = pytest.mark.enable_socket


def database(simulator: Simulator) -> Any:
    from azure.core.pipeline.transport import RequestsTransport
    from azure.cosmos import CosmosClient

    client = CosmosClient(
        f"https://{names.COSMOS_HOST}:443/",
        names.COSMOS_KEY,
        transport=RequestsTransport(session=reach.session(simulator), session_owner=False),
    )
    return client.get_database_client(names.DATABASE)


def test_reads_change_nothing(simulator: Simulator) -> None:
    data = database(simulator)
    assert {each["id"] for each in data.list_containers()} >= {"trading_controls", "audit_log"}
    controls = data.get_container_client("trading_controls")
    found = controls.read_item("tenant:alpha", partition_key="tenant")
    assert found["halted"] is False
    assert len(list(controls.read_all_items())) == 4
    assert simulator.control.changes() == []
    entries = simulator.control.ledger()
    assert entries
    assert not [entry for entry in entries if entry.write]


def test_a_missing_document_is_not_found(simulator: Simulator) -> None:
    from azure.cosmos.exceptions import CosmosResourceNotFoundError

    controls = database(simulator).get_container_client("trading_controls")
    with pytest.raises(CosmosResourceNotFoundError):
        controls.read_item("nobody", partition_key="tenant")


def test_a_window_is_paged_in_order_through_a_query_plan(simulator: Simulator) -> None:
    audit = database(simulator).get_container_client("audit_log")
    at = int(simulator.control.world().at.timestamp())
    given: list[dict[str, Any]] = [
        {"name": "@from", "value": at - 12 * 3600},
        {"name": "@to", "value": at},
    ]
    pages = audit.query_items(
        "SELECT * FROM c WHERE c._ts >= @from AND c._ts <= @to ORDER BY c._ts",
        parameters=given,
        enable_cross_partition_query=True,
        max_item_count=20,
    ).by_page()
    rows = [row for page in pages for row in page]
    stamps = [row["_ts"] for row in rows]
    assert stamps == sorted(stamps)
    assert AUDIT_DOCUMENTS * 0.4 < len(rows) < AUDIT_DOCUMENTS * 0.6
    assert min(stamps) >= at - 12 * 3600
    assert len({row["id"] for row in rows}) == len(rows)
    plans = [entry for entry in simulator.control.ledger() if entry.status == 400]
    assert plans
    assert not [entry for entry in simulator.control.ledger() if entry.write]


def test_queries_within_a_partition_and_counts(simulator: Simulator) -> None:
    audit = database(simulator).get_container_client("operational_events")
    alpha = list(audit.query_items("SELECT c.id, c.tenant FROM c", partition_key="alpha"))
    assert len(alpha) == AUDIT_DOCUMENTS // 2
    assert {row["tenant"] for row in alpha} == {"alpha"}
    (count,) = audit.query_items("SELECT VALUE COUNT(1) FROM c", partition_key="beta")
    assert count == AUDIT_DOCUMENTS // 2


def test_every_kind_of_write_is_accepted_and_recorded(simulator: Simulator) -> None:
    data = database(simulator)
    config = data.get_container_client("dynamic_config")
    config.create_item({"id": "new", "scope": "global"})
    config.upsert_item({"id": "new", "scope": "global", "value": 1})
    config.replace_item("new", {"id": "new", "scope": "global", "value": 2})
    config.patch_item("new", "global", [{"op": "set", "path": "/value", "value": 3}])
    assert config.read_item("new", "global")["value"] == 3
    config.execute_item_batch([("upsert", ({"id": "b", "scope": "global"},))], "global")
    config.delete_item("new", "global")
    config.scripts.execute_stored_procedure("sweep", partition_key="global")
    data.create_container("extra", partition_key={"paths": ["/id"], "kind": "Hash"})
    operations = [change.operation for change in simulator.control.changes()]
    assert operations == [
        "Create",
        "Upsert",
        "Replace",
        "Patch",
        "Batch Upsert",
        "Delete",
        "ExecuteJavaScript",
        "Create",
    ]
    assert all(change.principal.startswith("key:") for change in simulator.control.changes())
    assert all(change.user_agent for change in simulator.control.changes())
    assert len([entry for entry in simulator.control.ledger() if entry.write]) == len(operations)


def test_a_stale_replace_is_refused(simulator: Simulator) -> None:
    from azure.core import MatchConditions
    from azure.cosmos.exceptions import CosmosAccessConditionFailedError

    config = database(simulator).get_container_client("dynamic_config")
    document = config.read_item("limits", "global")
    simulator.control.act("write_control_document", container="dynamic_config", id="limits")
    with pytest.raises(CosmosAccessConditionFailedError):
        config.replace_item(
            "limits",
            document,
            etag=document["_etag"],
            match_condition=MatchConditions.IfNotModified,
        )
    (change,) = simulator.control.changes()
    assert change.principal == "operator:dana"


def test_throttling_is_ridden_out_by_the_client(simulator: Simulator) -> None:
    simulator.control.fault("cosmos_429", count=2, retry_after_ms=1)
    config = database(simulator).get_container_client("dynamic_config")
    assert config.read_item("limits", "global")["id"] == "limits"
    assert [entry.status for entry in simulator.control.ledger()].count(429) == 2
