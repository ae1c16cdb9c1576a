"""What the journal may hold of a request: never a header's value, a body or a query's value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rollback.model.scope import HostKind, Shape

if TYPE_CHECKING:
    from rollback.guard.rules.request import Normal, Request
    from rollback.model.scope import GuardVerdict, Perimeter

_HOST: Final = re.compile(r"^[a-zA-Z]{2,6}://(?:[^/?#@]*@)?([A-Za-z0-9.:\[\]-]{1,253})")
_PATH_MAX: Final = 512


def shape_of(
    request: Request, normal: Normal | None, verdict: GuardVerdict, perimeter: Perimeter
) -> Shape:
    """The shape of a judged request.

    The body's digest is kept only for permitted writes: a short secret could be found from the
    digest of a body that holds it.
    """
    length = len(request.body) if isinstance(request.body, bytes) else 0
    method = request.method[:16] if isinstance(request.method, str) else "?"
    if normal is None:
        url = request.url if isinstance(request.url, str) else ""
        host = _HOST.match(url)
        return Shape(
            method=method, host=host[1].lower() if host else "?", path="?", body_bytes=length
        )
    digest = None
    if verdict.effect is not None and length:
        digest = normal.body_sha256
    return Shape(
        method=method,
        host=normal.host,
        path=told_path(normal, perimeter)[:_PATH_MAX],
        query_names=tuple(name for name, _ in normal.query),
        content_type=normal.media_type,
        body_bytes=length,
        body_sha256=digest,
        request_id=normal.headers.get("x-request-id", ""),
    )


def told_path(normal: Normal, perimeter: Perimeter) -> str:
    """The path as it may be told. Promise no-secret-leaves.

    Outside the perimeter, and at channels, a path may itself be a secret (addresses of webhooks
    are): only its first segment is kept.
    """
    guarded = perimeter.find(normal.host)
    if guarded is not None and guarded.kind is not HostKind.CHANNEL:
        return normal.path
    return f"/{normal.segments[0]}/..." if len(normal.segments) > 1 else normal.path[:32]
