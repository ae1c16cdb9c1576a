"""What validate found, for programs: held against the complaints that people are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Rollback
from tests.rendering.hostile import FORGERIES

ROOT = Path(__file__).parents[2]
HEAD = "playbook: mine\nsummary: s\nsteps:\n"
BAD = HEAD + "  - halt: {action: halt_rolout, surfaces: [backend]}\n  - x: {action: notify}\n"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad one.yaml"
    path.write_text(BAD)
    return path


def test_sarif_places_each_complaint(rollback: Rollback, bad: Path) -> None:
    told = json.loads(rollback("validate", bad, "full-rollback", "--json").out)["complaints"]
    ran = rollback("validate", bad, "full-rollback", "--format", "sarif")
    assert (ran.status, ran.err) == (2, "")
    log = json.loads(ran.out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "rollback"
    assert len(run["results"]) == len(told) == 2
    for result, complaint in zip(run["results"], told, strict=True):
        assert result["ruleId"] in {rule["id"] for rule in driver["rules"]}
        assert complaint["problem"] in result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == bad.as_uri()
        assert place["region"]["startLine"] == complaint["line"]
        assert place["region"]["startColumn"] == complaint["column"]


def test_a_relative_file_is_named_relative(
    rollback: Rollback, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bad.parent)
    (run,) = json.loads(rollback("validate", bad.name, "--format", "sarif").out)["runs"]
    (location,) = run["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "bad%20one.yaml"


def test_junit_has_a_case_a_file(rollback: Rollback, bad: Path) -> None:
    ran = rollback("validate", bad, "full-rollback", "nosuch.yaml", "--format", "junit")
    assert ran.status == 2
    root = ET.fromstring(ran.out)  # noqa: S314 - our own
    cases = {case.attrib["name"]: case.findall("failure") for case in root.iter("testcase")}
    assert {name: len(failures) for name, failures in cases.items()} == {
        str(bad): 1,
        "full-rollback": 0,
        "nosuch.yaml": 1,
    }
    (failure,) = cases[str(bad)]
    assert len((failure.text or "").splitlines()) == 2
    assert (root.attrib["tests"], root.attrib["failures"]) == ("3", "2")


@pytest.mark.parametrize("face", ["sarif", "junit"])
def test_what_is_well_formed_has_no_result(rollback: Rollback, face: str) -> None:
    ran = rollback("validate", "full-rollback", "--format", face)
    assert ran.status == 0
    assert "ruleId" not in ran.out
    assert "<failure" not in ran.out


@pytest.mark.parametrize("text", FORGERIES)
def test_a_hostile_file_forges_nothing(rollback: Rollback, tmp_path: Path, text: str) -> None:
    path = tmp_path / "hostile.yaml"
    document = {"playbook": "mine", "summary": "s", "steps": [{"halt": {"action": text}}]}
    path.write_bytes(yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))
    junit = rollback("validate", path, "--format", "junit").out
    root = ET.fromstring(junit)  # noqa: S314 - our own
    assert len(list(root.iter("failure"))) == 1
    (run,) = json.loads(rollback("validate", path, "--format", "sarif").out)["runs"]
    for result in run["results"]:
        assert result["message"]["text"].isprintable()


def test_nothing_to_check_is_said(rollback: Rollback) -> None:
    assert "usage.nothing" in rollback("validate").err


def test_the_environment_that_is_set_is_checked_too(
    rollback: Rollback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBACK_ENVIRONMENT", str(tmp_path / "gone.yaml"))
    ran = rollback("validate", "full-rollback")
    assert ran.status == 2
    assert "gone.yaml" in ran.err + ran.out


def test_the_hook_runs_the_verb_on_playbooks(rollback: Rollback, bad: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    name, *verb = hook["entry"].split()
    assert name == "rollback"
    assert rollback(*verb, bad).status == 2
    assert rollback(*verb, ROOT / "playbooks" / "full-rollback.yaml").status == 0


def test_completion_knows_verbs_options_and_shipped_playbooks() -> None:
    program = "from rollback.cli.main import main; main()"
    for words, expected in (
        ("rollback va", "plain,validate"),
        ("rollback plan --in", "plain,--incident"),
        ("rollback plan ful", "plain,full-rollback"),
        ("rollback validate web", "plain,web-only"),
        ("rollback validate ./", "file,./"),
    ):
        asked = {"_ROLLBACK_COMPLETE": "bash_complete", "COMP_WORDS": words}
        around = {**os.environ, **asked, "COMP_CWORD": str(len(words.split()) - 1)}
        command = [sys.executable, "-c", program]
        ran = subprocess.run(command, env=around, check=False, capture_output=True, text=True)
        assert expected in ran.stdout.splitlines(), ran.stderr
