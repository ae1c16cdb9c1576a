"""Releases on hold, by hand: put there by a rollback, seen again, released by an approved plan."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import already_rolled_back, default_world
from rollback.rehearsal.stage import Stage, document, set_stage
from rollback.wiring import PlanDocument
from tests.cli.conftest import Rollback


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator.start(tmp_path / "simulator", default_world()) as running:
        yield running


@pytest.fixture
def stage(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = set_stage(tmp_path / "stage", sim)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


def test_a_release_that_went_back_is_on_hold_until_people_release_it(
    rollback: Rollback, stage: Stage, sim: Simulator, tmp_path: Path
) -> None:
    state = ("--state", str(stage.state))
    where = ("--environment", stage.directory / "environment.yaml")
    plan = tmp_path / "plan.json"

    nothing = rollback(*state, "hold", "show", *where)
    assert (nothing.status, nothing.out) == (0, "")
    assert rollback(*state, "watch-hold", *where).status == 0

    # Unsigned: what moves toward safety goes, and the hold is part of it.
    assert rollback(*state, "plan", "web-only", *where, "--out", plan).status == 0
    assert rollback(*state, "apply", plan, "--only-safe", "--non-interactive").status == 0
    shown = json.loads(rollback(*state, "hold", "show", *where, "--json").out)
    assert shown == [{"surface": "web", "build": names.BAD_BUILD, "held": True, "words": 1}]

    # It is what users are on: an alarm.
    seen = rollback(*state, "watch-hold", *where, "--json")
    assert seen.status == 8
    said = json.loads(seen.out)
    assert {(one["slot"], one["parked"]) for one in said["seen"]} == {("production", False)}

    # Swapped back by somebody: parked in the stable slot, where nothing leads users to it.
    sim.control.act("swap", site=names.WEB)
    while sim.control.summary()["operations"][names.WEB]:
        pass
    parked = rollback(*state, "watch-hold", *where)
    assert parked.status == 0, parked.out
    assert "parked" in parked.out
    assert rollback(*state, "watch-hold", *where, "--parked").status == 8

    # Nobody brings it back unseen.
    again = rollback(*state, "plan", "web-only", *where, "--set", f"to={names.BAD_BUILD}", "--json")
    assert again.status == 3
    codes = [
        change["code"]
        for step in json.loads(again.out)["steps"]
        for change in step["changes"]
        if change["kind"] == "refused"
    ]
    assert "release.on-hold" in codes

    # Its release moves away from safety: nothing without approval, then it stands.
    release = tmp_path / "release.json"
    planned = rollback(*state, "hold", "release", "web", names.BAD_BUILD, *where, "--out", release)
    assert planned.status == 0, planned.err
    assert f"WEAK {names.BAD_BUILD} of web is on hold: a rollback marked it bad" in planned.out
    assert rollback(*state, "apply", release, "--non-interactive").status == 4
    assert json.loads(rollback(*state, "hold", "show", *where, "--json").out)[0]["held"]
    assert (
        rollback(*state, "hold", "release", "web", names.BAD_BUILD, *where, "--out", release).status
        == 0
    )
    _released(rollback, stage, Path(release), state)
    shown = json.loads(rollback(*state, "hold", "show", *where, "--json").out)
    assert shown == [{"surface": "web", "build": names.BAD_BUILD, "held": False, "words": 2}]
    assert rollback(*state, "watch-hold", *where, "--parked").status == 0


def test_a_hold_that_another_run_made_meanwhile_is_made(
    rollback: Rollback, stage: Stage, tmp_path: Path
) -> None:
    """Two people press the button: the second finds it on hold, and that is no drift."""
    state = ("--state", str(stage.state))
    where = ("--environment", stage.directory / "environment.yaml")
    plans = [tmp_path / f"plan-{number}.json" for number in (1, 2)]
    for plan in plans:
        assert rollback(*state, "plan", "web-only", *where, "--out", plan).status == 0
    for plan in plans:
        ran = rollback(*state, "apply", plan, "--only-safe", "--non-interactive")
        assert ran.status == 0, ran.err
    shown = json.loads(rollback(*state, "hold", "show", *where, "--json").out)
    assert shown == [{"surface": "web", "build": names.BAD_BUILD, "held": True, "words": 1}]


def test_what_cannot_be_looked_at_is_not_called_absent(rollback: Rollback, stage: Stage) -> None:
    where = ("--environment", stage.directory / "environment.yaml")
    (stage.directory / "evidence-store").write_text("a file where the folder would be")
    ran = rollback("--state", str(stage.state), "watch-hold", *where)
    assert ran.status == 6
    assert "holds cannot be read" in ran.out
    assert rollback("--state", str(stage.state), "hold", "show", *where).status != 0


def test_one_look_that_fails_does_not_end_a_night_of_watching(
    rollback: Rollback, stage: Stage, tmp_path: Path
) -> None:
    """Told, and looked again: the next look sees it. Three in a row end it, as nobody is watching."""
    _, where = _held(rollback, stage, tmp_path)
    store, away = stage.directory / "evidence-store", tmp_path / "away"
    store.rename(away)
    store.write_text("a file where the folder would be")
    watching = ("--state", str(tmp_path / "another machine"), "watch-hold", *where, "--every", "1")
    command = [str(Path(sys.executable).with_name("rollback")), *map(str, watching)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as going:
        assert going.stderr is not None
        for line in going.stderr:
            if b"not everything could be looked at" in line:
                store.unlink()
                away.rename(store)
                break
    assert going.returncode == 8

    store.rename(away)
    store.write_text("a file where the folder would be")
    ran = rollback(*watching)
    assert ran.status == 6
    assert ran.err.count("not everything could be looked at") == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("hold", "release", "mobil", "2026.11.2", "--out", "x.json"), "has no surface 'mobil'"),
        (("hold", "release", "web", "a build", "--out", "x.json"), "is not a build id"),
        (("lease", "release", "mobil"), "has no surface 'mobil'"),
    ],
)
def test_names_that_are_none_are_bad_input(
    rollback: Rollback, stage: Stage, args: tuple[str, ...], said: str
) -> None:
    where = ("--environment", stage.directory / "environment.yaml")
    ran = rollback("--state", str(stage.state), *args, *where)
    assert ran.status == 2
    assert said in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("args", [("hold", "show"), ("lease", "show"), ("watch-hold",)])
def test_an_environment_is_asked_for(rollback: Rollback, args: tuple[str, ...]) -> None:
    ran = rollback(*args)
    assert ran.status == 2
    assert "--environment" in ran.err


def _held(
    rollback: Rollback, stage: Stage, tmp_path: Path
) -> tuple[tuple[str, str], tuple[str, Path]]:
    """Put what web serves on hold; the arguments that name the machine and its environment."""
    state = ("--state", str(stage.state))
    where = ("--environment", stage.directory / "environment.yaml")
    plan = tmp_path / "plan.json"
    assert rollback(*state, "plan", "web-only", *where, "--out", plan).status == 0
    ran = rollback(*state, "apply", plan, "--only-safe", "--non-interactive")
    assert ran.status == 0, ran.err
    return state, where


def _released(rollback: Rollback, stage: Stage, plan: Path, state: tuple[str, str]) -> None:
    """Signed and applied."""
    signed: list[str] = []
    for person, key in stage.keys:
        out = plan.with_name(f"{person}.json")
        name = stage.environment.environment
        ran = rollback("approve", plan, "--key", key, "--out", out, "--yes-environment", name)
        assert ran.status == 0, ran.err
        signed += ["--approval", str(out)]
    applied = rollback(*state, "apply", plan, *signed, "--non-interactive")
    assert applied.status == 0, applied.err


def _park(sim: Simulator) -> None:
    sim.control.act("swap", site=names.WEB)
    while sim.control.summary()["operations"][names.WEB]:
        pass


def test_a_hold_whose_folder_was_lost_is_still_known_where_it_was_made(
    rollback: Rollback, stage: Stage, sim: Simulator, tmp_path: Path
) -> None:
    """Not mounted, or emptied: a store without holds reads like one where nobody is on hold."""
    state, where = _held(rollback, stage, tmp_path)
    shutil.rmtree(stage.directory / "evidence-store")
    shown = json.loads(rollback(*state, "hold", "show", *where, "--json").out)
    assert shown == [{"surface": "web", "build": names.BAD_BUILD, "held": True, "words": 1}]
    seen = rollback(*state, "watch-hold", *where)
    assert seen.status == 8
    _park(sim)
    parked = rollback(*state, "watch-hold", *where)
    assert parked.status == 6
    assert "the evidence store does not say so" in parked.out
    # Another machine cannot know.
    other = ("--state", str(tmp_path / "other"))
    assert rollback(*other, "watch-hold", *where).status == 0


def test_a_hold_that_only_the_local_spool_took_is_looked_for(
    rollback: Rollback, stage: Stage, tmp_path: Path
) -> None:
    store = stage.directory / "evidence-store"
    store.write_text("a file where the folder would be")
    state, where = _held(rollback, stage, tmp_path)
    store.unlink()
    assert rollback(*state, "watch-hold", *where).status == 8
    # Put on hold again, where the store takes it: known to all, and no gap any more.
    _, _ = _held(rollback, stage, tmp_path)
    assert "does not say so" not in rollback(*state, "watch-hold", *where).out


def test_a_plan_refuses_what_only_a_spool_of_this_machine_holds(
    rollback: Rollback, stage: Stage, sim: Simulator, tmp_path: Path
) -> None:
    store = stage.directory / "evidence-store"
    store.write_text("a file where the folder would be")
    state, where = _held(rollback, stage, tmp_path)
    _park(sim)
    back = ("plan", "web-only", *where, "--set", f"to={names.BAD_BUILD}")
    assert "a run of this machine marked it bad" in rollback(*state, *back).out
    store.unlink()
    refused = rollback(*state, *back)
    assert refused.status == 3, refused.out
    assert "a run of this machine marked it bad" in refused.out
    other = ("--state", str(tmp_path / "other"))
    assert "marked it bad" not in rollback(*other, *back).out
    # It is released like any other, and then known to the store.
    out = tmp_path / "release.json"
    release = ("hold", "release", "web", names.BAD_BUILD, *where, "--out", out)
    assert rollback(*state, *release).status == 0
    [(_, word)] = PlanDocument.load(out).plan.updates
    assert {one.name: one.value for one in word.after}["number"] == 2
    _released(rollback, stage, out, state)
    assert "marked it bad" not in rollback(*state, *back).out
    shown = json.loads(rollback(*state, "hold", "show", *where, "--json").out)
    assert shown == [{"surface": "web", "build": names.BAD_BUILD, "held": False, "words": 2}]


def test_a_hold_is_seen_on_a_second_host_and_however_it_is_written(
    rollback: Rollback, sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot is parked; but a host that users reach leads there."""
    surfaces = document(sim)["surfaces"]
    leads = names.slot_host(names.WEB, names.STAGING)
    for name, hosts in (("plain", []), ("second", [leads])):
        web = surfaces["web"] | {"hosts": [*surfaces["web"]["hosts"], *hosts]}
        stage = set_stage(tmp_path / name, sim, surfaces=surfaces | {"web": web})
        for variable, value in stage.variables.items():
            monkeypatch.setenv(variable, value)
        state = ("--state", str(stage.state))
        where = ("--environment", stage.directory / "environment.yaml")
        assert rollback(*state, "watch-hold", *where).status == 0
        forged = stage.directory / "evidence-store/holds/web" / names.STABLE_BUILD / "held"
        forged.mkdir(parents=True)
        (forged / "0001.json").write_text("")
        said = json.loads(rollback(*state, "watch-hold", *where, "--json").out)
        assert said["exit_status"] == (8 if hosts else 0), said
        assert [one["host"] for one in said["seen"] if not one["parked"]] == hosts


def test_a_slot_that_the_environment_does_not_name_is_not_called_clear(
    rollback: Rollback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release on hold may serve there, and a ramp-up rule may lead users to it."""
    world = already_rolled_back(default_world())
    site = world.sites[names.WEB]
    canary = site.slots[names.STAGING].model_copy(update={"name": "canary"}, deep=True)
    for number, worker in enumerate(canary.instances):
        worker.id = f"{number}" * len(worker.id)
        worker.build = names.BAD_BUILD
    site.slots["canary"] = canary
    with Simulator.start(tmp_path / "another", world) as sim:
        made = set_stage(tmp_path / "stage-3", sim)
        for variable, value in made.variables.items():
            monkeypatch.setenv(variable, value)
        held = made.directory / "evidence-store/holds/web" / names.BAD_BUILD / "held"
        held.mkdir(parents=True)
        (held / "0001.json").write_text("{}")
        state = ("--state", str(made.state))
        where = ("--environment", made.directory / "environment.yaml")
        ran = rollback(*state, "watch-hold", *where, "--json")
        said = json.loads(ran.out)
        assert ran.status == 6, said
        assert len(said["not_looked_at"]) == 1
        assert said["not_looked_at"][0].startswith("slot canary of web: the environment file does")
        named = yaml.safe_load((made.directory / "environment.yaml").read_text())
        host = names.slot_host(names.WEB, "canary")
        named["surfaces"]["web"]["slot_hosts"] = {"canary": host}
        (made.directory / "environment.yaml").write_text(yaml.safe_dump(named))
        said = json.loads(rollback(*state, "watch-hold", *where, "--json").out)
        assert not [gap for gap in said["not_looked_at"] if "does not name it" in gap]


@pytest.mark.parametrize(
    ("build", "seen"),
    [(names.THIRD_BUILD.upper(), 8), (names.THIRD_BUILD[:-1], 0), (f"{names.THIRD_BUILD}.1", 0)],
)
def test_a_build_is_the_same_in_other_letters_and_not_by_its_beginning(
    rollback: Rollback, stage: Stage, sim: Simulator, build: str, seen: int
) -> None:
    held = stage.directory / "evidence-store/holds/web" / build / "held"
    held.mkdir(parents=True)
    (held / "0001.json").write_text("{}")
    sim.control.act("deploy", site=names.WEB, slot=names.PRODUCTION, build=names.THIRD_BUILD)
    where = ("--environment", stage.directory / "environment.yaml")
    ran = rollback("--state", str(stage.state), "watch-hold", *where)
    assert ran.status == seen, ran.out


def test_a_hold_forged_with_the_last_number_is_named_and_not_answered_in_vain(
    rollback: Rollback, stage: Stage, tmp_path: Path
) -> None:
    held = stage.directory / "evidence-store/holds/web" / names.BAD_BUILD / "held"
    held.mkdir(parents=True)
    (held / "9999.json").write_text("{}")
    state = ("--state", str(stage.state))
    where = ("--environment", stage.directory / "environment.yaml")
    out = tmp_path / "release.json"
    ran = rollback(*state, "hold", "release", "web", names.BAD_BUILD, *where, "--out", out)
    assert ran.status == 3
    (refused,) = json.loads(out.read_text())["steps"][0]["changes"]
    assert refused["code"] == "hold.numbers"
    # A release of the same number frees nobody: of two words at once the hold stands.
    freed = held.parent / "released"
    freed.mkdir()
    (freed / "9999.json").write_text("{}")
    shown = json.loads(rollback(*state, "hold", "show", *where, "--json").out)
    assert [one["held"] for one in shown] == [True]
