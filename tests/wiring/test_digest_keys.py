"""Digests of one run compare before and after a death, and their keys are gone when it is done."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.chunks import unpacked
from rollback.evidence.verify import verify_bundle
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.store import StateDirectory
from rollback.wiring import Operator
from rollback.wiring.capture_alone import capture_playbook
from rollback.wiring.digest_keys import FIELDS, KEPT_DAYS, SETTINGS, DigestKeys, forget_aged
from tests.signed import approvals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollback.rehearsal.stage import Stage
    from rollback.running.store import RunDirectory

KEYS = {SETTINGS, FIELDS}


def operator(stage: Stage, **more: str) -> Operator:
    secrets = VariableSecrets({**stage.variables, **more})
    return Operator(stage.environment, state=stage.state, secrets=secrets)


def dies(act: Callable[[Callable[[str, str, str], None]], object], at: tuple[str, str]) -> None:
    """Act in a process that is killed when it says so of a step."""
    child = os.fork()
    if not child:

        def heard(kind: str, step: str, words: str) -> None:
            del words
            if (kind, step) == at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            act(heard)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def settings(bundle: Path) -> dict[str, dict[tuple[str, str], str]]:
    """Digest by slot and name of each capture of the backend's settings, by its moment."""
    found = {}
    for window in json.loads((bundle / "manifest.json").read_bytes())["windows"]:
        if window["source"] == "backend/settings-difference":
            stored = [(bundle / "chunks" / one["sha256"]).read_bytes() for one in window["chunks"]]
            lines: list[Any] = [
                json.loads(one) for data in stored for one in unpacked(data).splitlines()
            ]
            found[window["moment"]] = {
                (one["slot"], one["name"]): one["digest"] for one in lines if "digest" in one
            }
    return found


def test_a_run_that_was_killed_goes_on_with_its_keys_and_ends_without(tmp_path: Path) -> None:
    """Killed in mid-swap: settings captured before and after are told to be the same, or not."""
    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path / "stage", sim)
        document = operator(stage).plan(playbooks.full_rollback, parameters={"bake": "1s"})
        signatures = approvals(stage, document)
        dies(
            lambda heard: operator(stage).apply(document, approvals=signatures, progress=heard),
            ("sent", "revert/backend"),
        )
        (folder,) = (stage.state / "runs").iterdir()
        kept = {name: (folder / name).read_bytes() for name in KEYS}
        assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in KEYS)
        result = operator(stage).resume(folder.name)
    assert result.exit_status == 0, result.steps
    bundle = folder / "evidence" / "bundle-1"
    assert verify_bundle(bundle).holds
    found = settings(bundle)
    assert {"before/revert/backend", "after"} <= set(found)
    assert len({frozenset(one.items()) for one in values(found).values()}) == 1
    assert not KEYS & {path.name for path in folder.iterdir()}
    everything = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for key in kept.values():
        assert not any(key in data or bytes.fromhex(key.decode()) in data for data in everything)


def values(found: dict[str, dict[tuple[str, str], str]]) -> dict[str, dict[str, frozenset[str]]]:
    """Of each moment the digests of a setting, wherever a swap took it."""
    return {
        moment: {
            name: frozenset(digest for (_, other), digest in held.items() if other == name)
            for _, name in held
        }
        for moment, held in found.items()
    }


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Simulator.start(tmp_path / "simulator") as sim:
        yield set_stage(tmp_path / "stage", sim)


def keys(stage: Stage, folder: Path | None, run: str = "r-1", **more: str) -> tuple[bytes, bytes]:
    made = DigestKeys(operator(stage, **more).setting, run, folder)
    return made.settings(), made.fields()


def test_keys_are_drawn_once_a_run_and_outlive_another_halt_token(
    stage: Stage, tmp_path: Path
) -> None:
    first = keys(stage, tmp_path)
    assert keys(stage, tmp_path, OPERATOR_TOKEN="another-token-of-the-operator") == first
    assert first[0] != first[1]
    (tmp_path / "elsewhere").mkdir()
    elsewhere = keys(stage, tmp_path / "elsewhere")
    assert elsewhere[1] == first[1], "another machine with the same token"
    assert elsewhere[0] != first[0], "nobody can make that of settings again"
    assert keys(stage, None, run="r-2")[1] != first[1]


@pytest.mark.parametrize("torn", ["", "abcd", "not hex", "e" * 63])
def test_half_a_key_is_no_key(stage: Stage, tmp_path: Path, torn: str) -> None:
    (tmp_path / SETTINGS).write_text(torn)
    made = keys(stage, tmp_path)
    assert len(made[0]) == 32
    assert keys(stage, tmp_path) == made


def test_where_it_cannot_be_kept_there_is_one_all_the_same(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_text("in the way")
    settings_key, fields_key = keys(stage, tmp_path / "no-folder")
    assert len(settings_key) == len(fields_key) == 32


AGED = timedelta(days=KEPT_DAYS, minutes=1)


def left(state: StateDirectory, *, days: float, keys: tuple[str, ...] = tuple(KEYS)) -> RunDirectory:
    """A run with keys, whose last record is so old."""
    run = state.new_run(SystemClock(), SystemRandomness())
    run.create_journal(SystemClock()).close()
    for name in keys:
        (run.path / name).write_text("e" * 64)
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(run.journal_path, (then, then))
    return run


def held(run: RunDirectory) -> set[str]:
    return {path.name for path in run.path.iterdir() if "digest-key" in path.name}


def test_keys_of_a_run_that_was_left_are_removed_once_they_are_aged(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    old, young = left(state, days=KEPT_DAYS + 1), left(state, days=KEPT_DAYS - 1)
    half = old.path / f".{SETTINGS}.123"
    half.write_text("e")
    assert forget_aged(state, datetime.now(UTC)) == (old.run,)
    assert (held(old), held(young)) == (set(), KEYS)
    assert not half.exists()
    assert old.journal_path.exists()
    assert forget_aged(state, datetime.now(UTC)) == ()
    assert forget_aged(StateDirectory(tmp_path / "none"), datetime.now(UTC)) == ()


def test_keys_of_a_run_that_somebody_goes_on_with_stay_however_old(tmp_path: Path) -> None:
    """Its last record may be weeks ago where a person was waited for."""
    state = StateDirectory(tmp_path)
    run = left(state, days=KEPT_DAYS * 3)
    modified = run.journal_path.stat().st_mtime
    with run.open_journal(SystemClock()):
        os.utime(run.journal_path, (modified, modified))
        assert forget_aged(state, datetime.now(UTC)) == ()
        assert held(run) == KEYS
    assert forget_aged(state, datetime.now(UTC)) == (run.run,)


def test_a_run_whose_journal_is_gone_keeps_no_key_for_ever(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    run = left(state, days=0)
    run.journal_path.unlink()
    assert forget_aged(state, datetime.now(UTC)) == ()
    assert forget_aged(state, datetime.now(UTC) + AGED) == (run.run,)
    assert held(run) == set()


def test_the_next_run_removes_aged_keys_and_says_so(stage: Stage) -> None:
    state = StateDirectory(stage.state)
    old, young = left(state, days=KEPT_DAYS + 1), left(state, days=1)
    said: list[str] = []
    here = operator(stage)
    document = here.plan(capture_playbook(60))
    here.apply(document, progress=lambda event, _, text: said.append(f"{event}: {text}"))
    assert (held(old), held(young)) == (set(), KEYS)
    (told,) = (one for one in said if one.startswith("keys: "))
    assert old.run in told
