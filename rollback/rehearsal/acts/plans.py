"""Acts about what a plan says first, and whether it came true."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.model.record import RecordKind
from rollback.rehearsal.acts.common import expect
from rollback.rehearsal.simulator import names
from rollback.running.journal import check_file

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play

PINNED_S = 3600
"""How long a routing cookie holds a user."""


def refused_naming_the_artifact(play: Play) -> int:
    """3 at planning, and the next possible move is the artifact by digest."""
    plan = play.plan()
    moves = [one.next_move for step in plan.plan.steps for one in step.refused]
    named = any("way=artifact" in move for move in moves)
    if not expect(play, holds=named, otherwise="the artifact way was not named"):
        return ExitStatus.DEFECT
    return plan.exit_status.value


def proved_while_applying(play: Play) -> int:
    """The plan says first that the proof is made while it is applied, and ties the swap to it."""
    plan = play.plan()
    told = [one for one in plan.plan.findings if one.code == "authority.while-applying"]
    tied = [change for _, change in plan.plan.updates if change.authority_on == names.STAGING]
    if not expect(
        play,
        holds=len(told) == len(tied) == 1 and told[0].weight == "weak",
        otherwise="the plan does not say that the proof is made while it is applied",
    ):
        return ExitStatus.DEFECT
    return play.apply(plan).exit_status


def orders_are_listed(play: Play) -> int:
    """Open orders stand in the plan, and again in what was verified after the swap."""
    plan = play.plan()
    before = [one.text for one in plan.plan.findings if one.code == "orders.open"]
    result = play.apply(plan)
    after = [
        record.text("checks")
        for record in check_file(Path(result.journal_path)).records
        if record.kind is RecordKind.VERIFIED and record.text("step") == "revert/backend"
    ]
    for said in (before, after):
        listed = "open orders" in str(said) and "2 (o-1001, o-1002)" in str(said)
        if not expect(play, holds=listed, otherwise=f"open orders are not listed: {said}"):
            return ExitStatus.DEFECT
    return result.exit_status


def exposure_is_reported(play: Play) -> int:
    """0, and who stays exposed is in the plan, with how long."""
    plan = play.plan()
    pinned = any("cookie" in one.who and one.until_s == PINNED_S for one in plan.plan.exposures)
    ended = play.apply(plan).exit_status
    if not expect(play, holds=pinned, otherwise="pinned users are not reported"):
        return ExitStatus.DEFECT
    return ended


def secret_planted(play: Play) -> int:
    """A canary secret in the world is in no output of ours."""
    canary = "planted-canary-4f1d9c77e2"
    play.stage.variables["PLANTED_CANARY"] = canary
    play.sim.control.fault("plant_secret", secret=canary)
    return play.plain()
