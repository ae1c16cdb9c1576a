"""Scenarios in more than one act: a person's word, a second laptop, a killed process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollback.errors import ExitStatus, RollbackError
from rollback.evidence.bundle import DRIFT
from rollback.model.record import RecordKind
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names
from rollback.running.journal import check_file
from rollback.wiring import PlanDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.scenario import Play


JOURNAL_BYTES = 6000
"""Where a file ends on the full disk: a few records into a journal."""

PINNED_S = 3600
"""How long a routing cookie holds a user."""


def _expect(play: Play, *, holds: bool, otherwise: str) -> bool:
    if not holds:
        play.said.append(otherwise)
    return holds


def person_says_not_applied(play: Play) -> int:
    """First 6, nothing resent; then a person looked, says so, and the run goes on."""
    plan = play.plan()
    play.scenario.before_apply(play.sim)
    first = play.apply(plan)
    if not _expect(
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


def refused_naming_the_artifact(play: Play) -> int:
    """3 at planning, and the next possible move is the artifact by digest."""
    plan = play.plan()
    moves = [one.next_move for step in plan.plan.steps for one in step.refused]
    named = any("way=artifact" in move for move in moves)
    if not _expect(play, holds=named, otherwise="the artifact way was not named"):
        return ExitStatus.DEFECT
    return plan.exit_status.value


def proved_while_applying(play: Play) -> int:
    """The plan says first that the proof is made while it is applied, and ties the swap to it."""
    plan = play.plan()
    told = [one for one in plan.plan.findings if one.code == "authority.while-applying"]
    tied = [change for _, change in plan.plan.updates if change.authority_on == names.STAGING]
    if not _expect(
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
        if not _expect(play, holds=listed, otherwise=f"open orders are not listed: {said}"):
            return ExitStatus.DEFECT
    return result.exit_status


def undone(play: Play) -> int:
    """Apply, undo: all that the run changed is as before; undone again, nothing is left to do."""
    before = _state_of(play)
    first = play.apply(play.plan())
    if not _expect(play, holds=first.exit_status == 0, otherwise="the rollback did not end well"):
        return ExitStatus.DEFECT
    between = _state_of(play)
    back = play.undo(first.run)
    ended = play.apply(back)
    after = _state_of(play)
    if not _expect(
        play, holds=between != before == after, otherwise=f"before {before}, undone {after}"
    ):
        return ended.exit_status or ExitStatus.DEFECT
    again = play.undo(first.run)
    sent = len([one for one in play.sim.control.ledger() if one.write])
    last = play.apply(again)
    nothing = len([one for one in play.sim.control.ledger() if one.write]) == sent
    if not _expect(
        play,
        holds=not again.plan.updates and nothing and last.exit_status == 0,
        otherwise=f"undone again, it would {[one.summary for _, one in again.plan.updates]}",
    ):
        return ExitStatus.DEFECT
    return ended.exit_status


def undo_refused(play: Play) -> int:
    """The slot that the release was left in was overwritten since: 3, and a way on is named."""
    first = play.apply(play.plan())
    if not _expect(play, holds=first.exit_status == 0, otherwise="the rollback did not end well"):
        return ExitStatus.DEFECT
    play.sim.control.act("deploy", site=names.WEB, slot=names.STAGING, build=names.THIRD_BUILD)
    back = play.undo(first.run)
    moves = [one.next_move for step in back.plan.steps for one in step.refused]
    if not _expect(play, holds=any(moves), otherwise="no next move was named"):
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


def exposure_is_reported(play: Play) -> int:
    """0, and who stays exposed is in the plan, with how long."""
    plan = play.plan()
    pinned = any("cookie" in one.who and one.until_s == PINNED_S for one in plan.plan.exposures)
    ended = play.apply(plan).exit_status
    if not _expect(play, holds=pinned, otherwise="pinned users are not reported"):
        return ExitStatus.DEFECT
    return ended


def halt_went_out(play: Play) -> int:
    """Whatever else is missing, the move toward safety was sent."""
    ended = play.plain()
    sent = [
        entry
        for entry in play.sim.control.ledger()
        if entry.write and entry.method == "PATCH" and "autoSwapSlotName" in entry.body
    ]
    if not _expect(play, holds=len(sent) == 1, otherwise="the halt did not go out once"):
        return ExitStatus.DEFECT
    return ended


def secret_planted(play: Play) -> int:
    """A canary secret in the world is in no output of ours."""
    canary = "planted-canary-4f1d9c77e2"
    play.stage.variables["PLANTED_CANARY"] = canary
    play.sim.control.fault("plant_secret", secret=canary)
    return play.plain()


def rule_is_kept(play: Play) -> int:
    """The halt of a rule that protects users would be the opposite of a halt."""
    plan = play.plan()
    halted = [
        change
        for change in plan.plan.step("halt").changes
        if change.kind == "update" and change.resource == "backend/traffic"
    ]
    if not _expect(play, holds=not halted, otherwise="the halt would empty the rule"):
        return ExitStatus.DEFECT
    return play.apply(plan).exit_status


def halt_stays(play: Play) -> int:
    """Nobody but the operator touches the operator's halt, and the brief says that it was they."""
    ended = _with_drift(play, "operators", "trading_controls/global", names_operator=True)
    changes = play.sim.control.changes()
    halts = [one for one in changes if one.container == "trading_controls"]
    if not _expect(
        play,
        holds=len(halts) == 1 and halts[0].principal.startswith("operator:"),
        otherwise=f"control documents were written by {[one.principal for one in halts]}",
    ):
        return ExitStatus.DEFECT
    return ended


def drift_is_an_operators(play: Play) -> int:
    """The brief names the document, and the operator by the audit log's event."""
    return _with_drift(play, "operators", "dynamic_config/limits", names_operator=True)


def drift_is_unknown(play: Play) -> int:
    """A release that writes by itself is in no audit log: someone unknown, and a person repairs."""
    return _with_drift(play, "unknown", "dynamic_config/limits", names_operator=False)


def _with_drift(play: Play, verdict: str, document: str, *, names_operator: bool) -> int:
    """Plan, approve, apply; then the brief in the bundle must say this, and the report too."""
    ended = play.plain()
    bundle = Path(play.results[-1].bundle_path)
    brief = json.loads((bundle / DRIFT).read_bytes())
    found = [f"{one['container']}/{one['id']}" for one in brief["documents"]]
    operators = [one["who"] for one in brief["documents"] if one["by"] == "operator"]
    report = (bundle / "report.md").read_text()
    repaired = all(one["repair"] for one in brief["documents"])
    holds = (
        (brief["verdict"], found) == (verdict, [document])
        and bool(operators) is names_operator
        and repaired
        and "Control-plane state" in report
    )
    said = f"the drift brief says {brief['verdict']} of {found}, operators {operators}"
    return ended if _expect(play, holds=holds, otherwise=said) else ExitStatus.DEFECT


def killed_and_resumed(play: Play) -> int:
    """`kill -9` while the first swap runs; `resume` completes without a second swap."""
    plan = play.plan()
    _kill_midway(play, plan, "state")
    run = play.operator().status()[0].run
    result = play.operator().resume(run, progress=play.progress)
    play.results.append(result)
    return result.exit_status


def second_laptop(play: Play) -> int:
    """The first laptop is gone with its journal; a new plan resolves by looking."""
    plan = play.plan()
    _kill_midway(play, plan, "state")
    _until_quiet(play)
    threading.Event().wait(play.stage.environment.lease.ttl_s + 6)
    again = play.plan("state-second")
    return play.apply(again, "state-second").exit_status


def resumed_from_the_mirror(play: Play) -> int:
    """The first laptop is gone with its journal; a second one goes on with the very run.

    Nothing of the first is read but what it mirrored. Its lease has to run out first, which the
    second waits for by itself.
    """
    plan = play.plan()
    _kill_midway(play, plan, "state")
    run = play.operator().status()[0].run
    _until_quiet(play)
    second = play.operator("state-second")
    if not _expect(play, holds=not second.status(), otherwise="the second laptop knew a run"):
        return ExitStatus.DEFECT
    result = second.resume(run, progress=play.progress)
    play.results.append(result)
    return result.exit_status


def mirror_fails(play: Play) -> int:
    """The halt goes out, nobody is moved, and it ends with 9."""
    store = play.directory / "evidence-store"
    plan = play.plan()
    store.write_bytes(b"")  # where the folder would be, a file is
    ended = play.apply(plan).exit_status
    if not _expect(play, holds=_halts(play) == 1, otherwise="the halt did not go out once"):
        return ExitStatus.DEFECT
    return ended


def two_together(play: Play) -> int:
    """Same plan's worth of work from two laptops sharing one lease."""
    plans = [play.plan(state) for state in ("state", "state-second")]
    endings: list[int] = []

    def press(plan: PlanDocument, state: str) -> None:
        try:
            endings.append(play.apply(plan, state).exit_status)
        except RollbackError as error:
            endings.append(error.exit_status.value)

    presses = [
        threading.Thread(target=press, args=(plan, state))
        for plan, state in zip(plans, ("state", "state-second"), strict=True)
    ]
    for one in presses:
        one.start()
    for one in presses:
        one.join()
    if not _expect(
        play, holds=sorted(endings) == [0, 12], otherwise=f"ended with {sorted(endings)}"
    ):
        return ExitStatus.DEFECT
    return 0


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
    if not _expect(
        play,
        holds=first.exit_status == ExitStatus.APPROVAL and _halts(play) == 1,
        otherwise=f"ended with {first.exit_status}, {_halts(play)} halts sent",
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
    if not _expect(play, holds=_halts(play) == 1, otherwise="the halt did not go out once"):
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


def nowhere_to_record(play: Play) -> int:
    """The state directory is a file: the halt goes out, unrecorded; then 9."""
    plan = play.plan()
    (play.directory / "a-file").write_bytes(b"")
    try:
        play.apply(plan, "a-file/state")
    except RollbackError as error:
        if not _expect(play, holds=_halts(play) == 1, otherwise="the halt did not go out once"):
            return ExitStatus.DEFECT
        return error.exit_status
    return 0


def halt_turned_round(play: Play) -> int:
    """Between plan and apply a swap puts the stable release behind the rule: the rule stays."""
    plan = play.plan()
    play.sim.control.act("swap", site=names.WEB)
    _until_quiet(play)
    result = play.apply(plan, only_safe=True)
    rules = [
        entry
        for entry in play.sim.control.ledger()
        if entry.write and entry.method == "PATCH" and "rampUpRules" in entry.body
    ]
    if not _expect(play, holds=not rules, otherwise="the rule was emptied all the same"):
        return ExitStatus.DEFECT
    return result.exit_status


def _halts(play: Play) -> int:
    return sum(
        entry.write and entry.method == "PATCH" and "autoSwapSlotName" in entry.body
        for entry in play.sim.control.ledger()
    )


def replayed(play: Play) -> int:
    """A plan applies once."""
    plan = play.plan()
    first = play.apply(plan)
    if not _expect(play, holds=first.exit_status == 0, otherwise="the first apply failed"):
        return first.exit_status
    return play.apply(plan).exit_status


def _kill_midway(play: Play, plan: PlanDocument, state: str) -> None:
    """Apply in a process of its own; kill it when the first swap is under way."""
    apply_and_kill(play, plan, state, lambda line, _: line.startswith("looked revert/"))


def apply_and_kill(
    play: Play, plan: PlanDocument, state: str, when: Callable[[str, int], bool]
) -> None:
    """Apply in a process of its own; `kill -9` it at the first event that `when` names.

    when: takes an event's line and its number. A process that ends before is left as it is.
    """
    process = _applying(play, plan, state)
    assert process.stdout is not None  # noqa: S101 - it was asked for
    for number, line in enumerate(process.stdout):
        if when(line, number):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def disk_full(play: Play) -> int:
    """The disk is full once the run is under way: the halt goes out, nobody is moved, exit 9."""
    plan = play.plan()
    process = _applying(play, plan, "state", "--file-bytes", str(JOURNAL_BYTES))
    said, _ = process.communicate()
    sent = [entry for entry in play.sim.control.ledger() if entry.write]
    halts = [entry for entry in sent if "autoSwapSlotName" in entry.body]
    if not _expect(play, holds=len(halts) == 1, otherwise=f"the halt did not go out once: {said}"):
        return ExitStatus.DEFECT
    return process.returncode


def _applying(play: Play, plan: PlanDocument, state: str, *options: str) -> subprocess.Popen[str]:
    """Start the applier in a process of its own."""
    folder = play.directory
    (folder / "plan.json").write_bytes(plan.canonical)
    files = []
    for number, data in enumerate(play.approvals(plan), start=1):
        path = folder / f"approval-{number}.json"
        path.write_bytes(data)
        files.append(str(path))
    command = [
        sys.executable,
        "-m",
        "rollback.rehearsal.applier",
        *options,
        str(folder / "environment.yaml"),
        str(folder / "plan.json"),
        str(folder / state),
        *files,
    ]
    return subprocess.Popen(  # noqa: S603 - this very interpreter, our own module
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **play.stage.variables},
        text=True,
    )


def _until_quiet(play: Play) -> None:
    """Wait until the swap the dead laptop started has ended, as a person would."""
    waiting = threading.Event()
    for _ in range(100):
        running = play.sim.control.summary()["operations"]
        if not running[names.WEB] and not running[names.BACKEND]:
            return
        waiting.wait(0.1)
