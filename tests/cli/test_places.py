"""Where --out may write: nothing is lost by a slip in its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.cli.conftest import Rollback


@pytest.fixture
def key(tmp_path: Path) -> Path:
    form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    path = tmp_path / "id_ed25519"
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    return path


APPROVE = ("approve", "{plan}", "--key", "{key}", "--yes-environment", "production")
VERBS: dict[str, tuple[str, ...]] = {
    "plan": ("plan", "full-rollback", "--environment", "{key}", "--out", "{key}"),
    "approve, over the plan": (*APPROVE, "--out", "{plan}"),
    "approve, over the key": (*APPROVE, "--out", "{key}"),
    "undo": ("undo", "latest", "--out", "{key}"),
    "hold release": ("hold", "release", "web", "1", "--environment", "{key}", "--out", "{key}"),
}


@pytest.mark.parametrize("args", VERBS.values(), ids=VERBS)
def test_what_is_something_else_is_not_lost(
    rollback: Rollback, plan_file: Path, key: Path, args: tuple[str, ...]
) -> None:
    before = (plan_file.read_bytes(), key.read_bytes())
    ran = rollback(*(each.format(plan=plan_file, key=key) for each in args))
    assert ran.status == 2
    assert ran.err == (
        f"error: file.exists: {args[-1].format(plan=plan_file, key=key)} holds something else, "
        "and would be lost\n"
        "hint: name another file with --out, or move that one away\n"
    )
    assert (plan_file.read_bytes(), key.read_bytes()) == before


def test_what_is_no_file_stays_what_it_is(
    rollback: Rollback, plan_file: Path, key: Path, tmp_path: Path
) -> None:
    """As /dev/null is, whose folder root may write to."""
    os.mkfifo(tmp_path / "pipe")
    args = (each.format(plan=plan_file, key=key) for each in APPROVE)
    ran = rollback(*args, "--out", tmp_path / "pipe")
    assert ran.status == 2
    assert "cannot be written: it is no regular file" in ran.err
    assert (tmp_path / "pipe").is_fifo()


def test_an_approval_and_an_empty_file_are_written_over(
    rollback: Rollback, plan_file: Path, key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ana.json"
    out.touch()
    signed = set()
    for _ in range(2):
        ran = rollback(*(each.format(plan=plan_file, key=key) for each in APPROVE), "--out", out)
        assert ran.status == 0, ran.err
        signed.add(out.read_bytes())
    assert len(signed) == 2
