"""Three fences, each enough alone: every forbidden write against each, with the other two taken out.

Taken out means: the type's checks are skipped by building an effect past them (`unsafe_effect`),
the planner's fence is not asked, or the wire is replaced by one that lets everything through. All
three doors exist in tests only.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from pydantic import ValidationError

from rollback.errors import GuardRefusal
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.request import Request
from rollback.model.effect import ExactBody, HttpWrite, NoBody
from rollback.model.ports import CosmosPort
from rollback.model.scope import VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.support import ACCOUNT, bench, environment, exact, swap

BACKEND = f"{names.BACKEND}.azurewebsites.net"
DOCUMENTS = "/dbs/trading/colls/dynamic_config/docs"
REGION = "trading-cosmos-westeurope.documents.azure.com"
BODY = exact('{"id":"x"}')

FORBIDDEN: dict[str, dict[str, Any]] = {
    "upsert a document": {"host": names.COSMOS_HOST, "path": DOCUMENTS, "query": ()},
    "in another region": {"host": REGION, "path": DOCUMENTS, "query": ()},
    "replace a document": {"host": names.COSMOS_HOST, "path": f"{DOCUMENTS}/x", "method": "PUT"},
    "patch a document": {"host": names.COSMOS_HOST, "path": f"{DOCUMENTS}/x", "method": "PATCH"},
    "delete a document": {
        "host": names.COSMOS_HOST,
        "path": f"{DOCUMENTS}/x",
        "method": "DELETE",
        "body": NoBody(),
    },
    "execute a procedure": {
        "host": names.COSMOS_HOST,
        "path": "/dbs/trading/colls/dynamic_config/sprocs/s",
        "query": (),
    },
    "delete a partition": {
        "host": names.COSMOS_HOST,
        "path": "/dbs/trading/colls/dynamic_config/operations/partitionkeydelete",
    },
    "throughput": {"host": names.COSMOS_HOST, "path": "/offers/o1", "method": "PUT"},
    "another account": {"host": "other.documents.azure.com", "path": DOCUMENTS},
    "put the account": {"path": ACCOUNT, "method": "PUT"},
    "delete the account": {"path": ACCOUNT, "method": "DELETE", "body": NoBody()},
    "in another case": {"path": ACCOUNT.replace("DocumentDB", "documentdb"), "method": "PUT"},
    "regenerate a key": {"path": f"{ACCOUNT}/regenerateKey"},
    "list the keys": {"path": f"{ACCOUNT}/listKeys"},
    "fail over": {"path": f"{ACCOUNT}/failoverPriorityChange"},
    "a role": {"path": f"{ACCOUNT}/sqlRoleAssignments/r", "method": "PUT"},
    "a container": {"path": f"{ACCOUNT}/sqlDatabases/d/containers/c", "method": "PUT"},
    "resume trading": {"host": BACKEND, "path": "/api/control/trading", "query": ()},
    "a halt through the back door": {
        "host": BACKEND,
        "path": "/api/control/trading",
        "method": "PUT",
        "query": (),
    },
    "configuration": {"host": BACKEND, "path": "/api/dynamic-config", "query": ()},
}


def unsafe_effect(fields: dict[str, Any]) -> HttpWrite:
    """An effect built past the type's checks. Tests only."""
    return HttpWrite.model_construct(**{**dict(swap()), "body": BODY, **fields})


@pytest.mark.parametrize("fields", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_type_alone(fields: dict[str, Any]) -> None:
    """No such effect can be built, nor read from a plan, whatever its digest."""
    with pytest.raises(ValidationError):
        swap(**{"body": BODY, **fields})
    written = unsafe_effect(fields).model_dump(mode="json")
    with pytest.raises(ValidationError, match="no-control-plane-rewrite"):
        HttpWrite.model_validate(written)


@pytest.mark.parametrize("fields", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_planner_alone(fields: dict[str, Any]) -> None:
    """The effect exists; no plan may hold it."""
    known = environment()
    verdict = judge_effect(unsafe_effect(fields), perimeter_of(known), known)
    assert verdict.kind is VerdictKind.DENY
    assert verdict.promise == "no-control-plane-rewrite"


@pytest.mark.parametrize("fields", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_wire_alone(fields: dict[str, Any]) -> None:
    """The effect is in the plan, unspent, and the request is exactly it; still it does not leave."""
    effect = unsafe_effect(fields)
    told = bench([effect], unsafe=True)
    query = "&".join(f"{name}={value}" for name, value in effect.query)
    url = f"https://{effect.host}{effect.path}{'?' if query else ''}{query}"
    body = b'{"id":"x"}' if isinstance(effect.body, ExactBody) else None
    for headers in (
        (("Content-Type", "application/json"),),
        (
            ("Content-Type", "application/query+json"),
            ("x-ms-documentdb-isquery", "true"),
            ("x-ms-thinclient-proxy-operation-type", "Query"),
        ),
    ):
        with pytest.raises(GuardRefusal):
            told.wire.check(Request(effect.method, url, headers, body))
    assert told.ledger.spent == []
    assert told.latch.refusals[0][0].promise in {"no-control-plane-rewrite", "fail-closed"}


def test_the_cosmos_port_has_no_method_that_writes() -> None:
    """The type's other half: nothing to call."""
    methods = {
        name for name, _ in inspect.getmembers(CosmosPort, callable) if not name.startswith("_")
    }
    assert methods == {"count", "pages", "parts", "problem"}
