"""A capture on its own: a playbook of one step, planned and applied like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.playbook import Playbook, Step
from rollback.model.steps import SnapshotAuditLogs

if TYPE_CHECKING:
    from typing import Literal

CAPTURE: str = "capture"


def capture_playbook(
    window_s: int, sources: Literal["all", "volatile", "durable"] = "all"
) -> Playbook:
    """The playbook. window_s: how far back, from planning, durable sources are read."""
    spec = SnapshotAuditLogs(window=window_s, sources=sources)
    return Playbook(
        playbook="evidence-capture",
        summary="Capture evidence, and change nothing else.",
        steps=(Step(name=CAPTURE, spec=spec),),
    )
