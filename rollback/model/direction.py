"""Which way an effect moves, and how it can be taken back."""

from enum import StrEnum

from rollback.model.base import Frozen


class Direction(StrEnum):
    """Computed from the observed world, never declared in a playbook.

    TOWARD safety (stop a rollout, hold a release) waits for nothing but the guard.
    AWAY from safety (put users on a release) needs proof and approval.
    NEITHER: capture, notify, attest.
    """

    TOWARD = "toward-safety"
    AWAY = "away-from-safety"
    NEITHER = "neither"


class Undo(Frozen):
    """Whether an effect can be taken back, and by what, in words."""

    possible: bool
    by: str
