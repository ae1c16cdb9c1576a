"""Cosmos through azure-cosmos, read-only: the implementation of `CosmosPort`.

The SDK's client never leaves this file, so nothing that writes, and nothing that opens a pipeline
of its own (semantic reranking), can be reached. The guard under it refuses both all the same.

Regions are tried by this file, in the order of the environment: the SDK's own search would go to
whatever host the account names, and the guard would refuse it.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from http import HTTPStatus
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from rollback.connectors.azure_pipeline import azure_failure
from rollback.connectors.continuations import at_a_beginning
from rollback.connectors.crossing import Border, Failure
from rollback.connectors.kept_pages import COUNTS, KeptPages, charge_of, keeping
from rollback.connectors.outlived import outlived
from rollback.connectors.own_clients import OwnClients
from rollback.connectors.raw_documents import document_lines
from rollback.connectors.reading import http_date
from rollback.errors import ConnectorError, RollbackError
from rollback.model.ports import Counted, Page, RefusalLatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from azure.core.credentials import TokenCredential
    from azure.cosmos import CosmosClient

T = TypeVar("T")

PAGE_ITEMS = 1000
THROTTLED_TRIES = 9
THROTTLED_S_MAX = 20
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
_PLACE_LOST = (HTTPStatus.BAD_REQUEST, HTTPStatus.GONE)

LOST_PLACE = "cosmos.continuation"
"""The code of a continuation that the service no longer takes: only reading anew is left."""


def cosmos_failure(error: Exception) -> Failure | None:
    """What an exception of azure-cosmos means."""
    from azure.cosmos.exceptions import CosmosClientTimeoutError

    if isinstance(error, CosmosClientTimeoutError):
        return Failure("timeout", "no answer in time", transient=True)
    return azure_failure(error)


class CosmosReader:
    """One account and database, for one scope. Safe to use from several threads."""

    def __init__(
        self,
        *,
        endpoint: str,
        database: str,
        credential: TokenCredential | str,
        transport: Callable[[], Any],
        latch: RefusalLatch,
        regions: tuple[str, ...] = (),
    ) -> None:
        """credential: an account key (better: a read-only one) or an Entra credential.

        transport: makes the guarded transport of one client. regions: further addresses of the
        account, tried in order where the one before fails.
        """
        self._endpoints = (endpoint, *regions)
        self._database = database
        self._credential = credential
        self._transport = transport
        self._border = Border("cosmos", latch, cosmos_failure)
        self._lock = RLock()
        self._kept = KeptPages()
        self._clients: OwnClients[CosmosClient] = OwnClients(self._made_client)
        self._current = 0

    def parts(self, container: str) -> tuple[str, ...]:
        """The ranges a container can be read by, at the same time and each on its own."""

        def read(client: CosmosClient, _: int) -> tuple[str, ...]:
            ranges = self._container(client, container).read_feed_ranges()
            return tuple(json.dumps(one, sort_keys=True) for one in ranges)

        return self._anywhere(f"reading the partitions of container {container}", read)

    def pages(
        self,
        container: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        continuation: str = "",
        part: str = "",
        page_items: int = PAGE_ITEMS,
    ) -> Iterator[Page]:
        """Documents whose ``_ts`` lies in the window, both ends included, page by page.

        part: one of `parts`; empty for all of them. page_items: the most in one page; the service
        gives fewer where they are large (it ends a page at 4 MB). Raises ConnectorError, transient
        where asking again with the last continuation may work; `LOST_PLACE` where the service
        takes it no more.
        """
        query, parameters = _window(since, until)
        whole = {"enable_cross_partition_query": True}
        named: dict[str, Any] = {"parameters": parameters, "max_item_count": page_items}
        named |= {"feed_range": json.loads(part)} if part else whole
        with ExitStack() as held:
            yield from self._pages(container, continuation, held, query, named)

    def count(
        self,
        container: str,
        since: datetime | None = None,
        until: datetime | None = None,
        part: str = "",
    ) -> Counted:
        """How many documents a window holds now; what an index answers without reading them."""
        query, parameters = _window(since, until, what=COUNTS)

        def read(client: CosmosClient, number: int) -> Counted:
            found = self._container(client, container)
            ranges = [json.loads(part)] if part else list(found.read_feed_ranges())
            numbers: list[object] = []
            answered: list[Mapping[str, str]] = []
            for one in ranges:
                numbers += found.query_items(
                    query,
                    parameters=parameters,
                    feed_range=one,
                    response_hook=lambda headers, _: answered.append(headers),
                )
            if not all(type(number) is int and number >= 0 for number in numbers):
                msg = "a number of documents is no number"
                raise ValueError(msg)
            total = sum(number for number in numbers if isinstance(number, int))
            return Counted(
                total,
                sum(map(charge_of, answered)),
                elsewhere=number > 0,
                at=http_date(answered[-1].get("date") or "") if answered else None,
            )

        doing = f"counting container {container}"
        try:
            return self._anywhere(doing, read)
        except ValueError as error:
            raise self._unreadable(error, doing) from error

    def problem(self) -> str:
        """Empty where the database answers; otherwise why not. Never raises."""
        try:
            self._anywhere(
                "reading the database",
                lambda client, _: client.get_database_client(self._database).read(),
            )
        except RollbackError as error:
            return error.reason
        return ""

    def close(self) -> None:
        """Close connections."""
        self._clients.close()

    def _pages(
        self, container: str, place: str, held: ExitStack, query: str, named: dict[str, Any]
    ) -> Iterator[Page]:
        """Pages from a place on. held: holds the client, which nobody else uses meanwhile."""
        doing = f"reading container {container}"
        number, failed = self._current, 0
        pager: Any = None
        while True:
            try:
                with self._border.crossing(doing):
                    if pager is None:
                        held.close()
                        number = self._current
                        client = held.enter_context(self._clients.one(number))
                        feed: Any = self._container(client, container).query_items(query, **named)
                        pager = feed.by_page(place or None)
                    page = next(pager, None)
                    items = () if page is None else tuple(page)
            except ConnectorError as error:
                if place and error.status in _PLACE_LOST:
                    raise self._lost(doing) from error
                failed += 1
                if error.transient and failed < len(self._endpoints):
                    self._leave(number)
                    pager = None
                    continue
                raise
            if page is None:
                return
            failed = 0
            made = self._made(items, place, pager.continuation_token or "", number, doing)
            place = made.continuation
            yield made
            del made, items, page  # a page is not kept while the next one is on its way
            if not place:
                return

    def _made(
        self, items: tuple[Any, ...], place: str, after: str, number: int, doing: str
    ) -> Page:
        try:
            kept = [self._kept.take(number) for number in items]
            if place and not (kept and kept[0].went_on) and not at_a_beginning(place):
                raise self._lost(doing)
            cut = [document_lines(page.body) for page in kept]
            return Page(
                lines=cut[0][0] if len(cut) == 1 else b"".join(lines for lines, _ in cut),
                count=sum(count for _, count in cut),
                continuation=after,
                charge_hundredths=sum(page.charge_hundredths for page in kept),
                place=place,
                elsewhere=number > 0,
            )
        except ValueError as error:
            raise self._unreadable(error, doing) from error

    def _unreadable(self, error: ValueError, doing: str) -> ConnectorError:
        what = str(error) if type(error) is ValueError else "a page's bytes are no documents"
        return self._border.error(Failure("unreadable", what, transient=False), doing)

    def _lost(self, doing: str) -> ConnectorError:
        what = "the service no longer takes the place where reading was left"
        return self._border.error(Failure("continuation", what, transient=False), doing)

    def _anywhere(self, doing: str, read: Callable[[CosmosClient, int], T]) -> T:
        """Read at the current region, else at the next ones. Raises the last ConnectorError.

        read: with a client, and the number of the region.
        """
        failed = 0
        while True:
            number = self._current
            try:
                with self._border.crossing(doing), self._clients.one(number) as client:
                    return read(client, number)
            except ConnectorError as error:
                failed += 1
                if not error.transient or failed >= len(self._endpoints):
                    raise
                self._leave(number)

    def _leave(self, number: int) -> None:
        """Go on to the next region, unless another thread has done so."""
        with self._lock:
            if self._current == number:
                self._current = (number + 1) % len(self._endpoints)

    def _container(self, client: CosmosClient, container: str) -> Any:
        return client.get_database_client(self._database).get_container_client(container)

    def _made_client(self, number: int) -> CosmosClient:
        """Made when first used: the SDK's constructor already asks the account."""
        from azure.cosmos import CosmosClient

        return CosmosClient(
            self._endpoints[number],
            self._credential,
            transport=keeping(outlived(self._transport()), self._kept),
            enable_endpoint_discovery=False,
            connection_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retry_total=2,
            retry_connect=1,
            retry_read=1,
            retry_throttle_total=THROTTLED_TRIES,
            retry_throttle_backoff_max=THROTTLED_S_MAX,
            user_agent_suffix="trade-rollback",
        )


def _window(
    since: datetime | None, until: datetime | None, what: str = "*"
) -> tuple[str, list[dict[str, object]]]:
    bounds = (("@since", ">=", since), ("@until", "<=", until))
    asked = [(name, sign, value) for name, sign, value in bounds if value is not None]
    where = " AND ".join(f"c._ts {sign} {name}" for name, sign, _ in asked)
    return (
        f"SELECT {what} FROM c WHERE {where}" if where else f"SELECT {what} FROM c",  # noqa: S608 (fixed names only; values are parameters)
        [{"name": name, "value": int(value.timestamp())} for name, _, value in asked],
    )
