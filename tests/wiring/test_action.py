"""The composite action of code hosts: its own script, run by bash, against the simulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rollback.wiring import PlanDocument
from tests.wiring.desk import ADDRESSES

if TYPE_CHECKING:
    from tests.wiring.desk import Desk

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
BASE = {"PLAYBOOK": "halt-only", "INCIDENT": "", "TRIGGER": "", "PARAMETERS": "", "CHANNEL": ""}


def ran(desk: Desk, folder: Path, **inputs: str) -> tuple[int, dict[str, str], str]:
    """Exit status, outputs and summary of the plan step."""
    tool = folder / "trade-rollback" / "bin"
    tool.mkdir(parents=True)
    (tool / "rollback").symlink_to(Path(sys.executable).with_name("rollback"))
    outputs, summary = folder / "outputs", folder / "summary"
    around = {
        **os.environ,
        **desk.stage.variables,
        **ADDRESSES,
        **BASE,
        "ENVIRONMENT": str(desk.stage.directory / "environment.yaml"),
        "OUT": str(folder / "plan.json"),
        "RUNNER_TEMP": str(folder),
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_STEP_SUMMARY": str(summary),
        "ROLLBACK_STATE": str(folder / "state"),
        **inputs,
    }
    script = STEPS["Plan"]["run"]
    done = subprocess.run(["bash", "-c", script], env=around, check=False, capture_output=True)
    said = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    return done.returncode, said, summary.read_text()


def test_it_plans_keeps_shows_and_posts(desk: Desk, tmp_path: Path) -> None:
    before = len(desk.messages("github"))
    status, outputs, summary = ran(
        desk,
        tmp_path,
        PLAYBOOK="full-rollback",
        INCIDENT="INC-4711",
        TRIGGER="tenant-leak",
        PARAMETERS="bake=1s\n\nto=last-stable\n",
        CHANNEL="github",
    )
    assert (status, outputs["exit-status"]) == (0, "0")
    document = PlanDocument.load(outputs["plan"])
    assert outputs["digest"] == document.digest
    assert {one.name: one.value for one in document.plan.parameters}["bake"] == "1s"
    assert summary.startswith("# Rollback plan APPLICABLE: `full-rollback`")
    (comment,) = desk.messages("github")[before:]
    assert document.digest in comment


@pytest.mark.parametrize(
    "inputs",
    [
        {"PLAYBOOK": "--help"},
        {"PLAYBOOK": "$(touch pwned)"},
        {"INCIDENT": "; touch pwned"},
        {"PARAMETERS": "bake=$(touch pwned)"},
        {"TRIGGER": "`touch pwned`"},
    ],
)
def test_what_an_input_says_is_never_run(
    desk: Desk, tmp_path: Path, inputs: dict[str, str]
) -> None:
    status, outputs, _ = ran(desk, tmp_path, **inputs)
    assert outputs["exit-status"] == str(status)
    assert status == (0 if "INCIDENT" in inputs else 2)
    assert not list(Path.cwd().glob("pwned"))
    assert not list(tmp_path.rglob("pwned"))


def test_no_script_holds_an_input() -> None:
    every: list[dict[str, Any]] = list(STEPS.values())
    assert all("${{" not in step["run"] for step in every)
    assert {step["shell"] for step in every} == {"bash"}
    read = {line for step in every for line in step["env"].values()}
    assert {f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]} <= read
