"""The armed leaf: what stands below the guard and swallows canaries that get through."""

from __future__ import annotations


class CanaryEscaped(Exception):
    """A canary passed the guard; the leaf below swallowed it. Nothing was sent."""


class CanaryTrap:
    """Knows which canaries are out. Safe to use from several threads: each call is one act."""

    def __init__(self) -> None:
        """Start with none armed."""
        self._armed: set[str] = set()
        self._passed: set[str] = set()

    def arm(self, marker: str) -> None:
        """From now on a request with this id is a canary."""
        self._armed.add(marker)

    def disarm(self, marker: str) -> None:
        """The canary is back."""
        self._armed.discard(marker)

    def keep(self, marker: str) -> None:
        """It passed the guard as a canary, so that nothing was spent for it: it never leaves."""
        self._passed.add(marker)

    def armed(self, request_id: str) -> bool:
        """True where the id is a canary's."""
        return request_id in self._armed

    def swallow(self, request_id: str) -> None:
        """Called by every leaf before it sends. Raises CanaryEscaped for a canary."""
        if request_id in self._armed or request_id in self._passed:
            raise CanaryEscaped(request_id)
