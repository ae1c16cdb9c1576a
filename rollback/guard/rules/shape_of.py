"""What the journal may hold of a request: never a header's value, a body or a query's value."""

from __future__ import annotations

import hashlib
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

    Outside the perimeter, and at channels where no permission matched, a path may hold a secret
    (webhook addresses do): only its first segment is kept. The body's digest is kept only for
    permitted writes: a short secret could be found from the digest of a body that holds it.
    """
    length = len(request.body) if isinstance(request.body, bytes) else 0
    method = request.method[:16] if isinstance(request.method, str) else "?"
    if normal is None:
        url = request.url if isinstance(request.url, str) else ""
        host = _HOST.match(url)
        return Shape(
            method=method, host=host[1].lower() if host else "?", path="?", body_bytes=length
        )
    guarded = perimeter.find(normal.host)
    path = normal.path
    if verdict.effect is None and (guarded is None or guarded.kind is HostKind.CHANNEL):
        path = f"/{normal.segments[0]}/..." if len(normal.segments) > 1 else normal.path[:32]
    digest = None
    if verdict.effect is not None and length:
        digest = hashlib.sha256(normal.body).hexdigest()
    return Shape(
        method=method,
        host=normal.host,
        path=path[:_PATH_MAX],
        query_names=tuple(name for name, _ in normal.query),
        content_type=normal.media_type,
        body_bytes=length,
        body_sha256=digest,
        request_id=normal.headers.get("x-request-id", ""),
    )
