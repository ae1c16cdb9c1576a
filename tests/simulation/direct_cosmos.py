"""Cosmos on the fast floor: what azure-cosmos sends, sent by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollback.connectors.cosmos import CosmosReader
from rollback.connectors.kept_pages import COUNTS, KeptPage, charge_of
from tests.simulation.direct_azure import Heard
from tests.simulation.ground import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.direct import Direct

_TRIES = 2
_ACCOUNT_READS = 2
"""The SDK asks the account when it is made, and again at its first call."""

_READ = "x-ms-thinclient-proxy-operation-type"


class DirectCosmos(CosmosReader):
    """`CosmosPort` without azure-cosmos."""

    def __init__(self, direct: Direct, **given: Any) -> None:
        super().__init__(**given)
        self._direct = direct

    def _made_client(self, number: int) -> Any:
        account = _Account(self, self._endpoints[number].rstrip("/"))
        for _ in range(_ACCOUNT_READS):
            account.ask("GET", "/", {_READ: "Read"})
        return account


class _Account:
    """`CosmosClient`, as much of it as the connector uses."""

    def __init__(self, reader: DirectCosmos, base: str) -> None:
        self.reader = reader
        self._base = base
        self.known: set[str] = set()

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def get_database_client(self, name: str) -> _Database:
        return _Database(self, name)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Heard:
        """Asked again once where nobody answered, as the SDK does with reads."""
        from azure.core import exceptions as azure

        said = {
            "User-Agent": "azsdk-python-cosmos trade-rollback",
            "Accept": "application/json",
            "x-ms-version": "2020-07-15",
            "authorization": "type%3Dmaster%26ver%3D1.0%26sig%3DsimulatedA%3D",
            **headers,
        }
        failed: NoAnswerError | None = None
        for _ in range(_TRIES):
            try:
                heard = Heard(self.reader._direct.ask(method, f"{self._base}{path}", said, body))
            except NoAnswerError as error:
                failed = error
                continue
            if heard.status_code != 200:
                raise azure.HttpResponseError(response=heard)
            return heard
        assert failed is not None
        kind = azure.ServiceResponseError if failed.sent else azure.ServiceRequestError
        raise kind(str(failed)) from failed


class _Database:
    def __init__(self, account: _Account, name: str) -> None:
        self._account = account
        self._path = f"/dbs/{name}"

    def read(self) -> Any:
        return self._account.ask("GET", f"{self._path}/", {_READ: "Read"}).json()

    def get_container_client(self, name: str) -> _Container:
        return _Container(self._account, f"{self._path}/colls/{name}")


class _Container:
    def __init__(self, account: _Account, path: str) -> None:
        self._account = account
        self._path = path

    def _know(self) -> None:
        if self._path not in self._account.known:
            self._account.ask("GET", f"{self._path}/", {_READ: "Read"})
            self._account.known.add(self._path)

    def read_feed_ranges(self) -> list[dict[str, Any]]:
        self._know()
        return [{"Range": one} for one in self._ranges()]

    def _ranges(self) -> list[dict[str, Any]]:
        heard = self._account.ask("GET", f"{self._path}/pkranges/", {_READ: "ReadFeed"})
        found: list[dict[str, Any]] = heard.json()["PartitionKeyRanges"]
        return found

    def query_items(self, query: str, **given: Any) -> _Feed:
        return _Feed(self, query, given)

    def page(self, query: str, given: dict[str, Any], place: str) -> tuple[int, str]:
        """One page: the number of what was kept of it, or a count, and where to go on."""
        self._know()
        headers = {
            _READ: "SqlQuery",
            "Content-Type": "application/query+json",
            "x-ms-documentdb-isquery": "true",
        }
        if given.get("feed_range"):
            if f"{self._path}#" not in self._account.known:
                self._ranges()
                self._account.known.add(f"{self._path}#")
            headers["x-ms-documentdb-partitionkeyrangeid"] = given["feed_range"]["Range"]["id"]
        else:
            headers["x-ms-documentdb-query-enablecrosspartition"] = "True"
        if given.get("max_item_count"):
            headers["x-ms-max-item-count"] = str(given["max_item_count"])
        if place:
            headers["x-ms-continuation"] = place
        asked = json.dumps({"query": query, "parameters": given["parameters"]}).encode()
        heard = self._account.ask("POST", f"{self._path}/docs/", headers, asked)
        after = str(heard.headers.get("x-ms-continuation") or "")
        if COUNTS in query:
            given["response_hook"](heard.headers, {})
            (number,) = heard.json()["Documents"]
            return number, after
        kept = KeptPage(
            body=heard.content, charge_hundredths=charge_of(heard.headers), went_on=bool(place)
        )
        return self._account.reader._kept.keep(kept), after


class _Feed:
    """What `query_items` gives: numbers of pages, or an iterator over pages."""

    def __init__(self, container: _Container, query: str, given: dict[str, Any]) -> None:
        self._container = container
        self._query = query
        self._given = given
        self.continuation_token = ""

    def by_page(self, place: str | None) -> _Feed:
        self.continuation_token = place or ""
        return self

    def __iter__(self) -> Iterator[Any]:
        while True:
            number, after = self._container.page(self._query, self._given, self.continuation_token)
            self.continuation_token = after
            yield number
            if not after:
                return

    def __next__(self) -> list[int]:
        number, self.continuation_token = self._container.page(
            self._query, self._given, self.continuation_token
        )
        return [number]
