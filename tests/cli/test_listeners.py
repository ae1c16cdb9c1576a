"""Who listens to a run holds nothing up: logs, closed pipes, listeners that break."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import Operator, PlanDocument
from tests.cli.conftest import Rollback
from tests.signed import approvals


@dataclass(frozen=True)
class Ready:
    """A plan that everybody signed, on a platform that is served."""

    stage: Stage
    plan: Path
    approvals: tuple[Path, ...]

    def operator(self) -> Operator:
        return Operator(
            self.stage.environment,
            state=self.stage.state,
            secrets=VariableSecrets(self.stage.variables),
            user="ana",
        )

    @property
    def arguments(self) -> list[str]:
        signed = [part for path in self.approvals for part in ("--approval", str(path))]
        environment = str(self.stage.directory / "environment.yaml")
        named = ["--environment", environment, "--non-interactive"]
        return ["--state", str(self.stage.state), "apply", str(self.plan), *named, *signed]


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ready]:
    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path / "stage", sim)
        for name, value in stage.variables.items():
            monkeypatch.setenv(name, value)
        made = Ready(stage, tmp_path / "plan.json", ())
        document = made.operator().plan(playbooks.backend_only, parameters={"bake": "1s"})
        made.plan.write_bytes(document.canonical)
        signed = []
        for index, approval in enumerate(approvals(stage, document)):
            signed.append(tmp_path / f"approval-{index}.json")
            signed[-1].write_bytes(approval)
        yield Ready(stage, made.plan, tuple(signed))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_pipe_that_is_closed_stops_no_run(ready: Ready, stream: str) -> None:
    """As under `| head`, or where the other end of a log has gone."""
    reading, writing = os.pipe()
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    pipes[stream] = writing
    command = [sys.executable, "-c", "from rollback.cli.main import main; main()", *ready.arguments]
    if stream == "stdout":
        os.close(reading)
    with subprocess.Popen(command, **pipes) as process:
        os.close(writing)
        if stream == "stderr":
            assert os.read(reading, 1)
            os.close(reading)
        assert process.wait(timeout=120) == 0
    (run,) = ready.operator().status()
    assert run.exit == 0


@pytest.mark.parametrize("how", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_no_run_needs_a_stream(ready: Ready, how: str) -> None:
    """As a supervisor starts it, or with its words on a disk that is full."""
    shell = ["sh", "-c", f'exec "$@" {how}', "sh"]
    command = [sys.executable, "-c", "from rollback.cli.main import main; main()", *ready.arguments]
    assert subprocess.run([*shell, *command], timeout=120, check=False).returncode == 0
    (run,) = ready.operator().status()
    assert run.exit == 0


def test_half_a_result_is_told(tmp_path: Path) -> None:
    code = "from rollback.cli.main import main; main()"
    command = [sys.executable, "-c", code, "--state", str(tmp_path), "status", "--json"]
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert said.returncode == 2
    assert "error: output.not-written: standard output takes no more: No space" in said.stderr
    assert said.stderr.count("\n") == 2, said.stderr


def test_a_listener_that_breaks_is_told_no_more(
    ready: Ready, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def listen(event: str, step: str, text: str) -> None:
        told.append(f"{event} {step} {text}")
        raise RuntimeError(event)

    with caplog.at_level(logging.INFO, "rollback"):
        result = ready.operator().apply(
            PlanDocument.load(ready.plan), approvals=ready.approvals, progress=listen
        )
    assert result.exit_status == 0
    assert len(told) == 1
    assert [one for one in caplog.records if one.message == "not heard"]


def test_a_host_gets_events_with_their_fields(
    ready: Ready, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "rollback"):
        result = ready.operator().apply(PlanDocument.load(ready.plan), approvals=ready.approvals)
    events = {(one.message, getattr(one, "step", "")) for one in caplog.records}
    assert {("open", "run"), ("done", "revert"), ("closed", "")} <= events
    assert {getattr(one, "run", "") for one in caplog.records} == {result.run}
    requests = [one for one in caplog.records if one.message == "request"]
    assert any(getattr(one, "method", "") == "POST" for one in requests)
    assert {one.levelno for one in requests} == {logging.DEBUG}


def test_where_nobody_listens_no_logging_library_is_loaded(ready: Ready) -> None:
    code = (
        "import sys; from rollback.cli.main import run; status = run(sys.argv[1:]); "
        "sys.exit(90 if 'structlog' in sys.modules else status)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *ready.arguments, "--only-safe"],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr


def test_the_log_is_lines_of_json(rollback: Rollback, ready: Ready, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"event": "from before"}\n')
    applied = rollback("--log", log, *ready.arguments)
    assert applied.status == 0, applied.err
    before, *lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert before == {"event": "from before"}
    assert all(list(line)[:3] == ["at", "level", "event"] for line in lines)
    by_event: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_event.setdefault(line["event"], []).append(line)
    assert by_event["closed"][0]["exit_status"] == 0
    assert {"sent", "verified", "done", "request", "open"} <= set(by_event)
    assert {line["environment"] for line in lines} == {ready.stage.environment.environment}
    assert not logging.getLogger("rollback").handlers


def test_a_log_that_cannot_be_opened_is_said_before_anything_is_done(
    rollback: Rollback, ready: Ready, tmp_path: Path
) -> None:
    ran = rollback("--log", tmp_path / "nowhere" / "log", *ready.arguments)
    assert (ran.status, ran.out) == (2, "")
    assert "log.unwritable" in ran.err
    assert "hint: " in ran.err
    assert not ready.operator().status()


def test_a_log_that_is_full_stops_no_run(rollback: Rollback, ready: Ready) -> None:
    ran = rollback("--log", "/dev/full", *ready.arguments)
    assert ran.status == 0, ran.err
    assert ran.err.count("takes no more lines") == 1
    assert "Traceback" not in ran.err
