"""Planted secrets, in every form they may be written, at every place where anything is written."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.connectors.secrets import VariableSecrets
from rollback.errors import RollbackError
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.store import stamp
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, set_stage
from rollback.running.clock import SystemClock
from rollback.wiring import Operator
from tests.cli.conftest import Rollback
from tests.cli.planted import CLIENT, PASSWORD, PLANTED, forms, found, kept


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    world = default_world()
    world.users[0].password = PASSWORD
    world.clients[names.CLIENT_ID] = CLIENT
    an_hour_ago = int(SystemClock().now().timestamp()) - 3600
    for number, written in enumerate({*forms(PASSWORD).values(), *forms(CLIENT).values()}):
        event = {"id": f"spoken-{number}", "tenant": "alpha", "says": f"came with {written} here"}
        stamp("audit_log", event, an_hour_ago, str(number))
        world.containers["audit_log"].documents.append(event)
    with Simulator.start(tmp_path / "simulator", world) as sim:
        made = set_stage(tmp_path / "stage", sim)
        made.variables.update({"SYNTHETIC_PASSWORD": PASSWORD, "AZURE_CLIENT_SECRET": CLIENT})
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        sim.control.fault("plant_secret", secret=PLANTED)
        # An answer that quotes what was sent: services do.
        for host in (names.ARM_HOST, names.slot_host(names.BACKEND, names.STAGING)):
            body = {"error": {"message": f"{PLANTED} {PASSWORD} {CLIENT}"}}
            sim.control.fault("status", host=host, status=500, nth=12, count=2, body=body)
        yield made


def test_no_sink_holds_a_secret(
    rollback: Rollback, stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    state = ("--state", str(stage.state))
    environment = stage.directory / "environment.yaml"
    plan = tmp_path / "plan.json"
    told: dict[str, str] = {}

    def ran(name: str, *args: str | Path) -> int:
        made = rollback(*args)
        told[name] = made.out + made.err
        return made.status

    given = ("--set", "bake=1s", "--out", plan)
    ran("plan", *state, "plan", "full-rollback", "--environment", environment, *given)
    for face in ("text", "markdown", "html", "json"):
        assert ran(f"show {face}", "show", plan, "--format", face) == 0
    signed: list[str | Path] = []
    name = stage.environment.environment
    for person, key in stage.keys:
        out = tmp_path / f"{person}.json"
        ran(
            f"approve {person}",
            "approve",
            plan,
            "--key",
            key,
            "--out",
            out,
            "--yes-environment",
            name,
        )
        signed += ["--approval", out]
    ran("apply", *state, "apply", plan, *signed, "--non-interactive", "--json")
    for face in ("text", "markdown", "html"):
        ran(f"report {face}", *state, "status", "latest", "--format", face)
    ran("status", *state, "status", "latest", "--json")
    ran("doctor", "doctor", "--environment", environment)
    assert "2026.11.1" in told["plan"], told["plan"]
    assert '"exit_status"' in told["apply"], told["apply"]
    assert caplog.text

    leaks = [leak for where, text in told.items() for leak in found(text, where)]
    leaks += found(caplog.text, "the debug log")
    for folder in (stage.state, stage.directory / "evidence-store", stage.directory / "leases"):
        leaks += [leak for where, text in kept(folder) for leak in found(text, where)]
    assert leaks == []
    captured = [text for where, text in kept(tmp_path / "stage") if where.endswith("unpacked")]
    assert sum(text.count("came with [secret]") for text in captured) > 20


@pytest.mark.parametrize(
    "variables",
    [
        {"AZURE_CLIENT_SECRET": f"{CLIENT}-which-nobody-knows"},
        {"SYNTHETIC_PASSWORD": f"{PASSWORD}-which-nobody-knows"},
        {"HALT_TOKEN": f"{PLANTED}-which-nobody-knows"},
        {"COSMOS_KEY": base64.b64encode(PLANTED.encode()).decode()},
        {"COSMOS_KEY": PLANTED},
    ],
)
def test_no_exception_tells_a_secret_even_with_its_traceback(
    stage: Stage, variables: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Credentials that are refused, or cannot be used at all."""
    import playbooks

    caplog.set_level(logging.DEBUG)
    operator = Operator(
        stage.environment,
        state=stage.state,
        secrets=VariableSecrets(stage.variables | variables),
        user="ana",
    )
    text = ""
    try:
        text = operator.plan(playbooks.full_rollback).canonical.decode()
        text += repr(operator.doctor())
    except RollbackError as error:
        text += "".join(traceback.format_exception(error)) + repr(error)
    assert found(text + caplog.text, "what was told") == []
