"""What is judged: a request as it would leave, its normal form, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Pairs = tuple[tuple[str, str], ...]

NO_REWRITE = "no-control-plane-rewrite"
PLAN_IS_PERMISSION = "plan-is-permission"
FAIL_CLOSED = "fail-closed"
NO_SECRET = "no-secret-leaves"  # noqa: S105 (the name of a promise)


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt to send, seen as low as the client allows.

    body: all of it, None where there is none. streamed: the body comes piece by piece and cannot
    be judged before it leaves.
    """

    method: str
    url: str
    headers: Pairs = ()
    body: bytes | None = None
    streamed: bool = False


class Normal(NamedTuple):
    """The one form in which a request is judged.

    host: lower case, with ``:port`` where it is not the scheme's own. path: percent-decoded exactly
    once; nothing in it means anything else to another reader. segments: without the empty one of a
    trailing slash. query: decoded pairs in name order, each name once. headers: lower-case names,
    each once. media_type: lower case, without parameters. body: empty where there is none.
    body_sha256: in hex; it is asked for more than once, and a body may be long.
    """

    method: str
    scheme: str
    host: str
    path: str
    segments: tuple[str, ...]
    query: Pairs
    headers: Mapping[str, str]
    media_type: str
    body: bytes
    body_sha256: str

    @property
    def reads(self) -> bool:
        """GET or HEAD."""
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Denial:
    """A no: the rule that said it, why, and the promise it keeps."""

    rule: str
    reason: str
    promise: str = FAIL_CLOSED
