"""A sign-in service that repeats the client's secret, or answers with a page, met by the command."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import ExitStatus
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import set_stage
from tests.cli.conftest import Rollback
from tests.cli.planted import CLIENT, found, kept

PLAYBOOK = """
playbook: halted
summary: Halt, and prove the authority to halt.
steps:
  - halt: {action: halt_rollout, surfaces: [backend, web]}
  - authority: {action: retain_trade_halt}
"""
REPEATED = {"error": CLIENT, "error_description": f"AADSTS7000215: you said {CLIENT}"}


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, REPEATED, "holds no token"),
        (401, REPEATED, "did not accept the credential (AADSTS7000215)"),
        (503, REPEATED, "answered 503"),
        (200, {"access_token": CLIENT, "expires_in": CLIENT}, "how long its token lasts"),
        (200, [CLIENT], "is not JSON, or no object of it"),
    ],
)
def test_it_is_told_and_repeated_nowhere(
    tmp_path: Path,
    rollback: Rollback,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: Any,
    told: str,
) -> None:
    """The plan says why nobody can be moved, and the command ends as it does for that."""
    caplog.set_level(logging.INFO)
    playbook, plan = tmp_path / "halted.yaml", tmp_path / "plan.json"
    playbook.write_text(PLAYBOOK)
    world = default_world()
    world.clients[names.CLIENT_ID] = CLIENT
    with Simulator.start(tmp_path / "simulator", world) as sim:
        stage = set_stage(tmp_path / "stage", sim)
        for name, value in {**stage.variables, "AZURE_CLIENT_SECRET": CLIENT}.items():
            monkeypatch.setenv(name, value)
        state = ("--state", stage.state, "--log", tmp_path / "log.jsonl")
        given = ("--environment", stage.directory / "environment.yaml")
        sim.control.fault("status", host=names.LOGIN_HOST, status=status, count=0, body=body)
        asked = ("plan", playbook, *given, "--incident", "INC-4711", "--out", plan)
        planned = rollback(*state, *asked)
        looked = rollback(*state, "doctor", *given)
    assert planned.status in {ExitStatus.REFUSED, ExitStatus.AUTHORITY}
    assert looked.status == ExitStatus.REFUSED
    said = " ".join((planned.out + planned.err).split())
    assert "no token was had: " in said
    assert told in said
    assert "Traceback" not in planned.err + looked.err
    texts = {"plan": planned.out + planned.err, "doctor": looked.out + looked.err, "log": caplog.text}
    for folder in (stage.state, plan, tmp_path / "log.jsonl"):
        texts |= dict(kept(folder)) if folder.is_dir() else {str(folder): folder.read_text()}
    assert [leak for where, text in texts.items() for leak in found(text, where)] == []
