"""What the guard costs: ``python -m benchmarks.guard``.

Two numbers, each with its bound:

- judging a request without a body, in microseconds, at the median (bound: 20)
- what the guard adds to a request with a body, in percent of the same request unguarded over
  loopback (bound: 2): one query through azure-cosmos, as evidence is captured; the guard's own
  part is measured alone, because the noise of a whole request is larger than it

Exits 1 where a bound is broken.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from rollback.guard.rules.request import Request
from rollback.guard.wire import azure_wire
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from rollback.rehearsal.simulator import names
from tests.guard.support import bench
from tests.guard.wire.counting import counting

if TYPE_CHECKING:
    from collections.abc import Callable

BODYLESS_US_MAX = 20.0
WITH_BODY_PERCENT_MAX = 2.0
ROUNDS = 2_000
SENDS = 500

HEADERS = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Authorization", "type%3dmaster%26ver%3d1.0%26sig%3dbm90LWEta2V5"),
    ("Cache-Control", "no-cache"),
    ("User-Agent", "azsdk-python-cosmos/4.17.1 Python/3.11"),
    ("x-ms-date", "Mon, 23 Nov 2026 10:00:00 GMT"),
    ("x-ms-session-token", "0:1#2"),
    ("x-ms-version", "2020-07-15"),
    ("x-request-id", "r-1.capture.1.1"),
)
QUERY = (
    ("Content-Type", "application/query+json"),
    ("x-ms-documentdb-isquery", "true"),
    ("x-ms-thinclient-proxy-operation-type", "SqlQuery"),
)
QUERY_TEXT = "SELECT * FROM c WHERE c._ts >= @from AND c._ts <= @to ORDER BY c._ts"
BODY = json.dumps(
    {
        "query": QUERY_TEXT,
        "parameters": [{"name": "@from", "value": 1}, {"name": "@to", "value": 2}],
    }
).encode()
FEED = "/dbs/trading/colls/audit_log/docs/"


def median_us(act: Callable[[], object], rounds: int) -> float:
    """The median duration of one call, in microseconds."""
    spent: list[int] = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        act()
        spent.append(time.perf_counter_ns() - began)
    return statistics.median(spent) / 1_000


def bodyless() -> float:
    """Judging a point read, in microseconds."""
    wire = bench().wire
    request = Request(
        "GET",
        f"https://{names.COSMOS_HOST}{FEED}1/",
        (*HEADERS, ("x-ms-thinclient-proxy-operation-type", "Read")),
    )
    return median_us(lambda: wire.check(request), ROUNDS)


def with_body() -> tuple[float, float, float]:
    """A query through azure-cosmos without the guard, with it, and the guard's own part."""
    from azure.core.pipeline.transport import RequestsTransport
    from azure.cosmos import CosmosClient

    with counting() as server:
        told = bench(
            perimeter=Perimeter(hosts=(GuardedHost(host=server.host, kind=HostKind.COSMOS),))
        )

        def query(transport: Any) -> Callable[[], object]:
            client = CosmosClient(
                server.url, names.COSMOS_KEY, transport=transport, enable_endpoint_discovery=False
            )
            container = client.get_database_client("d").get_container_client("c")

            def run() -> object:
                server.requests.clear()
                return list(container.query_items(QUERY_TEXT, partition_key="a"))

            run()
            return run

        request = Request("POST", f"{server.url}{FEED}", (*HEADERS, *QUERY), BODY)
        plain, guarded = query(RequestsTransport()), query(azure_wire.transport(told.wire))
        unguarded_us = median_us(plain, SENDS)
        whole_us = median_us(guarded, SENDS)

        def own() -> None:
            told.wire.answered(told.wire.admit(request), 200, {"x-ms-request-id": "1"})

        own_us = median_us(own, SENDS)
    return unguarded_us, whole_us, own_us


def main() -> int:
    """Measure, print, and compare with the bounds."""
    without = bodyless()
    unguarded, whole, own = with_body()
    percent = own / unguarded * 100
    sys.stdout.write(
        f"without a body: {without:.1f} us (at most {BODYLESS_US_MAX:g})\n"
        f"with a body: {own:.1f} us of a query that takes {unguarded:.0f} us unguarded: "
        f"{percent:.2f} % (at most {WITH_BODY_PERCENT_MAX:g}); {whole:.0f} us in all, guarded\n"
    )
    return 0 if without <= BODYLESS_US_MAX and percent <= WITH_BODY_PERCENT_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
