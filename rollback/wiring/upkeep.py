"""Effects the run itself needs: the evidence bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.effect import FileWrite

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment

BUNDLE = "upkeep#bundle"


def upkeep_effects(environment: Environment, evidence_path: str) -> tuple[Effect, ...]:
    """What sealing the run's bundle may write."""
    return (
        FileWrite(
            id=BUNDLE,
            path=evidence_path,
            bytes_max=environment.evidence.bytes_max,
            times_max=environment.evidence.chunks_max,
            says="seal the evidence bundle of the run",
        ),
    )
