"""What a capture was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.steps import SnapshotAuditLogs as SnapshotSpec

if TYPE_CHECKING:
    from rollback.model.ports import StepContext

RUN = "run"
"""The window of the run itself."""


def spec_of(step: StepContext) -> SnapshotSpec:
    """What the capture was told."""
    return step.spec if isinstance(step.spec, SnapshotSpec) else SnapshotSpec()


def wants(step: StepContext, kind: str) -> bool:
    """Whether ``volatile`` or ``durable`` sources are captured."""
    return spec_of(step).sources in ("all", kind)
