"""A run dies before its halts are out, and its journal is damaged: on call follows the hint."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from playbooks import halt_only
from rollback.rehearsal.scenario import Play, Scenario, staged
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import auto_swapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollback.rehearsal.simulator.world import World

COMMAND = [sys.executable, "-c", "from rollback.cli.main import main; main()"]
SITES = (names.WEB, names.BACKEND)
HINTED = re.compile(r"`(rollback apply [^`]*--only-safe)`")


@dataclass
class OnCall:
    """One person with the plan, in an environment where both sites swap by themselves."""

    play: Play

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.play.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={
                **os.environ, **self.play.stage.variables,
                "ROLLBACK_STATE": str(self.play.directory / "state"),
            },
        )  # fmt: skip

    def types(self, *words: str) -> tuple[int, str]:
        process = self.begin(*words)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def dies(self, *words: str) -> Path:
        """Killed when a halt was sent that is never answered. Its journal."""
        self.play.sim.control.fault(
            "latency", method="PATCH", path="config/web", seconds=60, count=0
        )
        known = set(self.journals())
        process = self.begin(*words)
        while not (found := [one for one in self.journals() if self.halting(one, known)]):
            assert process.poll() is None, process.communicate()[0]
            threading.Event().wait(0.01)
        process.kill()
        process.communicate()
        self.play.sim.control.clear_faults()
        return found[0]

    def journals(self) -> list[Path]:
        return list((self.play.directory / "state" / "runs").glob("*/journal.jsonl"))

    def halting(self, journal: Path, known: set[Path]) -> bool:
        """Whether the intent of a halt is on disk, and the head says so."""
        head = journal.with_name("journal.head")
        if journal in known or not head.is_file():
            return False
        lines = journal.read_bytes().splitlines()
        covered = int((head.read_bytes().split() or [b"0"] * 4)[3])
        return any(b'"value":"PATCH"' in line for line in lines[:covered])

    def halted(self) -> bool:
        """Whether neither site swaps the next release in by itself any more."""
        sites = self.play.sim.control.world().sites
        return not any(sites[one].slots[names.STAGING].auto_swap for one in SITES)


def edited(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes().replace(b'"name":"mode"', b'"name":"m0de"', 1))


def cut(journal: Path) -> None:
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))


def gone(journal: Path) -> None:
    journal.unlink()


@pytest.fixture
def on_call(tmp_path: Path) -> Iterator[OnCall]:
    def swapping(world: World) -> World:
        for site in SITES:
            world = auto_swapping(world, site)
        return world

    story = Scenario("damaged", "a damaged journal", (0,), world=swapping)
    with ExitStack() as stack:
        play = staged(stack, story, halt_only, tmp_path / "on call", lambda *_: None)
        one = OnCall(play)
        (play.directory / "plan.json").write_bytes(play.plan().canonical)
        yield one


WHOLE = ("apply", "plan.json", "--environment", "environment.yaml")
SAFE = (*WHOLE, "--only-safe")


@pytest.mark.parametrize(
    ("words", "damage"),
    [(WHOLE, edited), (WHOLE, gone), (SAFE, edited), (SAFE, cut), (SAFE, gone)],
    ids=lambda one: "safe" if one is SAFE else "whole" if one is WHOLE else one.__name__,
)
def test_the_hint_of_a_damaged_journal_halts_users(
    on_call: OnCall, words: tuple[str, ...], damage: Callable[[Path], None]
) -> None:
    """Whatever was being applied, whatever the damage: it names what halts, and that does."""
    damage(on_call.dies(*words, "--non-interactive"))
    assert not on_call.halted()
    status, said = on_call.types("resume", "latest", "--non-interactive")
    assert status == 9, said
    assert "this command sent nothing" in said
    (hinted,) = HINTED.findall(said)
    assert not on_call.halted(), "it says that it sent nothing"
    _, told = on_call.types("status", "latest")
    assert hinted in told
    if words is WHOLE:
        status, again = on_call.types(*words, "--non-interactive")
        assert (status, HINTED.findall(again)) == (5, [hinted])
    status, said = on_call.types(*shlex.split(hinted)[1:], "--non-interactive")
    assert status == 0, said
    assert on_call.halted()
    status, said = on_call.types("resume", "latest", "--non-interactive")
    assert status == 0, said
    status, said = on_call.types(*SAFE, "--non-interactive")
    assert (status, "plan.applied" in said) == (5, True), "what can be resumed is not applied again"
    assert "`rollback plan halt-only --out FILE`" in said, "nor is it the end of the road"


def test_a_second_damaged_journal_is_no_end_either(on_call: OnCall) -> None:
    for _ in range(2):
        edited(on_call.dies(*SAFE, "--non-interactive"))
        status, said = on_call.types("resume", "latest", "--non-interactive")
        assert status == 9
    (hinted,) = HINTED.findall(said)
    status, said = on_call.types(*shlex.split(hinted)[1:], "--non-interactive")
    assert status == 0, said
    assert on_call.halted()


def test_same_command_again_halts_where_its_journal_is_damaged(on_call: OnCall) -> None:
    """As the guide for the night says: it is safe to run the same command again."""
    cut(on_call.dies(*SAFE, "--non-interactive"))
    status, said = on_call.types(*SAFE, "--non-interactive")
    assert status == 0, said
    assert on_call.halted()
