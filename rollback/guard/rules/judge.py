"""The one decision, under every client.

J1  what cannot be normalised is refused
J2  a host outside the perimeter is refused; an empty perimeter refuses all
J3  a Cosmos name is judged as Cosmos, whatever the perimeter calls it; regional hosts of the
    account are the account
J4  a token request is a third verdict; at its host and path nothing else is. No token is asked for
    at a control API, nor by a web socket
J5  reads by shape, per kind of host
J6  anything else is a write: refused while observing; while applying, only as a permission
J7  an error in judging is a denial
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.guard.rules import arm, cosmos, exchange
from rollback.guard.rules.normal import normalise
from rollback.guard.rules.permissions import judge_write
from rollback.guard.rules.request import (
    NO_REWRITE,
    PLAN_IS_PERMISSION,
    Denial,
    Normal,
    Request,
)
from rollback.guard.rules.shapes import names_path
from rollback.guard.rules.verdicts import EXCHANGE, READS, denied, deny
from rollback.model.effect import COSMOS_HOST
from rollback.model.scope import GuardedHost, HostKind, Phase

if TYPE_CHECKING:
    from rollback.guard.rules.permissions import Left
    from rollback.model.scope import GuardVerdict, Perimeter, Scope

_HTTP: Final = frozenset({"https", "http"})


def judge(request: Request, scope: Scope, perimeter: Perimeter, left: Left) -> GuardVerdict:
    """The verdict over one attempt to send. Total: whatever happens inside, there is a verdict.

    left: how many sends are left, by effect id.
    """
    return decide(request, scope, perimeter, left)[0]


def decide(
    request: Request, scope: Scope, perimeter: Perimeter, left: Left
) -> tuple[GuardVerdict, Normal | None]:
    """The verdict, and the normal form it was reached on (None where there is none). Total."""
    normal: Normal | Denial | None = None
    try:
        normal = normalise(request)
        if isinstance(normal, Denial):  # J1
            return denied(normal), None
        return judge_normal(normal, scope, perimeter, left), normal
    except Exception as error:  # noqa: BLE001 (J7: fail-closed)
        known = normal if isinstance(normal, Normal) else None
        return deny("guard.error", f"judging failed: {type(error).__name__}"), known


def locate(host: str, perimeter: Perimeter) -> GuardedHost | None:
    """The guarded host of that name; a regional Cosmos host of the account is the account."""
    guarded = perimeter.find(host)
    if not _cosmos_name(host):
        return guarded
    if guarded is not None:
        if guarded.kind is HostKind.COSMOS:
            return guarded
        return GuardedHost(host=host, kind=HostKind.COSMOS)  # J3
    name, _, port = host.partition(":")
    label, _, zone = name.partition(".")
    for known in perimeter.hosts:
        if known.kind is not HostKind.COSMOS:
            continue
        known_name, _, known_port = known.host.partition(":")
        account, _, known_zone = known_name.partition(".")
        region = label.removeprefix(f"{account}-")
        if zone == known_zone and port == known_port and region != label and region.isalnum():
            return GuardedHost(host=host, kind=HostKind.COSMOS)
    return None


def _cosmos_name(host: str) -> bool:
    if "cosmos" not in host and "documents" not in host:
        return False
    return COSMOS_HOST.search(host.partition(":")[0]) is not None


def judge_normal(request: Normal, scope: Scope, perimeter: Perimeter, left: Left) -> GuardVerdict:
    """The verdict over a request in normal form. May raise; `judge` does not."""
    guarded = locate(request.host, perimeter)
    if guarded is None:  # J2
        promise = NO_REWRITE if _cosmos_name(request.host) else "fail-closed"
        return deny("host.unknown", "a host outside the environment's perimeter", promise=promise)
    kind = guarded.kind
    if request.scheme not in _HTTP and not (
        kind in {HostKind.BACKEND, HostKind.WEB} and request.method == "GET"
    ):
        return deny("socket", "web sockets are opened only towards a surface, and only read")
    token = exchange.find(request, perimeter)
    if token is not None and kind is not HostKind.COSMOS and not _controls(request, guarded):  # J4
        problem = exchange.not_an_exchange(request, token)
        return EXCHANGE if problem is None else denied(problem)
    refusal = _not_a_read(request, guarded, perimeter)  # J5
    if refusal is None:
        return READS[kind]
    if kind in {HostKind.ARM, HostKind.STORE, HostKind.CHANNEL, HostKind.PIPELINE} and (
        not request.reads and not arm.document_db(request)
    ):  # J6
        if scope.phase is not Phase.APPLY:
            return deny(
                refusal.rule,
                f"{refusal.reason}; while observing nothing is written",
                promise=refusal.promise,
            )
        if refusal.promise == PLAN_IS_PERMISSION:
            return judge_write(request, kind, scope.permissions, left)
    return denied(refusal)


def _not_a_read(request: Normal, guarded: GuardedHost, perimeter: Perimeter) -> Denial | None:
    match guarded.kind:
        case HostKind.COSMOS:
            return cosmos.write_reason(request)
        case HostKind.ARM:
            return arm.not_a_read(request, perimeter.subscription)
        case HostKind.BACKEND | HostKind.WEB | HostKind.PLATFORM:
            return _surface(request, guarded)
        case HostKind.STORE | HostKind.PIPELINE:
            if request.reads:
                return None
            return Denial(
                f"{guarded.kind.value}.write",
                f"{request.method} without a permission of the plan",
                PLAN_IS_PERMISSION,
            )
        case HostKind.CHANNEL:
            if request.method == "GET" and any(
                names_path(template, request.path) for template in guarded.reads
            ):
                return None
            return Denial(
                "channel.write",
                "a channel is only ever sent a permitted message",
                PLAN_IS_PERMISSION,
            )
        case HostKind.IDENTITY:
            if exchange.discovers(request, perimeter):
                return None
            return Denial("identity.path", "not the configured token path, nor a public document")


def _controls(request: Normal, guarded: GuardedHost) -> bool:
    lower = request.path.lower()
    return any(lower.startswith(prefix.lower()) for prefix in guarded.control_paths)


def _surface(request: Normal, guarded: GuardedHost) -> Denial | None:
    if request.reads:
        return None
    if _controls(request, guarded):
        return Denial(
            f"{guarded.kind.value}.control",
            "a write to control state through the backend's own API",
            NO_REWRITE,
        )
    if request.method == "POST" and request.path in guarded.reads and not request.query:
        return None
    return Denial(
        f"{guarded.kind.value}.write",
        f"{request.method} to a host that may only be read",
        NO_REWRITE,
    )
