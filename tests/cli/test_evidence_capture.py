"""``rollback evidence capture`` against the simulated platform: captured alone, sealed, signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, set_stage
from tests.cli.conftest import Rollback


@dataclass(frozen=True, slots=True)
class Staged:
    sim: Simulator
    stage: Stage
    signers: Path

    @property
    def environment(self) -> Path:
        return self.stage.directory / "environment.yaml"


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Staged]:
    with Simulator.start(tmp_path / "simulator", default_world()) as sim:
        store = {"kind": "folder", "path": "evidence-store"}
        over: dict[str, Any] = {
            "evidence": {"store": store, "run_key": "ana_ed25519"},
            "journal_mirror": True,
        }
        stage = set_stage(tmp_path / "stage", sim, **over)
        for name, value in stage.variables.items():
            monkeypatch.setenv(name, value)
        signers = tmp_path / "signers"
        public = stage.keys[0][1].with_suffix(".pub").read_text()
        signers.write_text(f'runs namespaces="evidence@trade-rollback" {public}')
        yield Staged(sim, stage, signers)


def capture(rollback: Rollback, staged: Staged, *more: str) -> dict[str, Any]:
    ran = rollback(
        "--state", staged.stage.state, "evidence", "capture",
        "--environment", staged.environment, "--json", *more,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert "may: create chunks of evidence as read-only files" in ran.err
    ended: dict[str, Any] = json.loads(ran.out)
    return ended


def request_ids(journal: Path) -> list[str]:
    """The x-request-id of every exchange that a journal records."""
    records = map(json.loads, journal.read_text().splitlines())
    bodies = [
        {fact["name"]: fact["value"] for fact in record["body"]}
        for record in records
        if record["kind"] == "exchange"
    ]
    return [str(body["request_id"]) for body in bodies if body["request_id"]]


def test_a_capture_alone_writes_evidence_and_nothing_else(
    rollback: Rollback, staged: Staged
) -> None:
    ended = capture(rollback, staged, "--incident", "INC-1")
    assert [one for one in staged.sim.control.ledger() if one.write] == []
    assert [one["step"] for one in ended["steps"]] == ["capture"]
    state = ("--state", staged.stage.state)
    digest = ended["bundle_sha256"]
    held = rollback(
        *state, "evidence", "verify", ended["run"], "--signers", staged.signers, "--anchor", digest
    )
    assert held.status == 0, held.out
    assert "by runs with SHA256:" in held.out

    ids = request_ids(Path(ended["journal"]))
    assert len(ids) == len(set(ids)) > 20

    sealed = [line for line in Path(ended["journal"]).read_text().splitlines() if digest in line]
    assert len(sealed) == 1
    mirrored = [path for path in (staged.stage.directory / "evidence-store").rglob("*")
                if path.is_file() and digest.encode() in path.read_bytes()]  # fmt: skip
    assert mirrored  # whoever edits the bundle cannot edit this too

    edited = Path(ended["bundle"]) / "report.md"
    edited.chmod(0o600)
    edited.write_bytes(edited.read_bytes() + b".")
    assert rollback(*state, "evidence", "verify", ended["run"]).status == 8


def test_two_captures_tell_what_happened_between(rollback: Rollback, staged: Staged) -> None:
    before = capture(rollback, staged, "--window", "1h")
    staged.sim.control.act("halt_trading")
    after = capture(rollback, staged, "--window", "1h")
    state = ("--state", staged.stage.state)
    ran = rollback(*state, "evidence", "diff", before["run"], after["run"], "--json")
    found = {one["source"]: one for one in json.loads(ran.out)["sources"]}
    control = found["cosmos-control/trading_controls"]
    assert [one["id"] for one in control["new"]] == ["global"]
    assert found["cosmos-control/dynamic_config"]["verdict"] == "same"
    (event,) = [
        one for one in found["cosmos/audit_log"]["new"] if one["action"] == "control.updated"
    ]
    shown = rollback(
        *state, "evidence", "show", after["run"], "--request-id", event["requestId"], "--json"
    )
    (line,) = json.loads(shown.out)["evidence"]
    assert line["line"]["actor"] == "operator:dana"


def test_a_key_that_cannot_sign_leaves_the_bundle_unsigned_and_says_so(
    rollback: Rollback, staged: Staged
) -> None:
    (staged.stage.directory / "ana_ed25519").write_text("no key")
    ran = rollback(
        "--state", staged.stage.state, "evidence", "capture",
        "--environment", staged.environment, "--sources", "volatile",
    )  # fmt: skip
    assert ran.status == 0
    assert "not signed" in ran.err
    held = rollback("--state", staged.stage.state, "evidence", "verify", "latest")
    assert held.status == 0
    assert "unsigned" in held.out
    signed = ("evidence", "verify", "latest", "--signers", staged.signers)
    assert rollback("--state", staged.stage.state, *signed).status == 8


def test_wrong_input_is_told_before_anything_is_read(rollback: Rollback, staged: Staged) -> None:
    for more in (("--window", "soon"), ("--sources", "some"), ("--window", "0s")):
        ran = rollback("evidence", "capture", "--environment", staged.environment, *more)
        assert ran.status == 2
    assert staged.sim.control.ledger() == []
