"""A request and its answer, free of any web framework, and the routing between them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollback.rehearsal.simulator.simulation import Simulation


@dataclass
class Call:
    """A request as the simulator received it. Header names are lower case."""

    method: str
    host: str
    path: str
    raw_query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    principal: str = ""
    """Filled in by the handler that recognised the credential."""
    correlation: str = ""
    """Filled in by Resource Manager, whose activity log names it again."""

    @property
    def query(self) -> dict[str, str]:
        """Return the query parameters; the last one of a name counts."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def bearer(self) -> str | None:
        """Return the bearer token, or None."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() in {"bearer", "token"} and token else None

    def json(self) -> Any:
        """Return the parsed body, or None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass
class Reply:
    """An answer. `dropped` means that the connection is aborted instead."""

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    dropped: bool = False

    def with_header(self, name: str, value: str) -> Reply:
        """Add a header and return the answer."""
        self.headers.append((name, value))
        return self


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    """Return a JSON answer; underscores in header names become dashes."""
    named = [(name.replace("_", "-"), text) for name, text in headers.items()]
    return Reply(status, json.dumps(value).encode(), [("Content-Type", "application/json"), *named])


def text_reply(text: str, status: int = 200, kind: str = "text/plain") -> Reply:
    """Return a text answer of this media type."""
    return Reply(status, text.encode(), [("Content-Type", f"{kind}; charset=utf-8")])


@dataclass(frozen=True)
class Route:
    """A method, a path pattern with named groups, and what answers it."""

    method: str
    pattern: re.Pattern[str]
    handler: Callable[..., Reply]


def route(method: str, template: str, handler: Callable[..., Reply]) -> Route:
    """Return a route; ``{name}`` in the template stands for one path segment."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
    return Route(method, re.compile(f"^{pattern}/?$", re.IGNORECASE), handler)


def dispatch(routes: tuple[Route, ...], simulation: Simulation, call: Call) -> Reply | None:
    """Answer a call by the first route that fits, or return None."""
    for candidate in routes:
        found = candidate.pattern.match(call.path)
        if found and candidate.method == call.method:
            return candidate.handler(simulation, call, **found.groupdict())
    return None
