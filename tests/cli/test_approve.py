"""approve: the first screen, the environment's name typed, a signature that OpenSSH takes too."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollback.planning.canonical import canonical
from tests.builders import SAMPLES, digest_of, make_plan
from tests.cli.conftest import Rollback
from tests.loading.test_environment import PRODUCTION, VARIABLES


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def statement(path: Path) -> dict[str, str]:
    return json.loads(json.loads(path.read_text())["statement"])  # type: ignore[no-any-return]


def test_it_shows_the_first_screen_and_signs(
    rollback: Rollback, plan_file: Path, key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ana.json"
    ran = rollback(
        "approve",
        plan_file,
        "--key",
        key,
        "--out",
        out,
        "--yes-environment",
        "production",
        "--reason",
        "read it",
    )
    assert ran.status == 0, ran.err
    assert ran.out == f"{out}\n"
    assert "What cannot be undone" in ran.err
    assert "Observations" not in ran.err
    said = statement(out)
    assert said["plan_sha256"] == digest_of(make_plan())
    assert (said["decision"], said["environment"], said["reason"]) == (
        "approve",
        "production",
        "read it",
    )
    signed, armour, signers = tmp_path / "s", tmp_path / "s.sig", tmp_path / "signers"
    signed.write_text(json.loads(out.read_text())["statement"])
    armour.write_text(json.loads(out.read_text())["signature"])
    signers.write_text(
        f'ana namespaces="plan-approval@trade-rollback" {key.with_suffix(".pub").read_text()}'
    )
    with signed.open("rb") as message:
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-n", "plan-approval@trade-rollback", "-I", "ana", "-f", str(signers), "-s", str(armour)],
            stdin=message, capture_output=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args", [(), ("--yes-environment", "staging")])
def test_without_the_right_name_nothing_is_signed(
    rollback: Rollback, plan_file: Path, key: Path, tmp_path: Path, args: tuple[str, ...]
) -> None:
    out = tmp_path / "ana.json"
    ran = rollback("approve", plan_file, "--key", key, "--out", out, *args)
    assert ran.status == 2
    assert not out.exists()


def test_a_reject_is_a_signature_and_needs_no_name(
    rollback: Rollback, plan_file: Path, key: Path
) -> None:
    ran = rollback("approve", plan_file, "--key", key, "--reject", "--json")
    assert ran.status == 0
    assert statement(Path(json.loads(ran.out)["file"]))["decision"] == "reject"


def test_a_refused_plan_cannot_be_approved_only_rejected(
    rollback: Rollback, key: Path, tmp_path: Path
) -> None:
    refused = tmp_path / "refused.json"
    refused.write_bytes(canonical(SAMPLES["refused"]()))
    ran = rollback("approve", refused, "--key", key, "--yes-environment", "production")
    assert ran.status == 3
    assert "approve.refused" in ran.err
    assert "apply PLAN --only-safe" in ran.err
    assert not list(tmp_path.glob("*.approval-*"))
    assert rollback("approve", refused, "--key", key, "--reject").status == 0


@pytest.mark.parametrize("verb", ["approve", "show"])
def test_who_reads_an_expired_plan_is_told(
    rollback: Rollback, key: Path, tmp_path: Path, verb: str
) -> None:
    args = ("--key", key, "--yes-environment", "production") if verb == "approve" else ()
    now = datetime.now(UTC)
    for name, hours, told in (("old", -1, True), ("young", 1, False)):
        path = tmp_path / f"{name}.json"
        path.write_bytes(canonical(make_plan(expires=now + timedelta(hours=hours))))
        ran = rollback(verb, path, *args)
        assert ran.status == 0, ran.err
        assert ("this plan expired at" in ran.err) is told


def test_an_approval_outlasts_the_plan(rollback: Rollback, plan_file: Path, key: Path) -> None:
    ran = rollback(
        "approve", plan_file, "--key", key, "--yes-environment", "production", "--lasts", "20m"
    )
    assert ran.status == 2
    assert "outlasts the plan" in ran.err


@pytest.mark.parametrize("lasts", ["soon", "-5m", "0s"])
def test_a_duration_is_a_duration(
    rollback: Rollback, plan_file: Path, key: Path, lasts: str
) -> None:
    ran = rollback(
        "approve", plan_file, "--key", key, "--yes-environment", "production", f"--lasts={lasts}"
    )
    assert ran.status == 2
    assert "usage.lasts" in ran.err


def test_an_unreadable_key_is_told(rollback: Rollback, plan_file: Path, tmp_path: Path) -> None:
    ran = rollback(
        "approve", plan_file, "--key", tmp_path / "none", "--yes-environment", "production"
    )
    assert ran.status == 2
    assert "approval.key" in ran.err


def test_what_is_wrong_with_the_command_is_said_before_the_screen(
    rollback: Rollback, plan_file: Path, key: Path, tmp_path: Path
) -> None:
    named = ("--yes-environment", "production")
    for args in (
        ("--key", tmp_path / "none", *named),
        ("--key", key),
        ("--key", key, "--yes-environment", "staging"),
        ("--key", key, "--out", tmp_path / "nowhere" / "ana.json", *named),
        ("--key", key, "--lasts", "20m", *named),
    ):
        ran = rollback("approve", plan_file, *args)
        assert ran.status == 2, args
        assert "What cannot be undone" not in ran.err, args
        assert ran.err.startswith("error: "), args


def test_who_is_not_listed_is_told_that_the_signature_does_not_count(
    rollback: Rollback,
    plan_file: Path,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    sign = ("approve", plan_file, "--key", key, "--yes-environment", "production")
    nowhere = rollback("--state", tmp_path, *sign)
    assert nowhere.status == 0
    assert "was not looked at here: no environment file for production was found" in nowhere.err

    (tmp_path / "production.yaml").write_text(PRODUCTION)
    public = key.with_suffix(".pub").read_text()
    signers = tmp_path / "production.allowed_signers"
    signers.write_text(f'ana namespaces="plan-approval@trade-rollback" {public}')
    assert "this approval" not in rollback("--state", tmp_path, *sign).err

    signers.write_text(f'ana namespaces="other" {public}')
    stranger = rollback("--state", tmp_path, *sign, "--json")
    assert stranger.status == 0
    assert "STOP this approval does not count: " in stranger.err
    said = json.loads(stranger.out)
    assert said["counts"] is False
    assert said["why"]
    assert Path(said["file"]).exists()
