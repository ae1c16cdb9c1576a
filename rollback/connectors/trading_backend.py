"""The trading backend's typed reads: release, halt authority, control state, flags, orders, socket.

Probes address one instance by App Service's affinity cookie and check that the instance that
answered is the one that was asked. A probe never raises for what the backend does: an instance
that does not answer is a finding, not an exception. A refusal of the guard always comes through.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from rollback.connectors.crossing import by_status
from rollback.connectors.together import one_by_one
from rollback.connectors.trading_contracts import (
    ControlContract,
    FlagsContract,
    strictly,
    unreadable,
)
from rollback.connectors.values import at, flag, listed, moment, number, parsed, text
from rollback.errors import ConnectorError
from rollback.model.authority import AuthorityProbe, ScopeClaim
from rollback.model.base import Frozen, Instant

if TYPE_CHECKING:
    from rollback.connectors.together import ReadTogether
    from rollback.model.ports import Answer, HttpPort, SocketHello

Headers = tuple[tuple[str, str], ...]


class ReleaseProbe(Frozen):
    """What one instance said it serves.

    asked: the instance addressed, empty for whoever answers. echoed: row T1, None where nobody
    answered. trading_loop: ``none``, ``leader-lease``, ``sticky-off`` or ``active``.
    """

    asked: str = ""
    instance: str = ""
    build: str = ""
    artifact: str = ""
    started_at: Instant | None = None
    trading_loop: str = ""
    status: int | None = None
    problem: str = ""
    request_id: str = ""
    echoed: bool | None = None

    @property
    def answered(self) -> bool:
        """True when the asked instance named its build."""
        return not self.problem


class Halt(Frozen):
    """One scope in which trading is halted: ``global``, ``tenant:x``, ``strategy:y``."""

    scope: str
    by: str = ""
    at: str = ""


class TradingControl(Frozen):
    """The trading control state: only what is halted is listed."""

    halted: tuple[Halt, ...]
    etag: str = ""
    schema_version: int | None = None


class Flag(Frozen):
    """One feature flag. since: the build that brought it."""

    name: str
    enabled: bool
    since: str = ""


class OpenOrders(Frozen):
    """Open orders by count and by id; nothing of what they trade."""

    count: int
    ids: tuple[str, ...] = ()


class SocketBuild(Frozen):
    """What a new web socket said. opened: False where it was refused or did not open."""

    opened: bool
    status: int
    build: str = ""
    instance: str = ""
    problem: str = ""


def affinity(instance: str) -> Headers:
    """The cookie that addresses one instance and keeps ramp-up rules from moving the request."""
    cookie = f"ARRAffinity={instance}; ARRAffinitySameSite={instance}; x-ms-routing-name=self"
    return (("cookie", cookie),)


def bearer(token: str) -> Headers:
    """The header that carries a token; none for an empty one."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def release(
    http: HttpPort, path: str, *, instance: str = "", fresh: bool = False, tries: int = 2
) -> ReleaseProbe:
    """Ask which build is served, by one instance where `instance` is given."""
    headers = affinity(instance) if instance else ()
    try:
        answer = http.get(path, headers=headers, fresh=fresh, tries=tries)
    except ConnectorError as error:
        return ReleaseProbe(asked=instance, status=error.status, problem=error.reason)
    said = _json(answer)
    probe = ReleaseProbe(
        asked=instance,
        instance=text(said, "instance"),
        build=text(said, "build"),
        artifact=text(said, "artifactDigest"),
        started_at=moment(said, "startedAt"),
        trading_loop=text(said, "tradingLoop"),
        status=answer.status,
        request_id=answer.request_id,
        echoed=answer.echoed,
    )
    return probe.model_copy(update={"problem": _release_problem(probe)})


def releases(
    http: HttpPort,
    path: str,
    instances: tuple[str, ...],
    *,
    fresh: bool = False,
    tries: int = 2,
    together: ReadTogether = one_by_one,
) -> tuple[ReleaseProbe, ...]:
    """Ask every instance which build it serves."""
    return together(
        [
            partial(release, http, path, instance=instance, fresh=fresh, tries=tries)
            for instance in instances
        ]
    )


def _release_problem(probe: ReleaseProbe) -> str:
    if probe.status != HTTPStatus.OK:
        return f"answered {probe.status}"
    if not probe.build:
        return "names no build"
    if probe.asked and probe.instance != probe.asked:
        return f"instance {probe.instance or 'unnamed'} answered for {probe.asked}"
    return ""


def authority(  # noqa: PLR0913 (what is asked, of whom, and how it is known again)
    http: HttpPort,
    path: str,
    *,
    surface: str,
    slot: str,
    instance: str,
    token: str,
    nonce: str,
    now: Instant,
    control: bool = False,
    tries: int = 1,
) -> AuthorityProbe:
    """Ask one instance whether the token's principal may halt trading, per scope. Reads only.

    control: the token is the one that must be refused. now: when it was asked, for failures.
    """
    headers = (*affinity(instance), *bearer(token), ("cache-control", "no-store"))
    try:
        answer = http.get(path, query=(("nonce", nonce),), headers=headers, tries=tries)
    except ConnectorError as error:
        return AuthorityProbe(
            surface=surface,
            slot=slot,
            instance=instance,
            answered=False,
            problem=error.reason,
            control=control,
            status=error.status,
            at=now,
        )
    said = _json(answer)
    problem = _authority_problem(answer, said)
    return AuthorityProbe(
        surface=surface,
        slot=slot,
        instance=instance,
        answered=not problem,
        problem=problem,
        nonce_matches=bool(nonce) and text(said, "nonce") == nonce,
        instance_matches=bool(instance) and text(said, "instance") == instance,
        build=text(said, "build"),
        principal=text(said, "principal"),
        scopes=_claims(said),
        schema_document=number(said, "controlSchema", "document"),
        schema_min=number(said, "controlSchema", "supportedMin"),
        schema_max=number(said, "controlSchema", "supportedMax"),
        store_reachable=flag(said, "store", "reachable"),
        store_etag=text(said, "store", "etag"),
        control=control,
        status=answer.status,
        at=answer.at,
    )


def _claims(said: object) -> tuple[ScopeClaim, ...]:
    return tuple(
        ScopeClaim(
            scope=text(claim, "scope"),
            can_halt=flag(claim, "canHalt"),
            policy_version=text(claim, "policyVersion"),
        )
        for claim in listed(said, "scopes")
        if text(claim, "scope")
    )


def _authority_problem(answer: Answer, said: object) -> str:
    if answer.status != HTTPStatus.OK:
        return f"answered {answer.status}"
    if not isinstance(at(said, "scopes"), list):
        return "names no scopes"
    if "no-store" not in answer.header("cache-control").lower():
        return "may have come from a cache (no Cache-Control: no-store)"
    return ""


def trading_control(http: HttpPort, path: str, token: str = "") -> TradingControl:
    """The trading control state. Raises ConnectorError where it cannot be read."""
    control = strictly(ControlContract, _read(http, path, token), "the trading control state")
    scoped = [("global", control.everywhere)]
    scoped += [(f"tenant:{name}", value) for name, value in sorted(control.tenants.items())]
    scoped += [(f"strategy:{name}", value) for name, value in sorted(control.strategies.items())]
    return TradingControl(
        halted=tuple(
            Halt(scope=scope, by=value.by or "", at=value.at or "")
            for scope, value in scoped
            if value.halted
        ),
        etag=control.etag or "",
        schema_version=control.schema_version,
    )


def feature_flags(http: HttpPort, path: str, token: str = "") -> tuple[Flag, ...]:
    """Feature flags from their authoritative contract (row F1), in name order.

    Raises ConnectorError where they cannot be read, or where the contract is not version 1.
    """
    flags = strictly(FlagsContract, _read(http, path, token), "the feature flags").flags
    return tuple(
        Flag(name=name, enabled=flags[name].enabled, since=flags[name].since)
        for name in sorted(flags)
    )


def open_orders(http: HttpPort, path: str, token: str = "") -> OpenOrders:
    """Open orders. Raises ConnectorError where they cannot be read."""
    try:
        said = parsed(_read(http, path, token))
    except ValueError:
        said = None
    count = number(said, "count")
    if count is None or count < 0:
        raise unreadable("the open orders")
    orders = listed(said, "orders")
    return OpenOrders(count=count, ids=tuple(text(order, "id") for order in orders))


def socket_hello(
    http: HttpPort, path: str, token: str = "", *, timeout_s: float = 5.0
) -> SocketBuild:
    """Open a new web socket and hear which build and instance is behind it."""
    hello: SocketHello = http.socket(path, headers=bearer(token), timeout_s=timeout_s)
    if hello.status != HTTPStatus.SWITCHING_PROTOCOLS or hello.problem:
        return SocketBuild(
            opened=hello.status == HTTPStatus.SWITCHING_PROTOCOLS,
            status=hello.status,
            problem=hello.problem or "refused",
        )
    try:
        said = parsed(hello.message.encode())
    except ValueError:
        said = None
    build = text(said, "build")
    return SocketBuild(
        opened=True,
        status=101,
        build=build,
        instance=text(said, "instance"),
        problem="" if build else "its first message names no build",
    )


def _json(answer: Answer) -> object:
    try:
        return parsed(answer.body)
    except ValueError:
        return None


def _read(http: HttpPort, path: str, token: str) -> bytes:
    answer = http.get(path, headers=bearer(token))
    if answer.status != HTTPStatus.OK:
        failure = by_status(answer.status)
        raise ConnectorError(
            f"trading-backend.{failure.code}",
            f"GET {path}: {failure.what}",
            transient=failure.transient,
            status=answer.status,
            hint=failure.hint,
        )
    return answer.body
