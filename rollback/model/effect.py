"""Effects: the writes a plan permits. There is no variant that could reach Cosmos.

Promise no-control-plane-rewrite, first fence: an effect that names a Cosmos host or anything under
``Microsoft.DocumentDB`` cannot be constructed, whatever its digest or signature says.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import Field, model_validator

from rollback.model.base import Frozen, Sha256
from rollback.model.direction import Direction, Undo

COSMOS_HOST = re.compile(
    r"(^|\.)(documents|cosmos|cosmosdb)\.(azure|fabric|sovcloud-api)\.[a-z.]+$"
    r"|(^|\.)(cosmos|documents)\.microsoftazure\.de$",
    re.IGNORECASE,
)
"""Public DNS suffixes of Cosmos DB accounts, in every cloud, and what looks like one."""

_DOCUMENT_DB = re.compile(r"microsoft\.documentdb", re.IGNORECASE)
_CONTROL_API = re.compile(r"^/api/(control|dynamic-config)(/|$)", re.IGNORECASE)
_HOST = re.compile(r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?$")
_PATH = re.compile(r"^/[A-Za-z0-9/._~!$&'()*+,;=:@{}-]*$")


SECRET_VALUE = "{secret}"  # noqa: S105 - the place of a secret, not one
"""In the query of a message to a channel: a value that its secret address holds."""


RETURNS_MAX = 1
"""How often a permission may be given back: looked for, not applied, sent once more. Beyond that a
person decides: a write away from safety that was twice not taken is not sent in the hope of it."""

RETURNS_TOWARD_MAX = 5
"""The same of a move toward safety, which must stay possible in every state: a platform that drops
six halts in a row, half a minute of quiet between any two, is down, and not busy. Sending a halt
again harms nobody, so it is held to this number only because every permission has an end."""


def returns_max(direction: Direction) -> int:
    """How often a permission of this direction may be given back by a record that looked."""
    return RETURNS_TOWARD_MAX if direction is Direction.TOWARD else RETURNS_MAX


class Purpose(StrEnum):
    """What an effect is for. Bounded bodies exist only for the last four."""

    CHANGE = "change"
    EVIDENCE = "evidence"
    LEASE = "lease"
    HOLD = "hold"
    NOTIFY = "notify"


class NoBody(Frozen):
    """The request carries no body."""

    kind: Literal["none"] = "none"


class ExactBody(Frozen):
    """One body and no other: SHA-256 of the RFC 8785 form of the parsed JSON.

    content: that form as text, so that a reviewer can read what will be written; None where it
    would show a secret, and then only the digest binds.
    """

    kind: Literal["exact"] = "exact"
    sha256: Sha256
    content: str | None = None

    @model_validator(mode="after")
    def _agrees(self) -> ExactBody:
        if self.content is not None:
            seen = hashlib.sha256(self.content.encode()).hexdigest()
            if seen != self.sha256:
                msg = "the body shown is not the body whose digest is given"
                raise ValueError(msg)
        return self


class SelfAddressedBody(Frozen):
    """Create-only; the last segment of the path is the SHA-256 of the body (``{sha256}``)."""

    kind: Literal["self-addressed"] = "self-addressed"
    bytes_max: Annotated[int, Field(gt=0, lt=2**40)]


class BoundedBody(Frozen):
    """Any body up to a size, under a prefix (``{key}``). Only evidence, lease, hold, notify."""

    kind: Literal["bounded"] = "bounded"
    bytes_max: Annotated[int, Field(gt=0, lt=2**40)]


Body = Annotated[NoBody | ExactBody | SelfAddressedBody | BoundedBody, Field(discriminator="kind")]


class HttpWrite(Frozen):
    """One permitted request, at most `times_max` times.

    host: exact, lower case, with ``:port`` where it is not 443. path: exact, except a last
    segment ``{sha256}`` (self-addressed) or ``{key}`` (bounded: any remainder of safe segments).
    query: exact pairs, in name order. returns_max: how often a permission may be given back by a
    record that looked and found the write not applied; beyond RETURNS_MAX only toward safety.
    condition: header the request must carry (``if-none-match: *`` creates only; ``if-match``
    replaces only what was read).
    """

    kind: Literal["http"] = "http"
    id: str
    method: Literal["PUT", "POST", "PATCH", "DELETE"]
    host: Annotated[str, Field(max_length=260)]
    path: Annotated[str, Field(max_length=2048)]
    query: tuple[tuple[str, str], ...] = ()
    body: Body
    condition: Literal["none", "create-only", "if-match"] = "none"
    times_max: Annotated[int, Field(ge=1, lt=2**20)] = 1
    returns_max: Annotated[int, Field(ge=0, le=RETURNS_TOWARD_MAX)] = 0
    direction: Direction
    purpose: Purpose = Purpose.CHANGE
    undo: Undo
    says: str = ""

    @model_validator(mode="after")
    def _cannot_reach_control_plane(self) -> HttpWrite:
        bare = self.host.split(":")[0]
        if not _HOST.match(self.host) or ".." in self.host:
            msg = f"not a host in normal form: {self.host!r}"
            raise ValueError(msg)
        if COSMOS_HOST.search(bare):
            msg = "no-control-plane-rewrite: no effect can name a Cosmos host"
            raise ValueError(msg)
        crooked = any(part in self.path for part in ("//", "/./", "/../"))
        if crooked or not _PATH.match(self.path):
            msg = f"not a path in normal form: {self.path!r}"
            raise ValueError(msg)
        if _DOCUMENT_DB.search(unquote(unquote(self.path))):
            msg = "no-control-plane-rewrite: no effect can name Microsoft.DocumentDB"
            raise ValueError(msg)
        if _CONTROL_API.search(unquote(unquote(self.path))):
            msg = "no-control-plane-rewrite: no effect can name the backend's control API"
            raise ValueError(msg)
        if self.returns_max > returns_max(self.direction):
            msg = f"only a move toward safety may be given back {self.returns_max} times"
            raise ValueError(msg)
        if tuple(sorted(self.query)) != self.query:
            msg = "query pairs are held in name order"
            raise ValueError(msg)
        if isinstance(self.body, BoundedBody) and self.purpose is Purpose.CHANGE:
            msg = "a bounded body is only for evidence, lease, hold and notify"
            raise ValueError(msg)
        return self


class FileWrite(Frozen):
    """Files created under one local directory: evidence and hold only.

    path: absolute directory; nothing outside it. times_max: files; bytes_max: all of them together.
    """

    kind: Literal["file"] = "file"
    id: str
    path: str
    bytes_max: Annotated[int, Field(gt=0, lt=2**40)]
    times_max: Annotated[int, Field(ge=1, lt=2**20)]
    direction: Direction = Direction.NEITHER
    purpose: Literal[Purpose.EVIDENCE, Purpose.HOLD] = Purpose.EVIDENCE
    undo: Undo = Undo(possible=True, by="evidence is kept; nothing needs undoing")
    says: str = ""

    @property
    def returns_max(self) -> int:
        """How often it may be made again once it was looked for and is not there.

        A hold is created only, so making it again is the same as once. Evidence is made anew.
        """
        return 3 if self.purpose is Purpose.HOLD else 0


Effect = Annotated[HttpWrite | FileWrite, Field(discriminator="kind")]
