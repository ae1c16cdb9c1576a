"""What a plan and its run must know of a kind of step, declared beside its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rollback.errors import ExitStatus


@dataclass(frozen=True, slots=True)
class Traits:
    """How a step of one kind differs from a plain one.

    captures: it keeps evidence, and begins however what it comes after ended. tells: it posts a
    message, whose loss fails nothing. asks: a person answers. proves_authority: it reads whether
    trading can be halted. reverts: it makes another release the deployed one. hold: what becomes of
    the hold of a release. of_rollbacks: a plan with it is taken for a rollback. fails_with: the
    exit status when what it is for does not hold.
    """

    captures: bool = False
    tells: bool = False
    asks: bool = False
    proves_authority: bool = False
    reverts: bool = False
    hold: Literal["", "set", "released"] = ""
    of_rollbacks: bool = False
    fails_with: ExitStatus = ExitStatus.PERSON

    @property
    def stays(self) -> bool:
        """Whether nobody takes back what it did: evidence stays, words stay said."""
        return self.captures or self.tells or self.asks or self.proves_authority
