"""Faults by name, and the moments at which faults and verbs fire.

A request fault changes the answer of matching requests (a status, a dropped connection, a delay),
with or without the request taking effect. A state fault changes the world or how it behaves.
Either can be armed to fire later, when a request arrives or has been answered, or when a swap
reaches a phase; that is how "in the middle of a run" happens without any timing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.exchange import Reply, json_reply

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.exchange import Call

Phase = Literal["swap-started", "warmed-up", "half-way", "swapped", "swap-failed"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Match(_Part):
    """Which requests: exact method and host, a regular expression searched in the path."""

    method: str | None = None
    host: str | None = None
    path: str | None = None

    def fits(self, call: Call) -> bool:
        """Return whether a request is meant."""
        return (
            (self.method is None or self.method == call.method)
            and (self.host is None or self.host == call.host)
            and (self.path is None or re.search(self.path, call.path) is not None)
        )


class When(Match):
    """The moment at which something armed fires, once."""

    moment: Literal["arrives", "answered", "phase"] = "arrives"
    nth: int = 1
    phase: Phase | None = None
    site: str | None = None
    """For a phase: only this site's swap."""


class Armed(_Part):
    """A fault or a verb that waits for its moment."""

    when: When
    kind: Literal["fault", "act"]
    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    seen: int = 0


class RequestFault(_Part):
    """What happens to matching requests from the `nth` on, `count` times (0: always)."""

    name: str
    match: Match
    kind: Literal["status", "drop", "latency"]
    effect: bool = False
    """Whether the request takes effect although its answer is spoilt."""
    status: int = 500
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    seconds: float = 0.0
    nth: int = 1
    count: int = 1
    seen: int = 0
    fired: int = 0

    def strikes(self, call: Call) -> bool:
        """Count a request and return whether the fault applies to it."""
        if not self.match.fits(call):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.count and self.fired >= self.count):
            return False
        self.fired += 1
        return True

    def spoil(self) -> Reply:
        """Return the answer that the fault gives instead."""
        if self.kind == "drop":
            return Reply(status=0, dropped=True)
        body = self.body
        if body is None:
            text = "The service is unavailable or failed; the request may have taken effect."
            body = {"error": {"code": "InternalServerError", "message": text}}
        reply = json_reply(body, self.status)
        reply.headers.extend(self.headers.items())
        return reply


_SWAP = Match(method="POST", host=names.ARM_HOST, path=r"/slotsswap/?$")


def _swap_match(params: dict[str, Any]) -> Match:
    site = params.pop("site", None)
    if site is None:
        return _SWAP
    return Match(method="POST", host=names.ARM_HOST, path=rf"/sites/{site}/.*slotsswap/?$")


def _match(params: dict[str, Any]) -> Match:
    return Match(**{k: params.pop(k) for k in ("method", "host", "path") if k in params})


def request_fault(
    name: str, given: dict[str, Any]
) -> RequestFault | None:
    """Return the request fault of this name, or None where the name is a state fault's.

    Raises pydantic's ValidationError where a parameter is not one of the fault's.
    """
    params = dict(given)
    swap = re.fullmatch(
        r"swap_(500|response_dropped)_(after_effect|without_effect)|swap_(\d{3})", name
    )
    if swap:
        kind: Literal["status", "drop"] = "drop" if swap[1] == "response_dropped" else "status"
        match = _swap_match(params)
        return RequestFault(
            name=name,
            match=match,
            kind=kind,
            effect=swap[2] == "after_effect",
            status=int(swap[3] or 500),
            **params,
        )
    match name:
        case "status" | "drop" | "latency":
            return RequestFault(name=name, kind=name, match=_match(params), **params)
        case "cosmos_429":
            wait = str(params.pop("retry_after_ms", 100))
            headers = {"x-ms-retry-after-ms": wait, "x-ms-substatus": "3200"}
            body = {"code": "429", "message": "Request rate is large. ActivityId: rehearsal"}
            match_docs = Match(host=names.COSMOS_HOST, path=r"/docs/?$|/docs/[^/]+/?$")
            return RequestFault(
                name=name,
                kind="status",
                status=429,
                headers=headers,
                body=body,
                match=match_docs,
                **params,
            )
        case "cosmos_unreachable":
            return _unreachable(name, names.COSMOS_HOST, params)
        case "platform_down":
            return _unreachable(name, names.PLATFORM_HOST, params)
        case "webhook_down":
            return _unreachable(name, names.WEBHOOK_HOST, params)
        case "github_down":
            return _unreachable(name, names.GITHUB_HOST, params)
        case _:
            return None


def _unreachable(name: str, host: str, params: dict[str, Any]) -> RequestFault:
    count = params.pop("count", 0)
    return RequestFault(name=name, kind="drop", match=Match(host=host), count=count, **params)
