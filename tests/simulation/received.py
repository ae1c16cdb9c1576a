"""Requests in the form in which the world receives them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollback.rehearsal.simulator.exchange import Call

if TYPE_CHECKING:
    from collections.abc import Mapping


def call_of(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Call:
    """A request as the world receives it."""
    parts = urlsplit(url)
    return Call(
        method=method,
        host=(parts.hostname or "").lower(),
        path=parts.path or "/",
        raw_query=parts.query,
        headers={name.lower(): value for name, value in headers.items()},
        cookies=_cookies(headers),
        body=body,
    )


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    said = next((value for name, value in headers.items() if name.lower() == "cookie"), "")
    pairs = (one.strip().partition("=") for one in said.split(";") if one.strip())
    return {name: value for name, _, value in pairs}
