"""Real time and real chance. The only place of the product's core that asks the machine."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/time")


def this_boot() -> str:
    """Names the clock that `SystemClock.monotonic` reads: equal for all who read that same one.

    The machine's boot, and the time namespace, as a container's clock may be set off. Empty where
    the system does not say (not Linux): then nobody can tell.
    """
    try:
        return f"{_BOOT.read_text().strip()}/{_NAMESPACE.readlink()}"
    except OSError:
        return ""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back and, where the system can, go on while it is suspended.

        A lease must run out on a laptop that was closed; CLOCK_MONOTONIC stands still there.
        """
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()  # pragma: no cover - not Linux

    def sleep(self, seconds: float) -> None:
        """Wait; not at all for zero or less."""
        if seconds > 0:
            time.sleep(seconds)


class SystemRandomness:
    """The machine's source of chance."""

    def hex(self, n_bytes: int) -> str:
        """`n_bytes` of randomness as lower-case hex."""
        return secrets.token_hex(n_bytes)

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return random.SystemRandom().random()
