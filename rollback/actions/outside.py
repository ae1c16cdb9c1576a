"""What users reach, sampled from outside: builds, pages with their chunks, new web sockets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.connectors import trading_backend, web_hosts
from rollback.errors import ConnectorError
from rollback.model.ports import Check

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients


_GLANCES = 5
"""How often a host is asked that is only looked at for a release on hold."""


def look_from_outside(
    environment: Environment, name: str, build: str, samples: int, clients: Clients
) -> list[Check]:
    """Checks that every sample of every production host is of `build`. Raises no ConnectorError."""
    surface = environment.surface(name)
    reads: list[Callable[[], list[Check]]] = []
    for host in surface.hosts:
        reads.append(partial(_releases, environment, name, host, build, samples, clients))
        if surface.page_path is not None:
            reads.append(partial(_pages, host, surface.page_path, build, samples, clients))
        if surface.socket_path is not None:
            path = surface.socket_path
            reads.append(partial(_socket, environment, host, path, build, clients))
    return [check for made in clients.together(reads) for check in made]


def builds_from_outside(
    environment: Environment, name: str, host: str, clients: Clients
) -> tuple[tuple[str, ...], str]:
    """The builds that a few fresh connections to a host meet, and why one met none."""
    path, http = environment.surface(name).release_path, clients.http(host)
    ask = partial(trading_backend.release, http, path, fresh=True)
    probes = clients.together([ask] * _GLANCES)
    problems = [one.problem for one in probes if not one.answered]
    return tuple(sorted({one.build for one in probes if one.answered})), (problems or [""])[0]


def counted(seen: list[str]) -> str:
    """``2026.11.1 x19, no answer x1``, in name order."""
    return ", ".join(f"{one} x{seen.count(one)}" for one in sorted(set(seen)))


def _releases(
    environment: Environment, name: str, host: str, build: str, samples: int, clients: Clients
) -> list[Check]:
    path = environment.surface(name).release_path
    http = clients.http(host)
    probes = clients.together([partial(trading_backend.release, http, path, fresh=True)] * samples)
    seen = [one.build if one.answered else f"no answer ({one.problem})" for one in probes]
    instances = {one.instance for one in probes if one.answered}
    said = f"{samples} samples on {len(instances)} instances: {counted(seen)}"
    said += f"; expected {build or 'one known build'}"
    return [
        Check(f"{name}: every sample of {host}", bool(build) and set(seen) == {build}, said),
        Check(
            f"{name}: several instances of {host}",
            holds=len(instances) > 1,
            seen=f"{len(instances)} instances answered",
            weight="note",
        ),
    ]


def _pages(host: str, path: str, build: str, samples: int, clients: Clients) -> list[Check]:
    """Every page names the build, and every chunk it names is there and of that build."""
    http = clients.http(host)
    seen: list[str] = []
    chunks: set[str] = set()
    foreign: set[str] = set()
    read = partial(web_hosts.page, http, host, path, together=clients.together)
    for page in clients.together([read] * samples):
        chunks |= {one.path for one in page.chunks}
        foreign |= set(page.foreign)
        broken = [f"{one.path} {one.problem}" for one in page.chunks if one.problem]
        if page.problem or broken or not page.chunks:
            seen.append(page.problem or "; ".join(broken) or "names no chunk")
        elif not page.complete:
            seen.append("names more chunks than are looked at")
        else:
            seen.append(" and ".join(page.builds))
    said = f"{samples} pages, {len(chunks)} chunks: {counted(seen)}; expected {build}"
    if foreign:
        said += f"; not checked: code from {', '.join(sorted(foreign))}"
    return [Check(f"page of {host} and its chunks", bool(build) and set(seen) == {build}, said)]


def _socket(
    environment: Environment, host: str, path: str, build: str, clients: Clients
) -> list[Check]:
    """A new web socket is answered by the build. Old ones were dropped, or are exposure."""
    title = f"new web socket of {host}"
    try:
        token = clients.secret(environment.halt_authority.token)
        hello = trading_backend.socket_hello(clients.http(host), path, token)
    except ConnectorError as error:
        return [Check(title, holds=False, seen=error.reason)]
    said = f"opened, build {hello.build or 'not named'}"
    if not hello.opened or hello.problem:
        said = f"did not say what it is: {hello.problem or hello.status}"
    return [Check(title, hello.opened and bool(build) and hello.build == build, said)]
