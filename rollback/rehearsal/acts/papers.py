"""Acts about what people sign and say: edited plans, approvals, a person's word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollback.errors import ExitStatus
from rollback.planning.canonical import canonical
from rollback.rehearsal.acts.common import expect, halts_sent
from rollback.wiring import PlanDocument

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play


def person_says_not_applied(play: Play) -> int:
    """First 6, nothing resent; then a person looked, says so, and the run goes on."""
    plan = play.plan()
    play.scenario.before_apply(play.sim)
    first = play.apply(plan)
    if not expect(
        play,
        holds=first.exit_status == ExitStatus.PERSON,
        otherwise=f"the first sitting ended with {first.exit_status}, not 6",
    ):
        return first.exit_status
    second = play.operator().resume(
        first.run, said={"revert/web#swap": "not-applied"}, progress=play.progress
    )
    play.results.append(second)
    return second.exit_status


def edited(play: Play) -> int:
    """One field of a signed plan is changed."""
    plan = play.plan()
    approvals = play.approvals(plan)
    content: dict[str, Any] = json.loads(plan.canonical)
    content["owner"] = "somebody else"
    other = PlanDocument.read(canonical(content))
    result = play.operator().apply(other, approvals=approvals)
    play.results.append(result)
    return result.exit_status


def other_environment(play: Play) -> int:
    """A plan says where it belongs."""
    plan = play.plan()
    content: dict[str, Any] = json.loads(plan.canonical)
    content["environment"] = "somewhere-else"
    result = play.operator().apply(PlanDocument.read(canonical(content)))
    return result.exit_status


def expired_approval(play: Play) -> int:
    """Approvals that do not outlast the plan's longest duration count for nothing."""
    plan = play.plan()
    return play.apply(plan, approvals=play.approvals(plan, lasts_s=1)).exit_status


def unreadable_approval(play: Play) -> int:
    """A mistyped file name costs a halt nothing; `resume` goes on once the right file is named."""
    plan = play.plan()
    first = play.apply(plan, approvals=[str(play.directory / "no-such-approval.json")])
    if not expect(
        play,
        holds=first.exit_status == ExitStatus.APPROVAL and halts_sent(play) == 1,
        otherwise=f"ended with {first.exit_status}, {halts_sent(play)} halts sent",
    ):
        return ExitStatus.DEFECT
    second = play.operator().resume(
        first.run, approvals=play.approvals(plan), progress=play.progress
    )
    play.results.append(second)
    return second.exit_status


def edited_with_halt(play: Play) -> int:
    """What was signed is another plan: nothing of this one moves users, and its halt goes out."""
    ended = edited(play)
    if not expect(play, holds=halts_sent(play) == 1, otherwise="the halt did not go out once"):
        return ExitStatus.DEFECT
    return ended


def swap_called_a_halt(play: Play) -> int:
    """A label opens nothing: a swap that says it moves toward safety is refused, unsigned."""
    plan = play.plan()
    content: dict[str, Any] = json.loads(plan.canonical)
    for step in content["steps"]:
        for change in step["changes"]:
            if change.get("moves_users"):
                change["direction"], change["moves_users"] = "toward-safety", False
                for effect in change["effects"]:
                    effect["direction"] = "toward-safety"
    forged = PlanDocument.read(canonical(content))
    return play.operator().apply(forged).exit_status


def replayed(play: Play) -> int:
    """A plan applies once."""
    plan = play.plan()
    first = play.apply(plan)
    if not expect(play, holds=first.exit_status == 0, otherwise="the first apply failed"):
        return first.exit_status
    return play.apply(plan).exit_status
