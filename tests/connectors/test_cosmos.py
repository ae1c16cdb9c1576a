"""Cosmos through the real SDK, guarded: read whole, by key and by Entra, and never written."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import HttpRequest, RequestsTransport

import rollback
from rollback.connectors.cosmos import CosmosReader
from rollback.connectors.outlived import outlived
from rollback.errors import ConnectorError, GuardRefusal
from rollback.guard.wire import azure_wire
from rollback.model.ports import CosmosPort, Counted, Page
from rollback.rehearsal.simulator import names
from tests.connectors.stand import environment, stand

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.process import Simulator
    from tests.connectors.stand import Stand

CONTAINER = "audit_log"


def reader(here: Stand) -> CosmosReader:
    return CosmosReader(
        endpoint=here.environment.cosmos.endpoint,
        database=names.DATABASE,
        credential=names.COSMOS_KEY,
        transport=lambda: azure_wire.transport(here.wire),
        latch=here.latch,
    )


def test_a_container_is_read_whole_and_byte_for_byte(sim: Simulator) -> None:
    held = sim.control.world().containers[CONTAINER].documents
    with stand(environment(sim)) as here:
        pages = list(reader(here).pages(CONTAINER, page_items=50))
    items = [item for page in pages for item in page.items]
    assert len(pages) > 1
    assert sorted(json.loads(item)["id"] for item in items) == sorted(str(d["id"]) for d in held)
    assert all(page.charge_hundredths == 283 for page in pages)
    assert pages[-1].continuation == ""


class Held:
    """Holds what the SDK's own thread asks until the client was closed."""

    def __init__(self, below: Any) -> None:
        self._below, self._gone = below, threading.Event()

    def send(self, request: Any, **kwargs: Any) -> Any:
        """As the transport below."""
        if threading.current_thread() is not threading.main_thread():
            self._gone.wait()
        return self._below.send(request, **kwargs)

    def __enter__(self) -> None:
        """Open."""
        self._below.__enter__()

    def __exit__(self, *args: object) -> None:
        """Close, then let go."""
        self._below.__exit__(*args)
        self._gone.set()


def test_a_check_of_endpoints_that_outlives_its_client_is_not_heard_of(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK checks the account's endpoints on a thread of its own, which `close` does not end."""
    with stand(environment(sim)) as here:
        held = Held(azure_wire.transport(here.wire))
        read = CosmosReader(
            endpoint=here.environment.cosmos.endpoint,
            database=names.DATABASE,
            credential=names.COSMOS_KEY,
            transport=lambda: held,
            latch=here.latch,
        )
        assert read.count(CONTAINER).items > 0
        checks = [one for one in threading.enumerate() if one.name == "cosmos-endpoint-refresh"]
        read.close()
        for check in checks:
            check.join()
    assert checks
    assert [one.message for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_who_reads_from_a_closed_client_is_told(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        transport = outlived(azure_wire.transport(here.wire))
        with transport:
            pass
        with pytest.raises(ServiceRequestError, match="was closed"):
            transport.send(HttpRequest("GET", f"{here.environment.cosmos.endpoint}/dbs/x"))


def test_reading_goes_on_from_a_continuation(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        whole = [item for page in reader(here).pages(CONTAINER, page_items=50) for item in page.items]
        first = next(reader(here).pages(CONTAINER, page_items=50))
        rest = [
            item
            for page in reader(here).pages(CONTAINER, continuation=first.continuation)
            for item in page.items
        ]
    assert first.continuation
    assert [*first.items, *rest] == whole


def test_a_window_holds_both_ends(sim: Simulator) -> None:
    held = sim.control.world().containers[CONTAINER].documents
    stamps = sorted(int(document["_ts"]) for document in held)
    low, high = stamps[len(stamps) // 3], stamps[2 * len(stamps) // 3]
    with stand(environment(sim)) as here:
        found = [
            json.loads(item)["_ts"]
            for page in reader(here).pages(
                CONTAINER,
                since=datetime.fromtimestamp(low, UTC),
                until=datetime.fromtimestamp(high, UTC),
            )
            for item in page.items
        ]
        none = list(reader(here).pages(CONTAINER, since=datetime.now(UTC) + timedelta(days=9)))
    assert sorted(found) == [stamp for stamp in stamps if low <= stamp <= high]
    assert found
    assert [item for page in none for item in page.items] == []


def test_by_entra_too(sim: Simulator) -> None:
    cosmos = environment().cosmos.model_dump(mode="json") | {"key": None, "entra": True}
    with stand(environment(sim, cosmos=cosmos)) as here:
        assert here.clients.cosmos().problem() == ""


def test_throttling_is_waited_for_and_bounded(sim: Simulator) -> None:
    sim.control.fault("cosmos_429", count=2, retry_after_ms=1)
    with stand(environment(sim)) as here:
        assert sum(len(page.items) for page in reader(here).pages(CONTAINER, page_items=50)) > 0
        sim.control.fault("cosmos_429", count=0, retry_after_ms=1)
        with pytest.raises(ConnectorError) as caught:
            list(reader(here).pages(CONTAINER, page_items=50))
    assert (caught.value.code, caught.value.transient) == ("cosmos.throttled", True)


def test_an_account_that_cannot_be_reached_is_told(sim: Simulator) -> None:
    sim.control.fault("cosmos_unreachable")
    with stand(environment(sim)) as here:
        why = here.clients.cosmos().problem()
        with pytest.raises(ConnectorError) as caught:
            list(here.clients.cosmos().pages(CONTAINER))
    assert why
    assert caught.value.transient
    assert names.COSMOS_KEY not in why + str(caught.value)


def test_a_container_that_is_not_there(sim: Simulator) -> None:
    with stand(environment(sim)) as here, pytest.raises(ConnectorError) as caught:
        list(here.clients.cosmos().pages("nothing"))
    assert (caught.value.status, caught.value.transient) == (404, False)


def test_the_reader_has_nothing_that_writes() -> None:
    public = {name for name in vars(CosmosReader) if not name.startswith("_")}
    assert public == {"parts", "pages", "count", "problem", "close"}
    assert {name for name in vars(CosmosPort) if not name.startswith("_")} == public - {"close"}


def test_even_the_clients_own_writes_do_not_leave(sim: Simulator) -> None:
    changes = len(sim.control.changes())
    with stand(environment(sim)) as here:
        container = (
            reader(here)
            ._made_client(0).get_database_client(names.DATABASE)
            .get_container_client("dynamic_config")
        )
        with pytest.raises(GuardRefusal) as caught:
            container.upsert_item({"id": "x", "tenant": "t"})
    assert caught.value.promise == "no-control-plane-rewrite"
    assert len(sim.control.changes()) == changes


def test_semantic_reranking_is_out_of_reach(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK builds a pipeline of its own for it, that no guard is under, where Entra is used."""
    monkeypatch.setenv("AZURE_COSMOS_SEMANTIC_RERANKER_INFERENCE_ENDPOINT", "https://127.0.0.1:1")
    cosmos = environment().cosmos.model_dump(mode="json") | {"key": None, "entra": True}
    with stand(environment(sim, cosmos=cosmos)) as here:
        port = here.clients.cosmos()
        assert isinstance(port, CosmosReader)
        given = [port.problem(), port.count(CONTAINER), *port.parts(CONTAINER), *port.pages(CONTAINER)]
        assert {type(one) for one in given} == {str, Counted, Page}
        client = port._made_client(0)
        built = client.client_connection
        assert built._inference_service is None
        assert built.aad_credentials is not None
        # Whoever had the SDK's client would have it: a session without a guard, towards any host.
        service = built._get_inference_service()
        assert service is not None
        session = service._inference_pipeline_client._pipeline._transport
        assert type(session) is RequestsTransport
    for source in Path(rollback.__file__).parent.rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        if source.name != "cosmos.py" or source.parent.name != "connectors":
            assert "import CosmosClient" not in text, source
        assert "semantic_rerank" not in text, source
