"""Interrupts of the real command in a process of its own, against the simulated platform."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playbooks import full_rollback
from rollback.cli.people import interruptible
from rollback.rehearsal.scenario import Play, Scenario, staged
from rollback.rehearsal.simulator import names
from rollback.running.fold import fold
from rollback.running.journal import check_file
from rollback.running.state import ChangeStatus, StepStatus
from rollback.wiring.run_result import read_status

SWAP_S_MAX = 240
LASTS_S = 3500
WEB_SWAP = "revert/web#swap"


def patient(content: dict[str, Any]) -> dict[str, Any]:
    """A swap may take minutes: nothing but an interrupt ends the wait for it."""
    return {**content, "policy": {**content["policy"], "swap_s_max": SWAP_S_MAX, "settle_s": 0}}


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    scenario = Scenario("interrupted", "", (0,), settings=patient, parameters={"bake": "0s"})
    with ExitStack() as stack:
        yield staged(stack, scenario, full_rollback, tmp_path, lambda *_: None)


@dataclass
class Applying:
    """`rollback apply`, running. `when` waits for a word of its talk."""

    process: subprocess.Popen[str]
    said: str = ""

    def when(self, word: str) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if word in line:
                return
        pytest.fail(f"it never said {word!r}: {self.said}")

    def ended(self) -> tuple[int, str]:
        out, talk = self.process.communicate()
        self.said += talk
        return self.process.returncode, out


@contextmanager
def applying(play: Play, **parameters: str) -> Iterator[Applying]:
    plan = play.plan(**parameters)
    folder = play.directory
    (folder / "plan.json").write_bytes(plan.canonical)
    signed: list[str] = []
    for number, data in enumerate(play.approvals(plan, lasts_s=LASTS_S)):
        (folder / f"{number}.json").write_bytes(data)
        signed += ["--approval", str(folder / f"{number}.json")]
    with subprocess.Popen(
        [
            sys.executable, "-c", "from rollback.cli.main import main; main()",
            "--state", str(folder / "state"), "apply", str(folder / "plan.json"),
            "--environment", str(folder / "environment.yaml"), *signed, "--non-interactive",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **play.stage.variables},
    ) as process:  # fmt: skip
        try:
            yield Applying(process)
        finally:
            process.kill()


def resumed(play: Play) -> int:
    run = play.operator().status()[0].run
    return (
        play.operator()
        .resume(run, approvals=play.approvals(play.plans[0], lasts_s=LASTS_S))
        .exit_status
    )


@pytest.fixture(autouse=True)
def hangups_count() -> Iterator[None]:
    """Also where these tests run under nohup, whose deafness commands inherit, and respect."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_interrupt_resolves_what_was_sent_and_begins_nothing_else(
    play: Play, number: signal.Signals
) -> None:
    with applying(play) as command:
        command.when("sent         revert/web")
        command.process.send_signal(number)
        if number == signal.SIGHUP:  # a shell and its terminal may both say so
            command.when("stopping: ")
            command.process.send_signal(number)
        status, out = command.ended()
    run = play.operator().setting.state.runs()[0]
    assert (status, read_status(run).in_doubt) == (130, ()), command.said
    assert f"rollback resume {run.run}" in out
    state = fold(play.plans[0].plan, check_file(run.journal_path).records)
    assert state.change("revert/web", "swap") is ChangeStatus.APPLIED
    assert state.change("revert/backend", "swap") is ChangeStatus.NONE
    assert state.step("revert/backend").status is StepStatus.OPEN
    assert play.sim.control.swaps(names.BACKEND) == 0

    assert resumed(play) == 0
    assert [play.sim.control.swaps(site) for site in (names.WEB, names.BACKEND)] == [1, 1]


def test_the_second_interrupt_leaves_at_once_and_names_what_is_unknown(play: Play) -> None:
    play.sim.control.fault("swap_never_ends", site=names.WEB)
    with applying(play) as command:
        command.when("looked       revert/web")
        command.process.send_signal(signal.SIGINT)
        command.when("stopping: ")
        command.process.send_signal(signal.SIGTERM)
        status, _ = command.ended()
    run = play.operator().setting.state.runs()[0]
    assert status == 130
    named = command.said.partition("unknown: ")[2].partition(" (sent, and not looked for")[0]
    assert WEB_SWAP in named.split(", "), command.said  # a capture may be under way beside it
    assert f"rollback resume {run.run}" in command.said
    assert WEB_SWAP in read_status(run).in_doubt

    play.sim.control.clear_faults()
    assert resumed(play) == 0
    assert play.sim.control.swaps(names.WEB) == 1


def test_a_bake_is_not_waited_for(play: Play) -> None:
    with applying(play, bake="9m") as command:
        command.when("verifying    verify")
        command.process.send_signal(signal.SIGTERM)
        status, out = command.ended()
    run = play.operator().setting.state.runs()[0]
    assert status == 130, command.said
    assert "rollback resume" in out
    state = fold(play.plans[0].plan, check_file(run.journal_path).records)
    assert state.step("verify").status is StepStatus.OPEN


LEAVING = """
import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell without job control starts its jobs
from rollback.cli.people import interruptible
with interruptible(lambda: str(1 // 0)) as stopping:
    assert not stopping()
    os.kill(os.getpid(), signal.SIGINT)
    assert stopping()
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_leaving_needs_nothing_to_work() -> None:
    left = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, check=False)
    assert left.returncode == 130
    assert b"ZeroDivisionError" in left.stderr


def test_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruptible(str):
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
