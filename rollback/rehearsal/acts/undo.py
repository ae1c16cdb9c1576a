"""Acts about taking back what a run changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.rehearsal.acts.common import expect
from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play


def undone(play: Play) -> int:
    """Apply, undo: all that the run changed is as before; undone again, nothing is left to do."""
    before = _state_of(play)
    first = play.apply(play.plan())
    if not expect(play, holds=first.exit_status == 0, otherwise="the rollback did not end well"):
        return ExitStatus.DEFECT
    between = _state_of(play)
    back = play.undo(first.run)
    ended = play.apply(back)
    after = _state_of(play)
    if not expect(
        play, holds=between != before == after, otherwise=f"before {before}, undone {after}"
    ):
        return ended.exit_status or ExitStatus.DEFECT
    again = play.undo(first.run)
    sent = len([one for one in play.sim.control.ledger() if one.write])
    last = play.apply(again)
    nothing = len([one for one in play.sim.control.ledger() if one.write]) == sent
    if not expect(
        play,
        holds=not again.plan.updates and nothing and last.exit_status == 0,
        otherwise=f"undone again, it would {[one.summary for _, one in again.plan.updates]}",
    ):
        return ExitStatus.DEFECT
    return ended.exit_status


def undo_refused(play: Play) -> int:
    """The slot that the release was left in was overwritten since: 3, and a way on is named."""
    first = play.apply(play.plan())
    if not expect(play, holds=first.exit_status == 0, otherwise="the rollback did not end well"):
        return ExitStatus.DEFECT
    play.sim.control.act("deploy", site=names.WEB, slot=names.STAGING, build=names.THIRD_BUILD)
    back = play.undo(first.run)
    moves = [one.next_move for step in back.plan.steps for one in step.refused]
    if not expect(play, holds=any(moves), otherwise="no next move was named"):
        return ExitStatus.DEFECT
    return back.exit_status.value


def _state_of(play: Play) -> dict[str, object]:
    """What the platform is set to: images, states, rules and auto-swap of every slot."""
    world = play.sim.control.world()
    return {
        f"{site.name}/{slot.name}": (
            slot.image,
            slot.state,
            slot.auto_swap or "",
            [(rule.name, rule.percent) for rule in slot.ramp_rules],
        )
        for site in world.sites.values()
        for slot in site.slots.values()
    }
