"""The web surface from outside: its page, the build it names, and every chunk it asks for."""

from __future__ import annotations

import re
from functools import partial
from html.parser import HTMLParser
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from rollback.connectors.together import one_by_one
from rollback.errors import ConnectorError
from rollback.model.base import Frozen

if TYPE_CHECKING:
    from rollback.connectors.together import ReadTogether
    from rollback.model.ports import HttpPort

CHUNKS_MAX = 100

_BUILD_MARK = re.compile(rb"/\*\s*build:([A-Za-z0-9][A-Za-z0-9._+-]{0,127})\s*\*/")


class Chunk(Frozen):
    """One file a page asks for. build: as its text names it, empty where it names none."""

    path: str
    status: int | None = None
    build: str = ""
    problem: str = ""


class WebPage(Frozen):
    """A page with the build of its HTML, and its chunks. foreign: hosts it loads other code from.

    complete: False where there were more chunks than are looked at.
    """

    status: int | None
    build: str = ""
    chunks: tuple[Chunk, ...] = ()
    foreign: tuple[str, ...] = ()
    request_id: str = ""
    echoed: bool | None = None
    problem: str = ""
    complete: bool = True

    @property
    def builds(self) -> tuple[str, ...]:
        """The distinct builds of the page and of its chunks, sorted."""
        named = {self.build, *(chunk.build for chunk in self.chunks)}
        return tuple(sorted(named - {""}))

    @property
    def whole(self) -> bool:
        """True when the page and every chunk it names answered, and name one build."""
        problems = [self.problem, *(chunk.problem for chunk in self.chunks)]
        return self.complete and not any(problems) and len(self.builds) == 1


def page(
    http: HttpPort,
    host: str,
    path: str = "/",
    *,
    headers: tuple[tuple[str, str], ...] = (),
    fresh: bool = True,
    together: ReadTogether = one_by_one,
) -> WebPage:
    """Read a page and every chunk it names on its own host. Never raises for what the host does.

    together: reads chunks side by side.
    """
    try:
        answer = http.get(path, headers=headers, fresh=fresh)
    except ConnectorError as error:
        return WebPage(status=error.status, problem=error.reason)
    if answer.status != HTTPStatus.OK:
        return WebPage(
            status=answer.status,
            request_id=answer.request_id,
            echoed=answer.echoed,
            problem=f"answered {answer.status}",
        )
    build, named = names_in(answer.body.decode(errors="replace"))
    found = [(name, _address(f"https://{host}{path}", name)) for name in named]
    addresses = [address for _, address in found if address is not None]
    lost = [Chunk(path=name, problem="is no address") for name, address in found if address is None]
    own = [address for address in addresses if address.netloc.lower() == host]
    paths = list(dict.fromkeys(_path(address) for address in own))
    foreign = {address.netloc.lower() for address in addresses} - {host, ""}
    return WebPage(
        status=200,
        build=build,
        chunks=(
            *lost[:CHUNKS_MAX],
            *together([partial(_chunk, http, path, headers) for path in paths[:CHUNKS_MAX]]),
        ),
        foreign=tuple(sorted(foreign)),
        request_id=answer.request_id,
        echoed=answer.echoed,
        problem="" if build else "the page names no build",
        complete=len(paths) <= CHUNKS_MAX,
    )


def names_in(html: str) -> tuple[str, tuple[str, ...]]:
    """The build a page names (``<meta name="build">``), and the code and styles it loads."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.build, tuple(reader.names)


class _Reader(HTMLParser):
    """Collects what a page loads: scripts, module preloads, style sheets."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.build = ""
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("name", "").lower() == "build" and not self.build:
            self.build = given.get("content", "").strip()
        elif tag == "script" and given.get("src"):
            self.names.append(given["src"])
        elif tag == "link" and given.get("href"):
            kinds = set(given.get("rel", "").lower().split())
            if kinds & {"modulepreload", "stylesheet"}:
                self.names.append(given["href"])


def _address(page: str, name: str) -> SplitResult | None:
    """Where a name on a page leads; None for what is no address."""
    try:
        return urlsplit(urljoin(page, name))
    except ValueError:
        return None


def _path(address: SplitResult) -> str:
    return f"{address.path}?{address.query}" if address.query else address.path


def _chunk(http: HttpPort, path: str, headers: tuple[tuple[str, str], ...]) -> Chunk:
    try:
        answer = http.get(path, headers=headers)
    except ConnectorError as error:
        return Chunk(path=path, status=error.status, problem=error.reason)
    mark = _BUILD_MARK.search(answer.body)
    return Chunk(
        path=path,
        status=answer.status,
        build=mark[1].decode() if mark else "",
        problem="" if answer.status == HTTPStatus.OK else f"answered {answer.status}",
    )
