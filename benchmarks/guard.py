"""What the guard costs: ``python -m benchmarks.guard``.

Two numbers, each with its bound:

- judging a request without a body, in microseconds, at the median (bound: 20)
- what a query through azure-cosmos, as evidence is captured, takes longer over loopback than by the
  SDK's own transport, in percent (bound: 2). Each round sends it by every transport, in random
  order, and the median is over the differences within a round

The SDK's own transport looks into the process's environment (proxies, netrc) for each request, as
the guard's never does. So a third number says what the guard adds where nobody looks: no bound.

Exits 1 where a bound is broken.
"""

from __future__ import annotations

import random
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
SENDS = 1_000
GUARDED, PLAIN, NO_LOOK = "guarded", "plain", "no look"

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
QUERY_TEXT = "SELECT * FROM c WHERE c._ts >= @from AND c._ts <= @to ORDER BY c._ts"
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


def with_body() -> dict[str, list[float]]:
    """A query through azure-cosmos by each transport, in microseconds, round by round."""
    from azure.core.pipeline.transport import RequestsTransport
    from azure.cosmos import CosmosClient

    chance = random.Random(1)  # noqa: S311 (an order, no secret)
    with counting() as server:
        told = bench(
            perimeter=Perimeter(hosts=(GuardedHost(host=server.host, kind=HostKind.COSMOS),))
        )

        def query(transport: Any) -> Callable[[], object]:
            client = CosmosClient(
                server.url, names.COSMOS_KEY, transport=transport, enable_endpoint_discovery=False
            )
            container = client.get_database_client("d").get_container_client("c")
            return lambda: list(container.query_items(QUERY_TEXT, partition_key="a"))

        ways = {
            GUARDED: query(azure_wire.transport(told.wire)),
            PLAIN: query(RequestsTransport()),
            NO_LOOK: query(RequestsTransport(use_env_settings=False)),
        }
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(SENDS):
            server.requests.clear()
            for name in chance.sample(tuple(ways), len(ways)):
                began = time.perf_counter_ns()
                ways[name]()
                spent[name].append((time.perf_counter_ns() - began) / 1_000)
    return spent


def more_percent(spent: dict[str, list[float]], than: str) -> float:
    """What a guarded query takes more than another, in percent of the other, at the median."""
    pairs = zip(spent[GUARDED], spent[than], strict=True)
    more = statistics.median(one - other for one, other in pairs)
    return more / statistics.median(spent[than]) * 100


def main() -> int:
    """Measure, print, and compare with the bounds."""
    without = bodyless()
    spent = with_body()
    percent = more_percent(spent, PLAIN)
    sys.stdout.write(
        f"without a body: {without:.1f} us (at most {BODYLESS_US_MAX:g})\n"
        f"with a body: a query takes {statistics.median(spent[GUARDED]):.0f} us guarded and "
        f"{statistics.median(spent[PLAIN]):.0f} us by the SDK's own transport: "
        f"{percent:+.1f} % (at most {WITH_BODY_PERCENT_MAX:g})\n"
        f"and {statistics.median(spent[NO_LOOK]):.0f} us by one that does not look into the "
        f"environment: {more_percent(spent, NO_LOOK):+.1f} %\n"
    )
    return 0 if without <= BODYLESS_US_MAX and percent <= WITH_BODY_PERCENT_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
