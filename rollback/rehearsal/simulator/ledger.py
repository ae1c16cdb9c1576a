"""The ledger: every request the simulator received, classified from the outside.

A request is a ``write`` unless it is known to read: this is the simulator's own reading of the
wire, independent of any rule of the product.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.exchange import Call

Kind = Literal["read", "write", "credential"]

BODY_KEPT_BYTES = 8192
_READING_POSTS = re.compile(
    r"/(config/appsettings/list|config/connectionstrings/list|slotsdiffs|containerlogs)/?$",
    re.IGNORECASE,
)
_TOKEN_POSTS = {
    (names.LOGIN_HOST, "/oauth2/v2.0/token"),
    (names.PLATFORM_HOST, "/auth/token"),
}


class Entry(BaseModel):
    """One request and the status it was answered with (0: the connection was dropped)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seq: int
    at: datetime
    host: str
    method: str
    path: str
    query: str
    principal: str
    user_agent: str
    request_id: str | None
    content_type: str
    body_sha256: str | None
    """Digest of the RFC 8785 form of a JSON body; None where the body is empty or not JSON."""
    raw_sha256: str
    body: str
    """The body of a write, cut at 8 KiB."""
    status: int
    kind: Kind
    fault: str | None = None

    @property
    def write(self) -> bool:
        """Return whether the request could have changed something."""
        return self.kind == "write"


def classify(call: Call) -> Kind:
    """Return whether a request reads, writes or exchanges a credential."""
    if call.method in {"GET", "HEAD", "OPTIONS"}:
        return "read"
    if call.method == "POST":
        if any(call.host == host and call.path.endswith(end) for host, end in _TOKEN_POSTS):
            return "credential"
        if call.host == names.ARM_HOST and _READING_POSTS.search(call.path):
            return "read"
        if call.host == names.COSMOS_HOST and _is_query(call):
            return "read"
    return "write"


def _is_query(call: Call) -> bool:
    headers = call.headers
    if any(
        headers.get(name, "").lower() == "true"
        for name in ("x-ms-documentdb-is-upsert", "x-ms-cosmos-is-batch-request")
    ):
        return False
    if headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true":
        return True
    return headers.get("x-ms-documentdb-isquery", "").lower() == "true" and headers.get(
        "content-type", ""
    ).startswith("application/query+json")


def entry_of(call: Call, seq: int, at: datetime, status: int, fault: str | None) -> Entry:
    """Return the ledger entry of an answered request."""
    kind = classify(call)
    return Entry(
        seq=seq,
        at=at,
        host=call.host,
        method=call.method,
        path=call.path,
        query=call.raw_query,
        principal=call.principal,
        user_agent=call.headers.get("user-agent", ""),
        request_id=call.headers.get("x-request-id"),
        content_type=call.headers.get("content-type", ""),
        body_sha256=_canonical_digest(call.body),
        raw_sha256=hashlib.sha256(call.body).hexdigest(),
        body=call.body[:BODY_KEPT_BYTES].decode("utf-8", "replace") if kind == "write" else "",
        status=status,
        kind=kind,
        fault=fault,
    )


def _canonical_digest(body: bytes) -> str | None:
    import rfc8785

    if not body:
        return None
    try:
        return hashlib.sha256(rfc8785.dumps(json.loads(body))).hexdigest()
    except ValueError:
        return None
