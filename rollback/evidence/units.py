"""Request units that a capture may use of the Cosmos account; the live system needs the rest.

What a page costs is known once it has come, so the rate is kept by waiting after it: over any time
the capture uses at most the rate, give or take the page that each partition has under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients

BURST_S: Final = 1.0
"""So much of the rate may be used at once; a pause that was not needed is not saved up further."""


@dataclass(slots=True)
class Units:
    """Counted in hundredths, from several threads."""

    per_s: int
    units_max: int
    spent: int = 0
    _ahead_s: float = 0.0
    _at: datetime | None = None
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, environment: Environment, spent: int = 0) -> Units:
        """What the environment allows one capture. spent: by it before an interruption."""
        return cls(environment.evidence.units_per_s, environment.evidence.units_max, spent)

    def spend(self, hundredths: int, clients: Clients) -> str:
        """Count a page and wait for its share of the rate. Empty, or why no more may be read."""
        now = clients.now()
        with self._lock:
            self.spent += hundredths
            if self.spent >= self.units_max * 100:
                return f"the budget of {self.units_max} request units is spent"
            passed = (now - self._at).total_seconds() if self._at is not None else 0.0
            self._at = now
            self._ahead_s = max(0.0, self._ahead_s - max(0.0, passed))
            self._ahead_s += hundredths / 100 / self.per_s
            wait = self._ahead_s - BURST_S
        if wait > 0:
            clients.pause(wait)
        return ""
