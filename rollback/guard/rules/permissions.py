"""Whether an unspent permission of the plan covers exactly this write.

P1  method, host, path and every query pair are the permission's
P2  the condition header is there where the permission asks for one
P3  the body is the permitted one: none; exact by the digest of its canonical form; self-addressed
    by its own digest; bounded in size, never at Resource Manager, a surface or Cosmos
P4  nothing in the headers makes another write of it (copy source, access rights, kind of blob)
P5  one send is left
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from rollback.guard.rules.json_body import NotOneReadingError, digest, parse
from rollback.guard.rules.request import PLAN_IS_PERMISSION, Denial, Normal
from rollback.guard.rules.shapes import write_without_shape
from rollback.guard.rules.verdicts import denied, permitted
from rollback.model.effect import (
    SECRET_VALUE,
    BoundedBody,
    ExactBody,
    HttpWrite,
    NoBody,
    Purpose,
    SelfAddressedBody,
)
from rollback.model.scope import HostKind

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.scope import GuardVerdict

_KEY: Final = re.compile(
    r"[A-Za-z0-9_=@+-][A-Za-z0-9._=@+-]*(?:/[A-Za-z0-9_=@+-][A-Za-z0-9._=@+-]*)*"
)
_BOUNDED_KINDS: Final = frozenset({HostKind.STORE, HostKind.CHANNEL})
_JSON_KINDS: Final = frozenset({HostKind.ARM, HostKind.PIPELINE})
_STORE_HEADERS: Final = re.compile(
    r"(?!x-amz-|x-ms-)[a-z0-9-]+"
    r"|x-amz-(?:date|content-sha256|security-token|expected-bucket-owner|user-agent|request-id"
    r"|sdk-checksum-algorithm|checksum-[a-z0-9]+"
    r"|object-lock-(?:mode|retain-until-date|legal-hold)"
    r"|server-side-encryption(?:-aws-kms-key-id|-bucket-key-enabled)?)"
    r"|x-ms-(?:date|version|client-request-id|return-client-request-id|blob-type"
    r"|blob-content-(?:type|md5)|content-crc64|immutability-policy-(?:until-date|mode)|legal-hold)"
)
"""Headers a store write may have: no copy source, no access rights, no tags, no redirect, no lease
or key of somebody else's."""

_ONE_TAG: Final = re.compile(r"[^*,\s]+")
"""One entity tag. A list replaces whichever is there, a star anything, and a blank may
be read as no condition."""
_BLOCK_BLOB: Final = "blockblob"


class Left(Protocol):
    """How many sends are left, by effect id. A dictionary is one."""

    def get(self, effect_id: str, default: int, /) -> int:
        """Those of one effect."""
        ...


def _off(rule: str, reason: str) -> Denial:
    return Denial(f"permission.{rule}", reason, PLAN_IS_PERMISSION)


def judge_write(
    request: Normal, kind: HostKind, effects: tuple[Effect, ...], left: Left
) -> GuardVerdict:
    """The verdict over a write at a host of that kind."""
    document: Any = None
    if kind in _JSON_KINDS and request.body and request.media_type == "application/json":
        try:
            document = parse(request.body)
        except NotOneReadingError:
            return denied(_off("body", "the body is not JSON with one reading"))
    conditional = "if-none-match" in request.headers or "if-match" in request.headers
    shapeless = write_without_shape(
        kind, request.method, request.path, document, conditional=conditional
    )
    if shapeless is not None:
        return denied(shapeless)
    if kind is HostKind.STORE:
        for name in request.headers:
            if not _STORE_HEADERS.fullmatch(name):  # P4
                return denied(_off("header", f"a store write may not carry {name}"))
        if request.headers.get("x-ms-blob-type", _BLOCK_BLOB).lower() != _BLOCK_BLOB:  # P4
            return denied(_off("header", "a blob is written whole, as one block blob"))
    nearest = _off("none", f"no permission of this step covers this {request.method}")
    for effect in effects:
        if not isinstance(effect, HttpWrite) or not _same_target(request, effect):
            continue
        problem = _condition(request, effect) or _body(request, kind, document, effect)
        if problem is None:
            if left.get(effect.id, 0) > 0:  # P5
                return permitted(effect.id, effect.says or f"permitted by {effect.id}")
            problem = _off("spent", f"the permission {effect.id} is spent")
        nearest = problem
    return denied(nearest)


def _same_target(request: Normal, effect: HttpWrite) -> bool:
    return (
        effect.method == request.method  # P1
        and effect.host == request.host
        and _query(request, effect)
        and _path(request, effect)
    )


def _query(request: Normal, effect: HttpWrite) -> bool:
    """Exactly the permitted pairs. At a channel a value may be a secret, then only it is open."""
    if effect.purpose is not Purpose.NOTIFY:
        return effect.query == request.query
    secret = {name for name, value in effect.query if value == SECRET_VALUE}
    return effect.query == tuple(
        (name, SECRET_VALUE if value and name in secret else value) for name, value in request.query
    )


def _path(request: Normal, effect: HttpWrite) -> bool:
    template = effect.path
    if isinstance(effect.body, SelfAddressedBody):
        head, _, tail = template.rpartition("/")
        return tail == "{sha256}" and request.path.rpartition("/")[0] == head
    if isinstance(effect.body, BoundedBody) and template.endswith("/{key}"):
        prefix = template[: -len("{key}")]
        return (
            request.path.startswith(prefix)
            and _KEY.fullmatch(request.path, len(prefix)) is not None
        )
    return template == request.path


def _condition(request: Normal, effect: HttpWrite) -> Denial | None:
    creates = request.headers.get("if-none-match") == "*" and "if-match" not in request.headers
    replaces = "if-match" in request.headers and "if-none-match" not in request.headers
    if isinstance(effect.body, SelfAddressedBody) or effect.condition == "create-only":  # P2
        return None if creates else _off("condition", "it must create only (if-none-match: *)")
    if effect.condition == "if-match":
        if replaces and _ONE_TAG.fullmatch(request.headers["if-match"]):
            return None
        return _off("condition", "it must replace exactly what was read (if-match)")
    return None


def _body(
    request: Normal,
    kind: HostKind,
    document: Any,
    effect: HttpWrite,
) -> Denial | None:
    body = effect.body
    match body:
        case NoBody():
            return _off("body", "it carries no body") if request.body else None
        case ExactBody():
            if request.media_type != "application/json" or not request.body:
                return _off("body", "the permitted body is JSON, and said to be")
            try:
                seen = document if kind in _JSON_KINDS else parse(request.body)
                same = digest(seen) == body.sha256
            except NotOneReadingError:
                same = False
            return None if same else _off("body", "the body is not the permitted one")
        case SelfAddressedBody():
            if kind is not HostKind.STORE:
                return _off("body", "self-addressed bodies go only to the store")
            if len(request.body) > body.bytes_max:
                return _off("body", "longer than permitted")
            if request.body_sha256 != request.segments[-1]:
                return _off("body", "the body is not the one its key names")
            return None
        case BoundedBody():
            return _bounded(request, kind, document, effect, body.bytes_max)


def _bounded(
    request: Normal, kind: HostKind, document: Any, effect: HttpWrite, bytes_max: int
) -> Denial | None:
    comment = kind is HostKind.PIPELINE and effect.purpose is Purpose.NOTIFY
    if comment and document is None:
        return _off("body", "a comment is JSON, and said to be")
    if (kind not in _BOUNDED_KINDS and not comment) or effect.purpose is Purpose.CHANGE:
        return _off("body", "a bounded body is only for evidence, lease, hold and notify")
    return _off("body", "longer than permitted") if len(request.body) > bytes_max else None
