"""Canaries: forbidden requests put through the very clients of a run, to see each one caught.

Not one leaves: below the guard stands a trap that swallows a canary that got through. A canary's
refusal takes the same path as any other, except that it is not latched.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rollback.errors import GuardRefusal
from rollback.guard.rules.request import FAIL_CLOSED, NO_REWRITE, PLAN_IS_PERMISSION, Request
from rollback.guard.wire.gate import REQUEST_ID
from rollback.guard.wire.trap import CanaryEscaped
from rollback.model.scope import HostKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.guard.wire.gate import Wire
    from rollback.model.environment import Environment

_JSON = ("Content-Type", "application/json")
_OPERATION = "x-ms-thinclient-proxy-operation-type"


class Carrier(Protocol):
    """A guarded client that a canary can be put through. All guarded transports are carriers."""

    @property
    def name(self) -> str:
        """What it is, like ``httpx``."""
        ...

    def carry(self, request: Request) -> None:
        """Send it as any other request. Raises GuardRefusal where it is caught."""
        ...


class Canary(NamedTuple):
    """One forbidden request and the promise whose rule must catch it."""

    kind: str
    promise: str
    request: Request


class CanaryResult(NamedTuple):
    """What became of one canary in one client."""

    kind: str
    carrier: str
    caught: bool
    rule: str
    promise: str


def canaries(environment: Environment, wire: Wire) -> tuple[Canary, ...]:
    """One canary of each kind, with the environment's real hosts and paths."""
    cosmos = _address(wire, HostKind.COSMOS)
    backend = _address(wire, HostKind.BACKEND)
    arm = _address(wire, HostKind.ARM)
    container = next(iter(environment.cosmos.control_containers), "control")
    documents = f"{cosmos}/dbs/{environment.cosmos.database}/colls/{container}"
    group = f"{arm}/subscriptions/{environment.azure.subscription}/resourceGroups"
    account = environment.cosmos.account or "account"
    account_group = environment.cosmos.resource_group or environment.azure.resource_group
    site = next((surface.site for _, surface in environment.surfaces if surface.site), "site")
    return (
        _canary(
            "cosmos-upsert",
            NO_REWRITE,
            f"{documents}/docs/",
            {"id": "canary"},
            (("x-ms-documentdb-is-upsert", "True"), (_OPERATION, "Upsert")),
        ),
        _canary(
            "stored-procedure",
            NO_REWRITE,
            f"{documents}/sprocs/canary/",
            ["canary"],
            ((_OPERATION, "ExecuteJavaScript"),),
        ),
        _canary(
            "account-put",
            NO_REWRITE,
            f"{group}/{account_group}/providers/Microsoft.DocumentDB/databaseAccounts/{account}"
            "?api-version=2026-03-15",
            {},
            method="PUT",
        ),
        _canary(
            "backend-control",
            NO_REWRITE,
            f"{backend}{environment.halt_authority.control_path}",
            {},
        ),
        _canary(
            "off-plan-swap",
            PLAN_IS_PERMISSION,
            f"{group}/{environment.azure.resource_group}/providers/Microsoft.Web/sites/{site}"
            "/slotsswap?api-version=2025-05-01",
            {"targetSlot": "canary-no-such-slot", "preserveVnet": True},
        ),
    )


def plant(
    wire: Wire, environment: Environment, carriers: Sequence[Carrier]
) -> tuple[CanaryResult, ...]:
    """Put each canary through each client. Raises GuardRefusal where one is not caught.

    wire: the one under all the carriers.
    """
    if not carriers:
        raise _uncaught("there is no guarded client to put a canary through")
    results = tuple(
        _put(wire, canary, carrier)
        for carrier in carriers
        for canary in canaries(environment, wire)
    )
    missed = [f"{result.kind} in {result.carrier}" for result in results if not result.caught]
    if missed:
        raise _uncaught(f"the guard did not catch: {', '.join(missed)}")
    return results


def own_carriers(wire: Wire) -> tuple[Carrier, ...]:
    """Fresh clients of the two wires that every run has, for a check without a run."""
    from rollback.guard.wire import azure_wire, httpx_wire

    azure: Carrier = azure_wire.transport(wire)
    return (httpx_wire.transport(wire), azure)


def _uncaught(reason: str) -> GuardRefusal:
    return GuardRefusal(
        "guard.canary",
        reason,
        promise=FAIL_CLOSED,
        hint="nothing was sent; do not use this installation, and report what it says",
    )


def _put(wire: Wire, canary: Canary, carrier: Carrier) -> CanaryResult:
    marker = f"{wire.next_id()}.canary"
    request = Request(
        canary.request.method,
        canary.request.url,
        (*canary.request.headers, (REQUEST_ID, marker)),
        canary.request.body,
    )
    wire.trap.arm(marker)
    try:
        carrier.carry(request)
    except GuardRefusal as error:
        caught = error.promise == canary.promise
        return CanaryResult(
            canary.kind, carrier.name, caught, error.code.removeprefix("guard."), error.promise
        )
    except CanaryEscaped:
        return CanaryResult(canary.kind, carrier.name, caught=False, rule="escaped", promise="")
    finally:
        wire.trap.disarm(marker)
    return CanaryResult(canary.kind, carrier.name, caught=False, rule="not judged", promise="")


def _address(wire: Wire, kind: HostKind) -> str:
    host = next((guarded.host for guarded in wire.perimeter.hosts if guarded.kind is kind), None)
    if host is None:
        raise _uncaught(f"the perimeter has no {kind.value} host to try")
    local = host.startswith(("127.", "localhost"))
    return f"http://{host}" if local else f"https://{host}"


def _canary(
    kind: str,
    promise: str,
    url: str,
    content: object,
    headers: tuple[tuple[str, str], ...] = (),
    method: str = "POST",
) -> Canary:
    body = json.dumps(content).encode()
    length = ("Content-Length", str(len(body)))
    return Canary(kind, promise, Request(method, url, (_JSON, length, *headers), body))
