"""Acts about moves toward safety: what goes out whatever else is missing, and what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ExitStatus, RollbackError
from rollback.rehearsal.acts.common import expect, halts_sent, until_quiet
from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play


def halt_went_out(play: Play) -> int:
    """Whatever else is missing, the move toward safety was sent."""
    ended = play.plain()
    sent = [
        entry
        for entry in play.sim.control.ledger()
        if entry.write and entry.method == "PATCH" and "autoSwapSlotName" in entry.body
    ]
    if not expect(play, holds=len(sent) == 1, otherwise="the halt did not go out once"):
        return ExitStatus.DEFECT
    return ended


def rule_is_kept(play: Play) -> int:
    """The halt of a rule that protects users would be the opposite of a halt."""
    plan = play.plan()
    halted = [
        change
        for change in plan.plan.step("halt").changes
        if change.kind == "update" and change.resource == "backend/traffic"
    ]
    if not expect(play, holds=not halted, otherwise="the halt would empty the rule"):
        return ExitStatus.DEFECT
    return play.apply(plan).exit_status


def halt_turned_round(play: Play) -> int:
    """Between plan and apply a swap puts the stable release behind the rule: the rule stays."""
    plan = play.plan()
    play.sim.control.act("swap", site=names.WEB)
    until_quiet(play)
    result = play.apply(plan, only_safe=True)
    rules = [
        entry
        for entry in play.sim.control.ledger()
        if entry.write and entry.method == "PATCH" and "rampUpRules" in entry.body
    ]
    if not expect(play, holds=not rules, otherwise="the rule was emptied all the same"):
        return ExitStatus.DEFECT
    return result.exit_status


def mirror_fails(play: Play) -> int:
    """The halt goes out, nobody is moved, and it ends with 9."""
    store = play.directory / "evidence-store"
    plan = play.plan()
    store.write_bytes(b"")  # where the folder would be, a file is
    ended = play.apply(plan).exit_status
    if not expect(play, holds=halts_sent(play) == 1, otherwise="the halt did not go out once"):
        return ExitStatus.DEFECT
    return ended


def nowhere_to_record(play: Play) -> int:
    """The state directory is a file: the halt goes out, unrecorded; then 9."""
    plan = play.plan()
    (play.directory / "a-file").write_bytes(b"")
    try:
        play.apply(plan, "a-file/state")
    except RollbackError as error:
        if not expect(play, holds=halts_sent(play) == 1, otherwise="the halt did not go out once"):
            return ExitStatus.DEFECT
        return error.exit_status
    return 0
