"""Cosmos through azure-cosmos, read-only: the implementation of `CosmosPort`.

The SDK's client never leaves this file, so nothing that writes, and nothing that opens a pipeline
of its own (semantic reranking), can be reached. The guard under it refuses both all the same.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rollback.connectors.azure_pipeline import azure_failure
from rollback.connectors.crossing import Border, Failure
from rollback.connectors.raw_documents import documents
from rollback.errors import RollbackError
from rollback.model.ports import Page, RefusalLatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from azure.core.credentials import TokenCredential
    from azure.cosmos import CosmosClient

PAGE_ITEMS = 200
THROTTLED_TRIES = 9
THROTTLED_S_MAX = 20
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30


def cosmos_failure(error: Exception) -> Failure | None:
    """What an exception of azure-cosmos means."""
    from azure.cosmos.exceptions import CosmosClientTimeoutError

    if isinstance(error, CosmosClientTimeoutError):
        return Failure("timeout", "no answer in time", transient=True)
    return azure_failure(error)


class CosmosReader:
    """One account and database, for one scope."""

    def __init__(
        self,
        *,
        endpoint: str,
        database: str,
        credential: TokenCredential | str,
        transport: Any,
        latch: RefusalLatch,
        page_items: int = PAGE_ITEMS,
    ) -> None:
        """credential: an account key (better: a read-only one) or an Entra credential."""
        self._endpoint = endpoint
        self._database = database
        self._credential = credential
        self._transport = transport
        self._border = Border("cosmos", latch, cosmos_failure)
        self._page_items = page_items

    def pages(
        self,
        container: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        continuation: str = "",
    ) -> Iterator[Page]:
        """Documents whose ``_ts`` lies in the window, both ends included, page by page.

        Raises ConnectorError, transient where asking again with the last continuation may work.
        """
        doing = f"reading container {container}"
        raw: list[bytes] = []

        def keep(response: Any) -> None:
            if response.http_response.status_code == HTTPStatus.OK:
                raw.append(response.http_response.body())

        with self._border.crossing(doing):
            query, parameters = _window(since, until)
            found = self._client.get_database_client(self._database)
            feed: Any = found.get_container_client(container).query_items(
                query,
                parameters=parameters,
                enable_cross_partition_query=True,
                max_item_count=self._page_items,
                raw_response_hook=keep,
            )
            pages = feed.by_page(continuation or None)
        while True:
            raw.clear()
            with self._border.crossing(doing):
                page = next(pages, None)
                if page is None:
                    return
                items = tuple(page)
                made = Page(
                    items=self._cut(raw, len(items), doing),
                    continuation=pages.continuation_token or "",
                    charge_hundredths=_charge(self._client),
                )
            yield made

    def reachable(self) -> str:
        """Empty where the database answers; otherwise why not. Never raises."""
        try:
            with self._border.crossing("reading the database"):
                self._client.get_database_client(self._database).read()
        except RollbackError as error:
            return error.reason
        return ""

    def close(self) -> None:
        """Close connections."""
        if "_client" in self.__dict__:
            client: Any = self._client
            client.__exit__(None, None, None)

    def _cut(self, raw: list[bytes], count: int, doing: str) -> tuple[bytes, ...]:
        try:
            found = tuple(document for body in raw for document in _feed(body))
        except ValueError:
            found = ()
        if len(found) != count:
            what = "the page's bytes do not hold the documents the SDK read from it"
            raise self._border.error(Failure("unreadable", what, transient=False), doing)
        return found

    @cached_property
    def _client(self) -> CosmosClient:
        """Made when first used: the SDK's constructor already asks the account."""
        from azure.cosmos import CosmosClient

        return CosmosClient(
            self._endpoint,
            self._credential,
            transport=self._transport,
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


def _feed(body: bytes) -> tuple[bytes, ...]:
    # Container and partition answers pass the same hook; only a feed of documents has these.
    return documents(body) if b'"Documents"' in body else ()


def _window(since: datetime | None, until: datetime | None) -> tuple[str, list[dict[str, object]]]:
    bounds = (("@since", ">=", since), ("@until", "<=", until))
    asked = [(name, sign, value) for name, sign, value in bounds if value is not None]
    where = " AND ".join(f"c._ts {sign} {name}" for name, sign, _ in asked)
    return (
        f"SELECT * FROM c WHERE {where}" if where else "SELECT * FROM c",  # noqa: S608 (fixed names only; values are parameters)
        [{"name": name, "value": int(value.timestamp())} for name, _, value in asked],
    )


def _charge(client: CosmosClient) -> int:
    headers = client.client_connection.last_response_headers
    try:
        return int(Decimal(str(headers.get("x-ms-request-charge", "0"))) * 100)
    except InvalidOperation:
        return 0
