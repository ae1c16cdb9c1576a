"""Cosmos, by query: audit containers in a window as they are, control containers by digest.

Of control documents only id, etag, time and content digest are kept: enough to say whether one
changed between two captures, and nothing of what it holds.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.evidence.capture import Gap, Read, Source
from rollback.evidence.sources.lines import model_line
from rollback.model.base import Fact
from rollback.model.views import DocumentView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients, CosmosPort

TRIES = 3
"""How often a page is asked for again, from the last continuation."""


def audit(
    environment: Environment, seconds_max: int, since: datetime, until: datetime
) -> tuple[Source, ...]:
    """Audit and operational events of the window, byte for byte as the service sent them."""

    def one(container: str) -> Source:
        def read(clients: Clients) -> Iterator[Read]:
            yield from _pages(clients.cosmos(), container, since, until)

        return Source(f"cosmos/{container}", read, seconds_max, since, until)

    return tuple(one(container) for container in environment.cosmos.audit_containers)


def control(environment: Environment, seconds_max: int) -> tuple[Source, ...]:
    """Every control document by id, etag and digest, and one digest over all of a container."""

    def one(container: str) -> Source:
        def read(clients: Clients) -> Iterator[Read]:
            whole = True
            views = []
            for read in _pages(clients.cosmos(), container, None, None):
                if isinstance(read, bytes):
                    views.append(document_view(container, read))
                else:
                    whole = whole and not isinstance(read, Gap)
                    yield read
            views.sort(key=lambda view: (view.id, view.sha256))
            yield from (model_line(view) for view in views)
            if whole:
                yield Fact(name="state_sha256", value=state_digest(views))

        return Source(f"cosmos-control/{container}", read, seconds_max)

    return tuple(one(container) for container in environment.cosmos.control_containers)


def document_view(container: str, raw: bytes) -> DocumentView:
    """A document by content digest: of its own fields, without those the service puts in."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return DocumentView(container=container, id="", etag="", ts=0, sha256=_sha256(raw))
    own = {name: value for name, value in document.items() if not name.startswith("_")}
    content = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    ts = document.get("_ts")
    return DocumentView(
        container=container,
        id=str(document.get("id", "")),
        etag=str(document.get("_etag", "")),
        ts=ts if isinstance(ts, int) else 0,
        sha256=_sha256(content.encode("utf-8", "surrogatepass")),
    )


def state_digest(views: list[DocumentView]) -> str:
    """One digest over a container's documents: equal when none was changed, added or removed."""
    listed = sorted(f"{view.id}\0{view.sha256}" for view in views)
    return _sha256("\n".join(listed).encode("utf-8", "surrogatepass"))


def _pages(
    cosmos: CosmosPort, container: str, since: datetime | None, until: datetime | None
) -> Iterator[Read]:
    """Every page; after a failure that may pass, on from the last continuation, a few times."""
    continuation = ""
    failed = 0
    charge = 0
    while True:
        try:
            for page in cosmos.pages(
                container, since=since, until=until, continuation=continuation
            ):
                yield from page.items
                charge += page.charge_hundredths
                continuation, failed = page.continuation, 0
                if not continuation:
                    break
        except ConnectorError as error:
            failed += 1
            if error.transient and continuation and failed < TRIES:
                continue
            yield Gap(error.reason)
        yield Fact(name="request_units_hundredths", value=charge)
        return


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
