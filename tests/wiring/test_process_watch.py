"""The net over the process, as the command line casts it: seen, journalled, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire.net import Sighting
from rollback.model.record import Record, RecordKind
from rollback.model.scope import HostKind
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, set_stage
from rollback.running.journal import FileJournal, check_file
from rollback.running.store import StateDirectory
from rollback.wiring.process_watch import SIGHTINGS_MAX, ProcessWatch, _Listener
from tests.guard.support import environment
from tests.running.fakes import VirtualClock

from .rogue import BACKEND, reach

ROOT = Path(__file__).parents[2]
PLAYBOOK = """\
playbook: look-again
summary: Verify, and nothing else.
steps:
  - verify: {action: verify_release, surfaces: [web], bake: 1s}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Simulator.start(tmp_path / "simulator", default_world()) as sim:
        yield set_stage(tmp_path / "stage", sim)


def notes(records: tuple[Record, ...]) -> list[str]:
    return [
        record.text("text")
        for record in records
        if record.kind is RecordKind.NOTE and record.text("code") == "guard.net"
    ]


def rogue(stage: Stage, how: str, *args: str) -> subprocess.CompletedProcess[str]:
    """The real command line, with that action, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tests.wiring.rogue", "--state", str(stage.state), *args],
        capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        env={**os.environ, **stage.variables, "ROGUE": how},
    )  # fmt: skip


@pytest.mark.parametrize("how", ["control", "swallowed"])
def test_a_refusal_ends_the_run_whatever_the_action_does_with_it(
    stage: Stage, tmp_path: Path, how: str
) -> None:
    """Latched before it is raised, journalled with its shape, exit 3 with the promise's name."""
    (tmp_path / "look-again.yaml").write_text(PLAYBOOK)
    where = ("--environment", str(stage.directory / "environment.yaml"))
    plan = str(tmp_path / "plan.json")
    made = rogue(stage, "no", "plan", str(tmp_path / "look-again.yaml"), *where, "--out", plan)
    assert made.returncode == 0, made.stderr
    ran = rogue(stage, how, "apply", plan, *where, "--non-interactive")
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "error: guard.backend.control [no-control-plane-rewrite]: " in ran.stderr
    (run,) = StateDirectory(stage.state).runs()
    records = check_file(run.journal_path).records
    (refusal,) = [one for one in records if one.kind is RecordKind.REFUSAL]
    said = {fact.name: fact.value for fact in refusal.body}
    assert said["rule"] == "backend.control"
    assert said["promise"] == "no-control-plane-rewrite"
    assert (said["method"], said["host"], said["path"]) == ("POST", BACKEND, "/api/control/trading")
    assert said["body_bytes"] == len(b'{"halted":false,"why":"hunter2"}')
    report = rogue(stage, "no", "status", "latest")
    for text in (run.journal_path.read_text(), ran.stdout, ran.stderr, report.stdout):
        assert "hunter2" not in text
    assert [one.get("exit") for one in records if one.kind is RecordKind.CLOSED] == [3]


def test_an_action_that_brings_its_own_client(stage: Stage, tmp_path: Path) -> None:
    """The real command line in a process of its own: journalled, and the run goes to its end."""
    (tmp_path / "look-again.yaml").write_text(PLAYBOOK)

    def command(*args: str) -> subprocess.CompletedProcess[str]:
        return rogue(stage, "own-client", *args)

    where = ("--environment", str(stage.directory / "environment.yaml"))
    plan = str(tmp_path / "plan.json")
    made = command("plan", str(tmp_path / "look-again.yaml"), *where, "--out", plan)
    assert made.returncode == 0, made.stderr
    assert "guarded client" not in made.stderr
    ran = command("apply", plan, *where, "--non-interactive")
    told = [line for line in ran.stderr.splitlines() if line.startswith("rogue: ")]
    assert told == [
        f"rogue: {names.COSMOS_HOST}: refused",
        f"rogue: {names.ARM_HOST}: went on",
        f"rogue: {BACKEND}: went on",
        "rogue: an operator's halt: went on",
    ]
    (run,) = StateDirectory(stage.state).runs()
    records = check_file(run.journal_path).records
    seen = notes(records)
    assert len(seen) == 3
    assert names.COSMOS_HOST in seen[0]
    assert seen[0].endswith("it was refused")
    assert names.ARM_HOST in seen[1]
    assert seen[1].endswith("it went on")
    assert f"towards {BACKEND} (backend)" in seen[2]
    assert seen[2].endswith("it went on")
    assert not [one for one in records if one.kind is RecordKind.REFUSAL]
    report = command("status", "latest").stdout
    assert " ".join(report.split()).count("was made by no guarded client") >= len(seen)
    steps = {one.text("step"): one.text("status") for one in records if one.kind is RecordKind.STEP}
    assert steps["verify"] in {"done", "failed"}  # by what it verifies, whatever it brought along
    assert ran.returncode in {0, 8}
    assert [one.get("exit") for one in records if one.kind is RecordKind.CLOSED] == [ran.returncode]


def test_a_host_opts_in_and_names_what_is_refused(tmp_path: Path) -> None:
    """Two runs at once share one hook; each hears; nothing is heard after the last."""
    with pytest.raises(ValueError, match="never refused"):
        ProcessWatch(refuse=frozenset({HostKind.BACKEND}))
    told: list[str] = []
    watch = ProcessWatch(refuse=frozenset({HostKind.ARM}), tell=told.append)
    known = perimeter_of(environment())
    with FileJournal.create(tmp_path / "j.jsonl", "r-20261123-0936-0000", VirtualClock()) as journal:
        with watch.over(known, journal), watch.over(known):
            assert reach(names.ARM_HOST) == "refused"
            assert reach(names.COSMOS_HOST) == "went on"
        assert reach(names.ARM_HOST) == "went on"
        assert [text.split()[2] for text in notes(tuple(journal.records()))] == [text.split()[2] for text in told]
    assert len(told) == 2


def test_what_asks_for_ever_is_told_a_bounded_number_of_times() -> None:
    told: list[str] = []
    listener = _Listener(told.append)
    for number in range(SIGHTINGS_MAX * 2):
        listener.hear(Sighting("socket.connect", "h", HostKind.ARM, f"thread-{number}", False))
    assert len(told) == SIGHTINGS_MAX
