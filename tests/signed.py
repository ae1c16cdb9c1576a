"""A plan signed by everybody on a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.approval.sign import approve
from rollback.running.clock import SystemClock

if TYPE_CHECKING:
    from rollback.rehearsal.stage import Stage
    from rollback.wiring import PlanDocument


def approvals(stage: Stage, document: PlanDocument, number: int = 0) -> list[bytes]:
    """One approval a person, good for less than an hour. number: another one, of other bytes."""
    name, now = stage.environment.environment, SystemClock().now()
    return [
        approve(
            document.digest, name, key=key, now=now, lasts_s=3000, nonce=f"{number:031x}{index:x}"
        ).to_bytes()
        for index, (_, key) in enumerate(stage.keys)
    ]
