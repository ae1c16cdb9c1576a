"""trading-cosmos.documents.azure.com: reads, queries, and writes that are accepted and recorded.

The simulated account refuses nothing that a read-write key may do: a write that should never
have been sent shows in the recorded changes. Key signatures are not verified; one must be there.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.cosmos_query import QueryError, parse
from rollback.rehearsal.simulator.cosmos_write import write
from rollback.rehearsal.simulator.exchange import Call, Reply, dispatch, json_reply, route
from rollback.rehearsal.simulator.ledger import classify

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation

PAGE = 100
_DB = "/dbs/{database}"
_COLL = _DB + "/colls/{container}"


def handle(simulation: Simulation, call: Call) -> Reply:
    """Answer a request to the Cosmos account."""
    authorization = call.headers.get("authorization", "")
    if not authorization:
        return _stamped(
            simulation, _error(401, "Unauthorized", "Required Header authorization is missing.")
        )
    kind = "aad" if "type%3Daad" in authorization or "type=aad" in authorization else "key"
    agent = call.headers.get("user-agent", "").split(" ", 1)[0]
    call.principal = f"{kind}:{agent}"
    if classify(call) == "write":
        return _stamped(simulation, write(simulation, call))
    reply = dispatch(ROUTES, simulation, call)
    return _stamped(simulation, reply or _error(404, "NotFound", "Resource Not Found."))


def _error(status: int, code: str, message: str) -> Reply:
    return json_reply({"code": code, "message": f"Message: {message}"}, status)


def _stamped(simulation: Simulation, reply: Reply) -> Reply:
    reply.headers += [
        ("x-ms-activity-id", str(uuid4())),
        ("x-ms-request-charge", "2.83"),
        ("x-ms-session-token", f"0:-1#{len(simulation.world.changes) + 100}"),
        ("x-ms-version", "2020-07-15"),
        ("x-ms-gatewayversion", "2.0.0"),
        ("x-ms-serviceversion", "version=2.14.0.0"),
        ("Strict-Transport-Security", "max-age=31536000"),
    ]
    return reply


def _rid(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8] + "AA=="


def account(simulation: Simulation, call: Call) -> Reply:
    """Answer the account document; its only region is the account's own host."""
    del simulation, call
    place = {
        "name": "North Europe",
        "databaseAccountEndpoint": f"https://{names.COSMOS_HOST}:443/",
    }
    return json_reply(
        {
            "_self": "",
            "id": names.COSMOS_ACCOUNT,
            "_rid": f"{names.COSMOS_ACCOUNT}.documents.azure.com",
            "media": "//media/",
            "addresses": "//addresses/",
            "_dbs": "//dbs/",
            "writableLocations": [place],
            "readableLocations": [place],
            "enableMultipleWriteLocations": False,
            "continuousBackupEnabled": True,
            "userReplicationPolicy": {"minReplicaSetSize": 3, "maxReplicasetSize": 4},
            "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
            "systemReplicationPolicy": {"minReplicaSetSize": 3, "maxReplicasetSize": 4},
            "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
            "queryEngineConfiguration": '{"maxSqlQueryInputLength":262144}',
        }
    )


def _database_shown() -> dict[str, Any]:
    return {
        "id": names.DATABASE,
        "_rid": _rid(names.DATABASE),
        "_self": f"dbs/{_rid(names.DATABASE)}/",
        "_etag": '"0000-0000"',
        "_colls": "colls/",
        "_users": "users/",
        "_ts": 1700000000,
    }


def databases(simulation: Simulation, call: Call) -> Reply:
    """Answer the databases."""
    del simulation, call
    return json_reply({"_rid": "", "Databases": [_database_shown()], "_count": 1})


def database(simulation: Simulation, call: Call, database: str) -> Reply:
    """Answer one database."""
    del simulation, call
    if database != names.DATABASE:
        return _error(404, "NotFound", "Resource Not Found.")
    return json_reply(_database_shown())


def _container_shown(simulation: Simulation, container: str) -> dict[str, Any]:
    key = simulation.world.containers[container].partition_key
    return {
        "id": container,
        "_rid": _rid(container),
        "_self": f"dbs/{_rid(names.DATABASE)}/colls/{_rid(container)}/",
        "_etag": '"0000-0001"',
        "_docs": "docs/",
        "_ts": 1700000000,
        "indexingPolicy": {"indexingMode": "consistent", "automatic": True},
        "partitionKey": {"paths": [key], "kind": "Hash", "version": 2},
        "conflictResolutionPolicy": {"mode": "LastWriterWins"},
        "geospatialConfig": {"type": "Geography"},
    }


def containers(simulation: Simulation, call: Call, database: str) -> Reply:
    """Answer the containers of the database."""
    del call, database
    found = [_container_shown(simulation, name) for name in simulation.world.containers]
    return json_reply(
        {"_rid": _rid(names.DATABASE), "DocumentCollections": found, "_count": len(found)}
    )


def container(simulation: Simulation, call: Call, database: str, container: str) -> Reply:
    """Answer one container."""
    del call
    if database != names.DATABASE or container not in simulation.world.containers:
        return _error(404, "NotFound", "Resource Not Found.")
    return json_reply(_container_shown(simulation, container), etag='"0000-0001"')


def ranges(simulation: Simulation, call: Call, database: str, container: str) -> Reply:
    """Answer the partition key ranges: one; nothing new where it is known already."""
    del simulation, database
    etag = '"range-1"'
    if call.headers.get("if-none-match") == etag:
        return Reply(304, b"", [("etag", etag)])
    only = {
        "id": "0",
        "_rid": _rid(container),
        "_self": f"dbs/x/colls/{_rid(container)}/pkranges/0/",
        "_etag": etag,
        "minInclusive": "",
        "maxExclusive": "FF",
        "ridPrefix": 0,
        "throughputFraction": 1,
        "status": "online",
        "parents": [],
        "_ts": 1700000000,
        "_lsn": 100,
    }
    body = {"_rid": _rid(container), "PartitionKeyRanges": [only], "_count": 1}
    return json_reply(body, etag=etag)


def _key_of(call: Call) -> Any:
    import json

    given = call.headers.get("x-ms-documentdb-partitionkey")
    return json.loads(given)[0] if given else None


def _held(simulation: Simulation, call: Call, container: str) -> list[dict[str, Any]] | None:
    found = simulation.world.containers.get(container)
    if found is None:
        return None
    if "x-ms-documentdb-partitionkey" not in call.headers:
        return found.documents
    name = found.partition_key.removeprefix("/")
    wanted = _key_of(call)
    return [document for document in found.documents if document.get(name) == wanted]


def _paged(call: Call, container: str, rows: list[Any]) -> Reply:
    start = int(call.headers.get("x-ms-continuation") or "0")
    size = int(call.headers.get("x-ms-max-item-count") or "-1")
    page = rows[start : start + (size if size > 0 else PAGE)]
    body = {"_rid": _rid(container), "Documents": page, "_count": len(page)}
    reply = json_reply(body, x_ms_item_count=str(len(page)))
    if start + len(page) < len(rows):
        reply.with_header("x-ms-continuation", str(start + len(page)))
    return reply


def feed(simulation: Simulation, call: Call, database: str, container: str) -> Reply:
    """Answer a page of all documents; a change feed has all of them once, then nothing."""
    del database
    rows = _held(simulation, call, container)
    if rows is None:
        return _error(404, "NotFound", "Resource Not Found.")
    if "a-im" in call.headers:
        etag = f'"{len(simulation.world.changes) + 100}"'
        if call.headers.get("if-none-match") == etag:
            return Reply(304, b"", [("etag", etag)])
        body = {"_rid": _rid(container), "Documents": rows, "_count": len(rows)}
        return json_reply(body, etag=etag)
    return _paged(call, container, rows)


def document(simulation: Simulation, call: Call, database: str, container: str, id: str) -> Reply:
    """Answer one document with its etag."""
    del database
    for found in _held(simulation, call, container) or ():
        if found["id"] == id:
            return json_reply(found, etag=found["_etag"])
    return _error(404, "NotFound", "Entity with the specified id does not exist in the system.")


def query(simulation: Simulation, call: Call, database: str, container: str) -> Reply:
    """Answer a query, a query plan, or that a plan is needed first."""
    del database
    rows = _held(simulation, call, container)
    if rows is None:
        return _error(404, "NotFound", "Resource Not Found.")
    try:
        asked = parse(call.json())
    except QueryError as error:
        return _error(400, "BadRequest", f"Syntax error near '{error}'.")
    headers = call.headers
    if headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true":
        return json_reply(asked.plan())
    needs_plan = (
        simulation.world.cosmos_query_plans
        and asked.order is not None
        and "x-ms-documentdb-partitionkey" not in headers
        and "x-ms-documentdb-partitionkeyrangeid" not in headers
    )
    if needs_plan:
        text = "Cross partition query with ORDER BY is not directly executable by the gateway."
        return _error(400, "BadRequest", text).with_header("x-ms-substatus", "1004")
    return _paged(call, container, asked.run(rows))


def offers(simulation: Simulation, call: Call) -> Reply:
    """Answer the throughput offers: none, the account is serverless."""
    del simulation, call
    return json_reply({"_rid": "", "Offers": [], "_count": 0})


ROUTES = (
    route("GET", "/", account),
    route("GET", "", account),
    route("GET", "/dbs", databases),
    route("POST", "/dbs", databases),
    route("GET", _DB, database),
    route("GET", _DB + "/colls", containers),
    route("POST", _DB + "/colls", containers),
    route("GET", _COLL, container),
    route("GET", _COLL + "/pkranges", ranges),
    route("GET", _COLL + "/docs", feed),
    route("POST", _COLL + "/docs", query),
    route("GET", _COLL + "/docs/{id}", document),
    route("GET", "/offers", offers),
    route("POST", "/offers", offers),
)
