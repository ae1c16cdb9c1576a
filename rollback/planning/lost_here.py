"""Halt authority lost where users are, and proved by a release that waits on a slot. Pure.

Then the surface that carries it is reverted first: the revert is the recovery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.authority import Verdict
from rollback.model.change import Finding
from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from rollback.model.authority import AuthorityJudgement
    from rollback.model.environment import Environment


def authority_lost_here(judgements: tuple[AuthorityJudgement, ...]) -> bool:
    """Production does not prove authority, but a slot does."""
    production = [one for one in judgements if one.slot == PRODUCTION]
    slots = [one for one in judgements if one.slot != PRODUCTION]
    return any(one.verdict is not Verdict.RETAINED for one in production) and any(
        one.verdict is Verdict.RETAINED for one in slots
    )


def lost_finding(judgements: tuple[AuthorityJudgement, ...], environment: Environment) -> Finding:
    """What a reviewer must know of it."""
    production = next(one for one in judgements if one.slot == PRODUCTION)
    return Finding(
        weight="unknown",
        code="authority.before",
        text=f"halt authority is {production.verdict.value} on what users are on now "
        f"({'; '.join(production.reasons)}); the release on the slot proves it, so reverting is "
        "the recovery: a named person must attest a halt outside the platform",
        surface=environment.halt_authority.surface,
    )
