"""Single checks of one surface from outside: instances, page, tenant isolation, socket, control."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.surfaces import probes
from rollback.connectors import trading_backend, web_hosts
from rollback.connectors.trading_backend import bearer
from rollback.errors import ConnectorError
from rollback.model.ports import Check
from rollback.model.slots import PRODUCTION, host_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.actions.sign_in_checks import SignedIn
    from rollback.model.environment import Environment, Surface
    from rollback.model.ports import Clients, HttpPort

PROFILE_PATH = "/api/me/profile"
TENANT_PROFILE_PATH = "/api/tenants/{tenant}/profile"
REFUSED = frozenset({401, 403, 404})
"""How another tenant's data may be refused; 404 does not even say that it exists."""

_OK = 200
_CLOSED = "was closed"


def release_check(environment: Environment, name: str, build: str, clients: Clients) -> Check:
    """Every instance of production serves the build, and is the instance that was asked."""
    what = f"{name}: every instance serves the release"
    if not build:
        return Check(what, holds=False, seen="the plan does not say which build is expected")
    try:
        answered = probes(environment, name, PRODUCTION, clients, fresh=True)
    except ConnectorError as error:
        return Check(what, holds=False, seen=error.reason)
    wrong = [
        f"instance {one.asked[:8]}: {one.problem or f'serves {one.build}'}"
        for one in answered
        if not one.answered or one.build != build
    ]
    if wrong or not answered:
        return Check(what, holds=False, seen="; ".join(wrong) or "no instance is listed")
    return Check(what, holds=True, seen=f"{len(answered)} instances serve {build}")


def web_checks(name: str, surface: Surface, build: str, clients: Clients) -> list[Check]:
    """The page of every host and all chunks it names are there, and of the build."""
    made = []
    path, together = surface.page_path or "/", clients.together
    reads = [
        partial(web_hosts.page, clients.http(host), host, path, together=together)
        for host in surface.hosts
    ]
    for host, page in zip(surface.hosts, together(reads), strict=True):
        problems = [page.problem]
        problems += [f"{one.path}: {one.problem}" for one in page.chunks if one.problem]
        if page.builds != (build,):
            problems.append(f"it names {', '.join(page.builds) or 'no build'}, not {build}")
        if not page.complete:
            problems.append("it names more chunks than were looked at")
        wrong = "; ".join(problem for problem in problems if problem)
        seen = wrong or f"{len(page.chunks)} chunks of {build}"
        made.append(Check(f"{name}: page of {host} and its chunks", not wrong, seen))
    return made


def backend_checks(
    environment: Environment, name: str, build: str, session: SignedIn, clients: Clients
) -> list[Check]:
    """Control and flag reads, tenant isolation, and the socket with and without a token."""
    halt = environment.halt_authority
    surface = environment.surface(name)
    http = clients.http(host_of(surface, PRODUCTION))
    operator = clients.secret(halt.token)
    reads: list[Callable[[], Check]] = [
        partial(
            _reads,
            f"{name}: control state is read",
            lambda: _control(http, halt.control_path, operator),
        ),
        partial(
            _reads,
            f"{name}: feature flags are read",
            lambda: f"{len(trading_backend.feature_flags(http, halt.flags_path, operator))} flags",
        ),
    ]
    user = environment.platform.synthetic_user
    if session.token and user is not None:
        reads.append(partial(_own_profile, http, name, session))
        reads.append(partial(_other_tenant, http, name, session, user.other_tenant))
    if surface.socket_path is not None:
        path, token = surface.socket_path, session.token or operator
        reads.append(partial(_socket, http, name, path, build, token))
        reads.append(partial(_socket_without_a_token, http, name, path))
    return list(clients.together(reads))


def _reads(what: str, read: Callable[[], str]) -> Check:
    try:
        return Check(what, holds=True, seen=read())
    except ConnectorError as error:
        return Check(what, holds=False, seen=error.reason)


def _control(http: HttpPort, path: str, token: str) -> str:
    halted = trading_backend.trading_control(http, path, token).halted
    return "halted: " + ", ".join(one.scope for one in halted) if halted else "not halted"


def _own_profile(http: HttpPort, name: str, session: SignedIn) -> Check:
    what = f"{name}: a signed-in user reads their own profile"
    try:
        answer = http.get(PROFILE_PATH, headers=bearer(session.token))
    except ConnectorError as error:
        return Check(what, holds=False, seen=error.reason)
    return Check(what, answer.status == _OK, f"answered {answer.status}")


def _other_tenant(http: HttpPort, name: str, session: SignedIn, tenant: str) -> Check:
    what = f"{name}: another tenant's data is refused"
    path = TENANT_PROFILE_PATH.format(tenant=tenant)
    try:
        answer = http.get(path, headers=bearer(session.token))
    except ConnectorError as error:
        return Check(what, holds=False, seen=error.reason)
    return Check(what, answer.status in REFUSED, f"answered {answer.status}")


def _socket(http: HttpPort, name: str, path: str, build: str, token: str) -> Check:
    what = f"{name}: a new web socket is of the release"
    try:
        hello = trading_backend.socket_hello(http, path, token)
        good = hello.opened and hello.build == build and not hello.problem
        seen = f"opened by {hello.build}" if hello.opened and hello.build else hello.problem
        return Check(what, good, seen or f"answered {hello.status}")
    except ConnectorError as error:
        return Check(what, holds=False, seen=error.reason)


def _socket_without_a_token(http: HttpPort, name: str, path: str) -> Check:
    closed = f"{name}: a web socket without a token is refused"
    try:
        hello = trading_backend.socket_hello(http, path, "")
    except ConnectorError as error:
        return Check(closed, holds=False, seen=f"it could not be tried: {error.reason}")
    # A server may also accept the handshake and close at once; one that stays open did not refuse.
    refused = hello.status in REFUSED or (hello.opened and _CLOSED in hello.problem)
    said = f"it opened, by {hello.build}" if hello.build else hello.problem
    status = f"({hello.status})"
    return Check(closed, refused, said if status in said else f"{said} {status}")
