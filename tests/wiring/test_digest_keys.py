"""Digests of one run compare before and after a death, and their keys are gone when it is done."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.chunks import unpacked
from rollback.evidence.verify import verify_bundle
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.wiring import Operator
from rollback.wiring.digest_keys import FIELDS, SETTINGS, DigestKeys
from tests.signed import approvals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollback.rehearsal.stage import Stage

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
