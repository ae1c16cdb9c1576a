"""What only reads at a Cosmos host. Two independent signals must both say read.

The SDK declares each operation in a header that callers cannot override through its own options;
the shape (method, path, content type, body) is the second signal. Measured against azure-cosmos
4.17: every writing method is refused and every reading one passes.

C1  no header that makes a write of a read-looking request (upsert, batch, trigger, offer)
C2  a declared operation is one of the seven that read
C3  GET and HEAD read; every other method except POST writes
C4  a POST declares its operation, and goes to a feed, never to an item, procedure or operation
C5  it is a query (flag and content type) or a query plan (flag, on documents)
C6  its body is a JSON object: ``query`` is text, beside it only ``parameters`` and ``options``
"""

from __future__ import annotations

from typing import Final

from rollback.guard.rules.json_body import NotOneReadingError, parse
from rollback.guard.rules.request import NO_REWRITE, Denial, Normal

DECLARED: Final = "x-ms-thinclient-proxy-operation-type"
_READING: Final = frozenset(
    {"Read", "ReadFeed", "Query", "SqlQuery", "QueryPlan", "Head", "HeadFeed"}
)
_WRITING_HEADERS: Final = frozenset({
    "x-ms-documentdb-is-upsert",
    "x-ms-cosmos-is-batch-request",
    "x-ms-cosmos-batch-atomic",
    "x-ms-cosmos-batch-continue-on-error",
    "x-ms-cosmos-batch-ordered",
    "x-ms-documentdb-pre-trigger-include",
    "x-ms-documentdb-post-trigger-include",
    "x-ms-offer-throughput",
    "x-ms-offer-type",
    "x-ms-cosmos-offer-autopilot-settings",
    "x-ms-cosmos-migrate-offer-to-manual-throughput",
    "x-ms-cosmos-migrate-offer-to-autopilot",
})  # fmt: skip
_FEEDS: Final = frozenset({
    "dbs", "colls", "docs", "users", "permissions", "sprocs", "triggers", "udfs", "conflicts",
    "offers",
})  # fmt: skip
_QUERY_KEYS: Final = frozenset({"query", "parameters", "options"})


def _no(rule: str, reason: str) -> Denial:
    return Denial(f"cosmos.{rule}", reason, NO_REWRITE)


def write_reason(request: Normal) -> Denial | None:
    """Why this is not provably a read; None where it is one."""
    headers = request.headers
    if not _WRITING_HEADERS.isdisjoint(headers):  # C1
        return _no("writing-header", "a header that makes it a write")
    declared = headers.get(DECLARED)
    if declared is not None and declared not in _READING:  # C2
        return _no("declared", "the client itself declares that it writes")
    if request.method in {"GET", "HEAD"}:  # C3
        return None
    if request.method != "POST":  # C3
        return _no("method", f"{request.method} writes to the control plane")
    if declared is None:  # C4
        return _no("undeclared", "a POST that does not declare what it does")
    names = request.segments[::2]
    if len(request.segments) % 2 == 0 or not _FEEDS.issuperset(names):  # C4
        return _no("not-a-feed", "a POST to an item, a stored procedure or an operation")
    return _query(request)


def _query(request: Normal) -> Denial | None:
    headers = request.headers
    if headers.get("x-ms-documentdb-isquery", "").lower() == "true":  # C5
        if request.media_type != "application/query+json":
            return _no("query-type", "called a query, but its content type is not a query's")
    elif headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true":  # C5
        if request.segments[-1] != "docs" or request.media_type != "application/json":
            return _no("query-plan", "called a query plan, but not shaped as one")
    else:
        return _no("not-a-query", "a POST that is neither a query nor a query plan")
    try:
        document = parse(request.body)
    except NotOneReadingError:
        return _no("query-body", "the body of the query is not plain JSON")
    if not isinstance(document, dict) or not isinstance(document.get("query"), str):  # C6
        return _no("query-body", "the body is not a query")
    if not _QUERY_KEYS.issuperset(document):  # C6
        return _no("query-body", "the body holds more than a query")
    return None
