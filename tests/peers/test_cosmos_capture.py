"""A container captured from a Cosmos server that nobody here wrote, by the real SDK, guarded.

That server sorts a whole container for every page, so its containers stay small (5,000 documents).
"""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from rollback.evidence.capture import capture
from rollback.evidence.cutting import Sizes
from rollback.evidence.sources import cosmos
from rollback.evidence.units import Units
from rollback.rehearsal.simulator import names
from tests.connectors.stand import environment, stand
from tests.evidence.pipeline import Kept, capturing
from tests.peers.azurite import needs_node
from tests.peers.cosmos_server import cosmos_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.evidence.source import PagedSource
    from rollback.model.environment import Environment

pytestmark = needs_node

DOCUMENTS = 5_000
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled() -> Iterator[str]:
    """The address of a server that holds one container of documents."""
    with cosmos_server() as url:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _fill(url)
        yield url


def _fill(url: str) -> None:
    from azure.cosmos import CosmosClient, PartitionKey

    client = CosmosClient(url, names.COSMOS_KEY, enable_endpoint_discovery=False)
    container = client.create_database("trading").create_container("audit", PartitionKey("/pk"))
    for number in range(DOCUMENTS):
        container.upsert_item({"id": str(number), "pk": str(number % 9), "note": "x" * 40})


def env(url: str) -> Environment:
    return environment(
        cosmos={
            "endpoint": url,
            "database": "trading",
            "key": "${COSMOS_KEY}",
            "control_containers": [],
            "audit_containers": ["audit"],
        }
    )


def audit(known: Environment) -> PagedSource:
    (found,) = cosmos.audit(known, 300, SINCE, UNTIL, Units(10**6, 10**6))
    return found


def ids(lines: list[bytes]) -> list[int]:
    return sorted(int(json.loads(line)["id"]) for line in lines)


def taken(url: str, sink: Kept, notes: Path | None = None) -> Any:
    sizes = Sizes(60_000, 200_000, 64)
    with (
        warnings.catch_warnings(),
        stand(env(url)) as here,
        capturing(sink, notes, clients=here.clients, sizes=sizes) as shared,
    ):
        warnings.simplefilter("ignore")
        return capture(audit(here.environment), "durable", shared)


def test_every_document_comes_once(filled: str) -> None:
    sink = Kept()
    window = taken(filled, sink)
    assert (window.completeness, window.reason) == ("complete", "")
    assert ids(sink.lines(window)) == list(range(DOCUMENTS))


def test_an_interrupted_capture_goes_on(filled: str, tmp_path: Path) -> None:
    sink = Kept(fails_at=6)
    with pytest.raises(KeyboardInterrupt):
        taken(filled, sink, tmp_path / "notes")
    before = list(sink.puts)
    sink.fails_at = 0
    window = taken(filled, sink, tmp_path / "notes")
    assert window.completeness == "complete"
    assert ids(sink.lines(window)) == list(range(DOCUMENTS))
    chunks = [chunk.sha256 for chunk in window.chunks]
    assert before
    assert set(before) <= set(chunks), "what was stored stays; chunks are stored side by side"
    assert len(chunks) == len(set(chunks))
