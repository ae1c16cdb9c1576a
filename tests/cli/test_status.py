"""status: runs from their journals alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rollback.model.base import facts
from rollback.model.record import RecordKind
from rollback.planning.canonical import canonical
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.store import RunDirectory, StateDirectory
from tests.builders import make_plan
from tests.cli.conftest import Rollback


@pytest.fixture
def kept(tmp_path: Path) -> RunDirectory:
    directory = StateDirectory(tmp_path).new_run(SystemClock(), SystemRandomness())
    directory.keep_plan(canonical(make_plan()))
    journal = directory.create_journal(SystemClock())
    journal.append(
        "run",
        RecordKind.OPENED,
        facts(
            plan=hashlib.sha256(directory.plan()).hexdigest(),
            environment="production",
            playbook="full-rollback",
            break_glass="",
            mode="full",
            by="ana",
        ),
        durable=True,
    )
    journal.append(
        "run",
        RecordKind.INTENT,
        facts(effect="revert-backend#swap", step="revert-backend", change="swap"),
        durable=True,
    )
    journal.close()
    return directory


def test_runs_are_listed_with_what_is_in_doubt(
    rollback: Rollback, kept: RunDirectory, tmp_path: Path
) -> None:
    ran = rollback("--state", tmp_path, "status")
    assert ran.status == 0
    assert ran.out == (
        f"{kept.run}  full-rollback in production: not closed: running, or interrupted; "
        "in doubt: revert-backend#swap\n"
    )
    assert json.loads(rollback("--state", tmp_path, "status", "--json").out)[0]["run"] == kept.run


@pytest.mark.parametrize("journal", [None, b""])
def test_a_run_that_never_began(rollback: Rollback, tmp_path: Path, journal: bytes | None) -> None:
    """As on a full disk: of the run there is a folder, and nothing that happened in it."""
    dead = StateDirectory(tmp_path).new_run(SystemClock(), SystemRandomness())
    dead.keep_plan(canonical(make_plan()))
    if journal is not None:
        dead.journal_path.write_bytes(journal)
    words = f"run {dead.run} ended before its first record: nobody was moved by it"
    assert rollback("--state", tmp_path, "status").out == f"{dead.run}  {words}\n"
    ran = rollback("--state", tmp_path, "status", "latest")
    assert ran.status == 2
    assert ran.err == (
        f"error: run.not-begun: {words}\n"
        "hint: apply the plan again: what is done already becomes a no-op\n"
    )


def test_a_run_whose_journal_is_lost(
    rollback: Rollback, kept: RunDirectory, tmp_path: Path
) -> None:
    """A plan that is marked as applied is not to be applied again, and its run not to be trusted."""
    digest = hashlib.sha256(kept.plan()).hexdigest()
    StateDirectory(tmp_path).mark_applied(digest, kept.run, SystemClock())
    kept.journal_path.unlink()
    words = f"run {kept.run} had begun, and nothing of its journal is left"
    assert rollback("--state", tmp_path, "status").out == f"{kept.run}  {words}\n"
    ran = rollback("--state", tmp_path, "status", kept.run)
    assert ran.status == 9
    assert ran.err == (
        f"error: journal.gone [fail-closed]: {words}\n"
        f"hint: halts go out with `rollback apply {kept.plan_path} --only-safe`; this command sent "
        "nothing; what the run had sent the world shows: look at it, and make a new plan: what is "
        "done already becomes a no-op; keep the run's folder as evidence\n"
    )


def test_a_run_whose_journal_lost_its_end(
    rollback: Rollback, kept: RunDirectory, tmp_path: Path
) -> None:
    """What is left of it verifies, and is told; that it is not all is told wherever it is shown."""
    whole = kept.journal_path.read_bytes()
    kept.journal_path.write_bytes(whole.splitlines(keepends=True)[0])
    why = "line 2: cut: from here on 1 line is lost that the head beside it says were on disk"
    listed = rollback("--state", tmp_path, "status").out
    assert listed.startswith(f"{kept.run}  the journal does not verify ({why}); before that: full-")
    for options in ((), ("--format", "html")):
        ran = rollback("--state", tmp_path, "status", kept.run, *options)
        assert ran.status == 9
        assert f"error: journal.cut [fail-closed]: {kept.journal_path} {why}\n" in ran.err
        assert ran.out
    ran = rollback("--state", tmp_path, "status", kept.run, "--json")
    told = json.loads(ran.out)
    assert (ran.status, told["problem"], told["in_doubt"]) == (9, why, [])
    kept.journal_path.write_bytes(whole)
    assert rollback("--state", tmp_path, "status", kept.run).err == ""


def test_a_run_whose_journal_came_without_its_head(
    rollback: Rollback, kept: RunDirectory, tmp_path: Path
) -> None:
    """As one that an earlier version wrote: whether its end is there cannot be told."""
    (kept.path / "journal.head").unlink()
    ran = rollback("--state", tmp_path, "status", kept.run)
    assert ran.status == 0
    assert ran.err.startswith("note: no head lies beside the journal")


def test_a_run_whose_plan_is_another(
    rollback: Rollback, kept: RunDirectory, tmp_path: Path
) -> None:
    """It is not reported as if it were the run of that one."""
    first = kept.plan()
    kept.plan_path.unlink()
    ran = rollback("--state", tmp_path, "status", kept.run)
    assert ran.status == 2
    assert f"hint: copy the plan that was applied to {kept.plan_path}" in ran.err
    kept.keep_plan(first.replace(b"INC-4711", b"INC-4712"))
    ran = rollback("--state", tmp_path, "status", kept.run)
    assert ran.status == 9
    assert "error: journal.other-plan [plan-is-permission]" in ran.err
    assert not ran.out


def test_one_run_is_reported(rollback: Rollback, kept: RunDirectory, tmp_path: Path) -> None:
    ran = rollback("--state", tmp_path, "status", "latest")
    assert ran.status == 0
    assert ran.out.startswith("ROLLBACK REPORT NOT CLOSED")
    assert rollback("--state", tmp_path, "status", kept.run, "--format", "html").out.startswith(
        "<!doctype"
    )
    told = json.loads(rollback("--state", tmp_path, "status", kept.run, "--json").out)
    assert told["exit_status"] is None
    assert told["opened"].endswith("Z")


def test_a_run_without_approval_says_so_wherever_it_is_listed(
    rollback: Rollback, tmp_path: Path
) -> None:
    directory = StateDirectory(tmp_path).new_run(SystemClock(), SystemRandomness())
    directory.keep_plan(canonical(make_plan()))
    journal = directory.create_journal(SystemClock())
    said = {"environment": "production", "playbook": "full-rollback", "mode": "full", "by": "ana"}
    said["plan"] = hashlib.sha256(directory.plan()).hexdigest()
    for glass in ("INC-4711: nobody can sign", ""):  # resumed, with approvals by then
        body = facts(**said, break_glass=glass)
        journal.append("run", RecordKind.OPENED, body, durable=True)
    journal.close()
    listed = rollback("--state", tmp_path, "status").out
    assert f"{directory.run}  break-glass: INC-4711: nobody can sign: full-rollback" in listed
    (read,) = json.loads(rollback("--state", tmp_path, "status", "--json").out)
    assert read["break_glass"] == "INC-4711: nobody can sign"
    report = rollback("--state", tmp_path, "status", "latest").out
    assert "INC-4711: nobody can sign" in report.splitlines()[0]


def test_an_edited_journal_is_told_and_does_not_hide_the_others(
    rollback: Rollback, kept: RunDirectory, tmp_path: Path
) -> None:
    kept.journal_path.write_bytes(
        kept.journal_path.read_bytes().replace(b"full-rollback", b"half-rollback")
    )
    listed = rollback("--state", tmp_path, "status")
    assert listed.status == 0
    assert kept.run in listed.out
    assert rollback("--state", tmp_path, "status", kept.run).status == 9


def test_no_runs_is_no_error(rollback: Rollback, tmp_path: Path) -> None:
    ran = rollback("--state", tmp_path, "status")
    assert (ran.status, ran.out) == (0, "")
