"""show, diff, schema and validate: results on standard output, talk on standard error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollback.planning.canonical import canonical
from tests.builders import digest_of, halt_step, make_plan
from tests.cli.conftest import Rollback

EXAMPLE = Path(__file__).parents[2] / "examples" / "environments" / "rehearsal.yaml"


def test_show_prints_each_face(rollback: Rollback, plan_file: Path) -> None:
    starts = {
        "text": "ROLLBACK PLAN APPLICABLE",
        "markdown": "# Rollback plan APPLICABLE",
        "html": "<!doctype html>",
        "json": '{"approvals"',
    }
    for face, start in starts.items():
        ran = rollback("show", plan_file, "--format", face)
        assert ran.status == 0
        assert ran.out.startswith(start)
    assert rollback("show", plan_file, "--json").out.encode().rstrip() == plan_file.read_bytes()


def test_no_colour_goes_into_a_pipe(rollback: Rollback, plan_file: Path) -> None:
    assert "\x1b" not in rollback("show", plan_file).out


def test_markdown_is_cut_where_asked(rollback: Rollback, plan_file: Path) -> None:
    ran = rollback("show", plan_file, "--format", "markdown", "--max-chars", "6500")
    assert "shortened" in ran.out
    assert len(ran.out) <= 6500


@pytest.mark.parametrize("verb", ["show", "apply", "approve"])
def test_an_edited_plan_is_refused(rollback: Rollback, plan_file: Path, verb: str) -> None:
    plan_file.write_bytes(plan_file.read_bytes().replace(b'":1', b'": 1', 1))
    more = ("--key", "k") if verb == "approve" else ()
    ran = rollback(verb, plan_file, *more)
    assert ran.status == 3
    assert "plan-is-permission" in ran.err


def test_diff_tells_a_step_less(rollback: Rollback, plan_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(canonical(make_plan(steps=(halt_step(),))))
    ran = rollback("diff", plan_file, other)
    assert ran.status == 0
    assert "Step revert-backend: revert_deployment of backend" in ran.out
    assert "both saw the same world" in ran.err
    read = json.loads(rollback("diff", plan_file, other, "--json").out)
    assert read["same_world"] is True
    assert {each["sign"] for each in read["changes"]} == {"-", "+"}
    assert ran.out.startswith("- full-rollback in production, planned at 2026-")
    assert "the two plans would do the same" in rollback("diff", plan_file, plan_file).out


@pytest.mark.parametrize("kind", ["playbook", "environment", "plan"])
def test_schema_is_json(rollback: Rollback, kind: str) -> None:
    ran = rollback("schema", kind)
    assert ran.status == 0
    assert json.loads(ran.out)["$schema"].startswith("https://json-schema.org/")


def test_validate_tells_all_complaints_with_their_lines(rollback: Rollback, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "playbook: bad\nsummary: s\nsteps:\n  - a: {action: nosuch}\n  - b: {action: halt_rollout}\n"
    )
    ran = rollback("validate", "full-rollback", bad)
    assert ran.status == 2
    assert "full-rollback: playbook full-rollback is well formed" in ran.out
    assert f"\n  {bad}:4:" in ran.err
    assert f"\n  {bad}:5:" in ran.err
    read = json.loads(rollback("validate", bad, "--json").out)
    assert read["valid"] is False
    assert {each["line"] for each in read["complaints"]} >= {4, 5}


def test_validate_holds_a_playbook_against_an_environment(
    rollback: Rollback, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "playbook: mine\nsummary: s\nsteps:\n  - a: {action: halt_rollout, surfaces: [kiosk]}\n"
    )
    assert rollback("validate", mine).status == 0
    ran = rollback("validate", mine, "--environment", EXAMPLE)
    assert ran.status == 2
    assert "kiosk" in ran.err


def test_the_environment_of_a_plan_is_looked_for(
    rollback: Rollback, plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = rollback("--state", tmp_path / "state", "apply", plan_file)
    assert ran.status == 2
    assert "environment.not-found" in ran.err
    (tmp_path / "production.yaml").write_text("environment: production\n")
    assert (
        "environment.not-found"
        not in rollback("--state", tmp_path / "state", "apply", plan_file).err
    )


def test_digest_of_what_is_shown(rollback: Rollback, plan_file: Path) -> None:
    assert digest_of(make_plan()) in rollback("show", plan_file).out
