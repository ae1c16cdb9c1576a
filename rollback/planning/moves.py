"""A move of users, judged by halt authority: allowed, allowed once the run proves it, or refused.

Promise halt-authority-retained. Users go only where authority is proved. A release that does not
run yet cannot prove anything; where an earlier change of the same plan makes it run in a slot, the
plan may hold the move all the same, tied to a proof that the run makes: until every instance of
that slot proves authority, and serves exactly the planned build, the move is not sent. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.authority import Verdict
from rollback.model.change import Finding, RefusedChange
from rollback.model.slots import PRODUCTION
from rollback.planning.authority import from_observation

if TYPE_CHECKING:
    from rollback.model.authority import AuthorityJudgement
    from rollback.model.change import Update
    from rollback.model.environment import Environment
    from rollback.model.observation import World

AUTHORITY = "halt-authority-retained"


def judge_move(
    change: Update, world: World, environment: Environment, earlier: tuple[Update, ...]
) -> tuple[Update | RefusedChange, Finding | None]:
    """The change as it may stand in the plan, and what a reviewer has to see of that.

    world: as folded up to this change. earlier: what surely comes before it.
    """
    if down := world.get("platform/health", "problem", ""):
        refused = _refused(
            change,
            "authority.sign-in-unreachable",
            f"platform-service does not answer ({down}): nobody could sign in to halt trading on "
            "what users are moved to",
            "halt trading at the venue or broker; plan again when people can sign in",
        )
        return refused, None
    surface = environment.halt_authority.surface
    judged = tuple(
        found
        for seen in world.under(f"authority/{surface}/")
        if (found := from_observation(seen)) is not None
    )
    if change.surface != surface:
        if _proved(judged, PRODUCTION):
            return change, None
        what = "halt authority is not proved on the backend that users will be using"
        return _not_proved(change, what, judged), None
    if left := [one for one in change.also_to if not _holds(judged, one)]:
        return _leads_back(change, left), None
    if _holds(judged, change.to_build):
        return change, None
    slot = _slot_that_starts(change, earlier)
    denied = any(one.slot == slot and one.builds == (change.to_build,) for one in judged)
    if slot and not denied and _proved(judged, PRODUCTION):
        return change.model_copy(update={"authority_on": slot}), _while_applying(change, slot)
    what = f"release {change.to_build} has not proved halt authority on a slot of its own"
    return _not_proved(change, what, judged, slot), None


def _holds(judged: tuple[AuthorityJudgement, ...], build: str | None) -> bool:
    return any(one.verdict is Verdict.RETAINED and one.builds == (build,) for one in judged)


def _leads_back(change: Update, left: list[str]) -> RefusedChange:
    return _refused(
        change,
        "authority.rule-leads-back",
        f"a ramp-up rule sends users to the slot that is swapped: afterwards they would be on "
        f"{', '.join(left)}, which has not proved halt authority",
        "halt trading at the venue or broker; then plan a way that leaves the slot as it is "
        "(`--set way=image`, where the environment allows it), or have a person empty the rules "
        "and plan again",
    )


def _proved(judged: tuple[AuthorityJudgement, ...], slot: str) -> bool:
    return any(one.slot == slot and one.verdict is Verdict.RETAINED for one in judged)


def _slot_that_starts(change: Update, earlier: tuple[Update, ...]) -> str:
    """The slot in which an earlier change makes exactly this release run; empty where none does."""
    named = next((str(one.value) for one in change.after if one.name == "slot"), "")
    starts = any(
        one.starts_build == change.to_build
        and not one.moves_users
        and one.resource == f"{change.surface}/slot/{named}"
        for one in earlier
    )
    return named if starts and named != PRODUCTION else ""


def _while_applying(change: Update, slot: str) -> Finding:
    return Finding(
        weight="weak",
        code="authority.while-applying",
        text=f"{change.to_build} does not run on slot {slot} yet, so its halt authority is proved "
        "only after this plan has started it there: users are moved if every instance of the slot "
        f"serves {change.to_build} and proves it; otherwise nobody is, and the run ends with 7",
        surface=change.surface,
    )


def _not_proved(
    change: Update, what: str, judged: tuple[AuthorityJudgement, ...], slot: str = ""
) -> RefusedChange:
    reasons = [f"{one.slot}: {reason}" for one in judged for reason in one.reasons]
    start = (
        f"start slot {slot} by hand and plan again, so that it can prove authority; "
        if slot
        else ""
    )
    return _refused(
        change,
        "authority.not-proved",
        "; ".join([what, *reasons]),
        f"halt trading at the venue or broker, then {start or 'find out why the proof fails; '}"
        "the halts and captures of this plan can be applied with --only-safe",
    )


def _refused(change: Update, code: str, reason: str, move: str) -> RefusedChange:
    return RefusedChange(
        id=change.id,
        resource=change.resource,
        code=code,
        reason=reason,
        next_move=move,
        promise=AUTHORITY,
    )
