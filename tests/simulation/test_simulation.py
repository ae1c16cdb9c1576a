"""The slice of the simulation that every change is held against. `make simulate` runs more."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.aimed import AIMED, CI_RACES, CI_SEED, CI_SEEDS, WITH_SDKS
from tests.simulation.explore import Schedule, crashes, races, seeded
from tests.simulation.mistakes import MUTANTS, Mutant
from tests.simulation.run import Told
from tests.simulation.scene import SHIPPED

ROOT = Path(__file__).parents[2]
CRASHES_EVERY = 10


@pytest.mark.parametrize("playbook", SHIPPED)
def test_clean_run_is_the_same_on_both_floors_and_keeps_every_promise(playbook: str) -> None:
    """Without the SDKs the same requests are made, as often, and the run ends the same."""
    runs = [Schedule(playbook, sdks=sdks).run() for sdks in (False, True)]
    for told in runs:
        assert told.broken == (), told.text()
        assert told.endings == ("0",)
    direct, with_sdks = (_calls(told) for told in runs)
    assert direct == with_sdks


def _calls(told: Told) -> Counter[tuple[str, str]]:
    """What was called, how often; operations have names of their own in each run."""
    called = (one for one in told.points if one.kind not in {"append", "sync", "head"})
    return Counter((one.kind, _OPERATION.sub("OPERATION", one.what)) for one in called)


_OPERATION = re.compile(r"(?<=/operationresults/)[0-9a-f-]+")


@pytest.mark.parametrize("name", AIMED)
def test_aimed_schedule_keeps_every_promise(name: str) -> None:
    told = AIMED[name].run()
    assert told.broken == (), told.text()
    struck = {one.fault for one in told.struck}
    assert struck == {aim.fault for aim in AIMED[name].aims}, "it has to strike to prove anything"


@pytest.mark.parametrize("name", WITH_SDKS)
def test_aimed_schedule_ends_the_same_with_the_sdks(name: str) -> None:
    direct, with_sdks = AIMED[name].run(), replace(AIMED[name], sdks=True).run()
    assert with_sdks.broken == (), with_sdks.text()
    assert with_sdks.endings == direct.endings


@pytest.mark.parametrize("schedule", list(races(CI_RACES, CI_SEED)), ids=str)
def test_two_laptops_keep_every_promise(schedule: Schedule) -> None:
    told = schedule.run()
    assert told.broken == (), told.text()


def test_what_a_full_disk_let_out_unrecorded_is_found_done_by_the_next_run() -> None:
    told = AIMED["disk-full-at-once"].run()
    assert told.endings == ("9", "0"), told.text()


def test_a_halt_that_the_platform_drops_again_and_again_is_made_in_the_end() -> None:
    """Looked for after each drop; a write away from safety is sent again once, a halt five times."""
    told = AIMED["halt-dropped-five-times"].run()
    assert told.endings == ("0",), told.text()


@pytest.mark.parametrize("schedule", list(seeded(CI_SEEDS, CI_SEED)), ids=str)
def test_seeded_schedule_keeps_every_promise(schedule: Schedule) -> None:
    told = schedule.run()
    assert told.broken == (), f"replay: make replay SEED={schedule.seed}\n{told.text()}"


def test_a_death_anywhere_is_resumed_to_a_good_end() -> None:
    """One death in so many of halt-only's; `make simulate-crashes` runs all, of all playbooks."""
    for schedule in list(crashes("halt-only"))[::CRASHES_EVERY]:
        told = schedule.run()
        assert told.broken == (), f"{schedule}\n{told.text()}"


@pytest.mark.parametrize(("what", "every"), [("crashes", 40), ("faults", 200), ("pairs", 400)])
def test_a_branch_is_the_schedule_that_it_is_called(what: str, every: int) -> None:
    """Some branches of halt-only: each story, forked off, is the one told from the start."""
    command = [sys.executable, "-m", "tests.simulation", what, "--playbook", "halt-only"]
    command += ["--every", str(every), "--jobs", "1", "--again"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.match(r"(\d+) schedules in", done.stdout)
    assert ran is not None, done.stdout
    assert int(ran[1]) > 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_can_still_be_planted(mutant: Mutant) -> None:
    """`make mutants` runs the simulation against each; here only that the mistake still fits."""
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")


def test_a_seed_is_one_run_in_any_process() -> None:
    """Twice in processes of their own: the same story, line by line."""
    stories = []
    for _ in range(2):
        command = [sys.executable, "-m", "tests.simulation", "replay", "--seed", "10"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        stories.append(done.stdout)
    assert stories[0] == stories[1]
