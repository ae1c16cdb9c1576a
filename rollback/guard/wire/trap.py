"""The armed leaf: what stands below the guard and swallows canaries that get through."""

from __future__ import annotations

from threading import Lock


class CanaryEscaped(Exception):
    """A canary passed the guard; the leaf below swallowed it. Nothing was sent."""


class CanaryTrap:
    """Knows which canaries are out. Safe to use from several threads."""

    def __init__(self) -> None:
        """Start with none armed."""
        self._lock = Lock()
        self._armed: frozenset[str] = frozenset()
        self._passed: frozenset[str] = frozenset()

    def arm(self, marker: str) -> None:
        """From now on a request with this id is a canary."""
        with self._lock:
            self._armed |= {marker}

    def disarm(self, marker: str) -> None:
        """The canary is back."""
        with self._lock:
            self._armed -= {marker}

    def keep(self, marker: str) -> None:
        """It passed the guard as a canary, so that nothing was spent for it: it never leaves."""
        with self._lock:
            self._passed |= {marker}

    def armed(self, request_id: str) -> bool:
        """True where the id is a canary's."""
        return request_id in self._armed

    def swallow(self, request_id: str) -> None:
        """Called by every leaf before it sends. Raises CanaryEscaped for a canary."""
        if request_id in self._armed or request_id in self._passed:
            raise CanaryEscaped(request_id)
