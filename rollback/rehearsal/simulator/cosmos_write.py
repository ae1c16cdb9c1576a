"""Writes to the Cosmos account: applied to the documents and recorded with who sent them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply
from rollback.rehearsal.simulator.store import record_change, stamp

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Container

_DOCS = re.compile(r"^/dbs/[^/]+/colls/(?P<container>[^/]+)/docs(?:/(?P<id>[^/]+))?/?$")
_DECLARED = "x-ms-thinclient-proxy-operation-type"


def write(simulation: Simulation, call: Call) -> Reply:
    """Accept a write of any kind: of a document, a batch, a procedure, a container, an offer."""
    found = _DOCS.match(call.path)
    container = simulation.world.containers.get(found["container"]) if found else None
    if found is None or container is None:
        _record(simulation, call, call.headers.get(_DECLARED, call.method), "*", call.path)
        body = call.json()
        return json_reply(
            body if isinstance(body, dict) else {}, 201 if call.method == "POST" else 200
        )
    if call.headers.get("x-ms-cosmos-is-batch-request", "").lower() == "true":
        return _batch(simulation, call, container, found["container"])
    return _document(simulation, call, container, found["container"], found["id"])


def _record(simulation: Simulation, call: Call, operation: str, container: str, name: str) -> None:
    record_change(
        simulation.world,
        simulation.now(),
        principal=call.principal,
        operation=operation,
        container=container,
        document_id=name,
        user_agent=call.headers.get("user-agent", ""),
        client_request_id=call.headers.get("x-ms-client-request-id", ""),
    )


def _batch(simulation: Simulation, call: Call, container: Container, name: str) -> Reply:
    body = call.json()
    results = []
    for step in body if isinstance(body, list) else []:
        document = step.get("resourceBody")
        given = str((document or {}).get("id") or step.get("id"))
        _record(simulation, call, f"Batch {step.get('operationType')}", name, given)
        if isinstance(document, dict):
            _put(simulation, container, name, document)
        results.append({"statusCode": 200, "requestCharge": 1, "resourceBody": document})
    return json_reply(results)


def _put(
    simulation: Simulation, container: Container, name: str, document: dict[str, Any]
) -> dict[str, Any]:
    kept = [each for each in container.documents if each["id"] != document.get("id")]
    ts = int(simulation.now().timestamp())
    stamp(name, document, ts, str(len(simulation.world.changes)))
    container.documents = [*kept, document]
    return document


def _document(
    simulation: Simulation, call: Call, container: Container, name: str, wanted: str | None
) -> Reply:
    body = call.json()
    given = body if isinstance(body, dict) else {}
    if call.method == "POST" and wanted is None:
        return _create(simulation, call, container, name, given)
    held = next((each for each in container.documents if each["id"] == wanted), None)
    if held is None:
        return json_reply({"code": "NotFound", "message": "Entity does not exist."}, 404)
    if call.headers.get("if-match") not in {None, "*", held["_etag"]}:
        text = "One of the specified pre-condition is not met."
        return json_reply({"code": "PreconditionFailed", "message": text}, 412)
    operation = {"PUT": "Replace", "PATCH": "Patch", "DELETE": "Delete"}.get(call.method)
    _record(simulation, call, operation or call.method, name, str(wanted))
    if call.method == "DELETE":
        container.documents.remove(held)
        return Reply(204)
    changed = _patched(held, given) if call.method == "PATCH" else {**given, "id": wanted}
    stored = _put(simulation, container, name, changed)
    return json_reply(stored, etag=stored["_etag"])


def _create(
    simulation: Simulation, call: Call, container: Container, name: str, given: dict[str, Any]
) -> Reply:
    upsert = call.headers.get("x-ms-documentdb-is-upsert", "").lower() == "true"
    known = any(each["id"] == given.get("id") for each in container.documents)
    if known and not upsert:
        return json_reply({"code": "Conflict", "message": "Id already exists."}, 409)
    _record(simulation, call, "Upsert" if upsert else "Create", name, str(given.get("id")))
    stored = _put(simulation, container, name, given)
    return json_reply(stored, 200 if known else 201, etag=stored["_etag"])


def _patched(held: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    changed = dict(held)
    for step in given.get("operations", []):
        field = str(step.get("path", "")).removeprefix("/")
        if step.get("op") == "remove":
            changed.pop(field, None)
        else:
            changed[field] = step.get("value")
    return changed
