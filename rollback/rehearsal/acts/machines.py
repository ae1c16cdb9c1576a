"""Acts about processes and machines: killed, taken over, two at once, a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus, RollbackError
from rollback.rehearsal.acts.common import expect, until_quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.scenario import Play
    from rollback.wiring import PlanDocument

JOURNAL_BYTES = 6000
"""Where a file ends on the full disk: a few records into a journal."""


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
    until_quiet(play)
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
    until_quiet(play)
    second = play.operator("state-second")
    if not expect(play, holds=not second.status(), otherwise="the second laptop knew a run"):
        return ExitStatus.DEFECT
    result = second.resume(run, progress=play.progress)
    play.results.append(result)
    return result.exit_status


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
    if not expect(
        play, holds=sorted(endings) == [0, 12], otherwise=f"ended with {sorted(endings)}"
    ):
        return ExitStatus.DEFECT
    return 0


def disk_full(play: Play) -> int:
    """The disk is full once the run is under way: the halt goes out, nobody is moved, exit 9."""
    plan = play.plan()
    process = applying(play, plan, "state", "--file-bytes", str(JOURNAL_BYTES))
    said, _ = process.communicate()
    sent = [entry for entry in play.sim.control.ledger() if entry.write]
    halts = [entry for entry in sent if "autoSwapSlotName" in entry.body]
    if not expect(play, holds=len(halts) == 1, otherwise=f"the halt did not go out once: {said}"):
        return ExitStatus.DEFECT
    return process.returncode


def _kill_midway(play: Play, plan: PlanDocument, state: str) -> None:
    """Apply in a process of its own; kill it when the first swap is under way."""
    apply_and_kill(play, plan, state, lambda line, _: line.startswith("looked revert/"))


def apply_and_kill(
    play: Play, plan: PlanDocument, state: str, when: Callable[[str, int], bool]
) -> None:
    """Apply in a process of its own; `kill -9` it at the first event that `when` names.

    when: takes an event's line and its number. A process that ends before is left as it is.
    """
    process = applying(play, plan, state)
    assert process.stdout is not None  # noqa: S101 - it was asked for
    for number, line in enumerate(process.stdout):
        if when(line, number):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def applying(play: Play, plan: PlanDocument, state: str, *options: str) -> subprocess.Popen[str]:
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
