"""The whole road by hand, verb after verb, against the simulated platform over real sockets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, set_stage
from tests.cli.conftest import Rollback


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with Simulator.start(tmp_path / "simulator", default_world()) as sim:
        made = set_stage(tmp_path / "stage", sim)
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        yield made


def subjects_of(envelope: str, key: Path) -> dict[str, str]:
    """Name and SHA-256 of each subject, from an envelope signed by the key, as DSSE 1.0 defines."""
    told = json.loads(envelope)
    payload, kind = base64.b64decode(told["payload"]), told["payloadType"].encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    public = load_ssh_public_key(key.with_suffix(".pub").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify(base64.b64decode(told["signatures"][0]["sig"]), signed)
    return {one["name"]: one["digest"]["sha256"] for one in json.loads(payload)["subject"]}


def sealed_in(bundle: Path) -> dict[str, str]:
    """Every file of a bundle but the digest of its manifest."""
    return {
        path.relative_to(bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "manifest.sha256"
    }


def test_plan_approve_apply_report_verify(rollback: Rollback, stage: Stage, tmp_path: Path) -> None:
    state = ("--state", str(stage.state))
    environment = stage.directory / "environment.yaml"
    name = stage.environment.environment
    plan = tmp_path / "plan.json"

    planned = rollback(
        *state, "plan", "full-rollback", "--environment", environment,
        "--set", "bake=1s", "--incident", "INC-1", "--out", plan,
    )  # fmt: skip
    assert planned.status == 0, planned.err
    assert planned.out.startswith("ROLLBACK PLAN APPLICABLE")
    assert str(plan) in planned.err
    assert "5 of 5, broader-production-cutover; a halt stops it there" in planned.out

    signed = []
    for person, key in stage.keys:
        out = tmp_path / f"{person}.json"
        ran = rollback("approve", plan, "--key", key, "--out", out, "--yes-environment", name)
        assert ran.status == 0, ran.err
        signed += ["--approval", str(out)]

    applied = rollback(*state, "apply", plan, *signed, "--non-interactive", "--json")
    assert applied.status == 0, applied.err
    ended = json.loads(applied.out)
    assert ended["exit_status"] == 0
    assert {step["status"] for step in ended["steps"]} <= {"done", "no-op"}
    assert "guard.net" not in Path(ended["journal"]).read_text()  # nothing of ours goes round
    assert "guarded client" not in planned.err + applied.err
    assert "revert/backend: " in applied.err

    report = rollback(*state, "status", "latest", "--format", "markdown")
    assert report.status == 0
    assert report.out.startswith("# Rollback report DONE AND VERIFIED")

    held = rollback("evidence", "verify", ended["bundle"])
    assert held.status == 0, held.out + held.err

    key = stage.keys[0][1]
    exported = rollback("evidence", "export", ended["bundle"], "--key", key)
    assert exported.status == 0, exported.err
    assert subjects_of(exported.out, key) == sealed_in(Path(ended["bundle"]))

    again = rollback(*state, "apply", plan, *signed, "--non-interactive")
    assert again.status == 5
    assert "same-plan-twice-is-once" in again.err

    nothing = rollback(*state, "plan", "full-rollback", "--environment", environment, "--json")
    assert nothing.status == 0
    assert not [
        change
        for step in json.loads(nothing.out)["steps"]
        for change in step["changes"]
        if change["kind"] == "update" and change["moves_users"]
    ]

    undone = rollback(*state, "undo", "latest", "--out", tmp_path / "undo.json")
    assert undone.status == 0, undone.err
    assert "takes back what run" in undone.out
    secrets = [
        value
        for key, value in stage.variables.items()
        if "KEY" in key or "TOKEN" in key or "PASSWORD" in key
    ]
    outputs = (planned, applied, report, again, nothing, undone)
    assert not [secret for secret in secrets for ran in outputs if secret in ran.out + ran.err]


def test_without_approval_nothing_moves(rollback: Rollback, stage: Stage, tmp_path: Path) -> None:
    state = ("--state", str(stage.state))
    plan = tmp_path / "plan.json"
    environment = stage.directory / "environment.yaml"
    made = rollback(*state, "plan", "full-rollback", "--environment", environment, "--out", plan)
    assert made.status == 0, made.err
    ran = rollback(*state, "apply", plan, "--non-interactive")
    assert ran.status == 4, ran.err
    assert "0 away from safety" in ran.out
    assert "APPROVED" in ran.out.split("\n")[0]


def test_doctor(rollback: Rollback, stage: Stage) -> None:
    ran = rollback("doctor", "--environment", stage.directory / "environment.yaml", "--json")
    assert ran.status in {0, 3}, ran.err
    assert json.loads(ran.out)["checks"]
