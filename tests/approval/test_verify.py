"""Approvals as the executor checks them: who counts, and what each wrong file is told."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from rollback.approval.file import ApprovalFile, read_approval
from rollback.approval.sign import SKEW_S, approve, sign_text
from rollback.approval.statement import read_statement
from rollback.approval.verify import ApprovalCheck, check_approvals
from rollback.errors import ApprovalMissing, InputError
from rollback.model.base import rfc3339

from .conftest import NAMESPACE, NOW, PLAN, Keys


def _signers(keys: Keys, **people: str) -> str:
    """One line a person: alice="ed25519"; several keys with a space."""
    return "".join(
        f'{name}@example.org namespaces="{NAMESPACE}" {keys.public(key)}\n'
        for name, listed in people.items()
        for key in listed.split()
    )


def _file(keys: Keys, signer: str, **changed: object) -> bytes:
    given: dict[str, object] = {
        "plan_sha256": PLAN,
        "environment": "production",
        "key": keys.private(signer),
        "now": NOW,
        "lasts_s": 3600,
        "nonce": "0f" * 16,
    }
    return approve(**(given | changed)).to_bytes()  # type: ignore[arg-type]


def _check(
    files: list[bytes],
    signers: str,
    needed: int = 1,
    *,
    lasts_s_max: int | None = None,
    revoked: str = "",
) -> ApprovalCheck:
    return check_approvals(
        PLAN,
        "production",
        files,
        signers,
        NOW,
        needed=needed,
        outlast_s=600,
        lasts_s_max=lasts_s_max,
        revoked=revoked,
    )


def test_two_people_are_two(keys: Keys) -> None:
    signers = _signers(keys, alice="ed25519", bob="ecdsa-256")
    files = [_file(keys, "ed25519"), _file(keys, "ecdsa-256")]
    check = _check(files, signers, needed=2)
    assert [name for name, _ in check.accepted] == ["alice@example.org", "bob@example.org"]
    assert check.enough
    check.demand()


def test_openssh_accepts_the_statement_of_the_file(keys: Keys) -> None:
    file = read_approval(_file(keys, "ed25519"))
    signers = _signers(keys, alice="ed25519")
    message = file.statement.encode()
    assert keys.openssh_accepts(signers, "alice@example.org", file.signature, message)


def test_a_statement_signed_by_openssh_itself_counts(keys: Keys) -> None:
    statement = read_approval(_file(keys, "ed25519")).statement
    text = keys.openssh_signs("rsa-2048", statement.encode())
    file = ApprovalFile(statement=statement, signature=text)
    assert _check([file.to_bytes()], _signers(keys, carol="rsa-2048")).enough


def test_the_same_person_counts_once(keys: Keys) -> None:
    twice = [_file(keys, "ed25519"), _file(keys, "ed25519", nonce="1f" * 16)]
    assert len(_check(twice, _signers(keys, alice="ed25519"), needed=2).accepted) == 1
    two_keys = [_file(keys, "ed25519"), _file(keys, "other")]
    assert len(_check(two_keys, _signers(keys, alice="ed25519 other"), needed=2).accepted) == 1


def test_one_key_with_two_names_is_one_person(keys: Keys) -> None:
    signers = _signers(keys, alice="ed25519", bob="ed25519")
    files = [_file(keys, "ed25519", approver=f"{name}@example.org") for name in ("alice", "bob")]
    assert len(_check(files, signers, needed=2).accepted) == 1


def test_a_pattern_does_not_make_two_people_of_one_key(keys: Keys) -> None:
    signers = f'*@example.org namespaces="{NAMESPACE}" {keys.public("ed25519")}'
    files = [_file(keys, "ed25519", approver=f"{name}@example.org") for name in ("alice", "bob")]
    assert len(_check(files, signers, needed=2).accepted) == 1
    unnamed = _check([_file(keys, "ed25519")], signers)
    assert unnamed.problems[0].code == "approval.unknown-signer"


def test_names_that_share_a_key_are_one_person_with_all_their_keys(keys: Keys) -> None:
    """Alice signs with one key and, under another name of hers, with a second one."""
    signers = _signers(keys, alice="ed25519", al="ed25519 other")
    files = [_file(keys, "ed25519", approver="alice@example.org"), _file(keys, "other")]
    assert len(_check(files, signers, needed=2).accepted) == 1


def test_one_no_blocks(keys: Keys) -> None:
    signers = _signers(keys, alice="ed25519", bob="other")
    files = [_file(keys, "ed25519"), _file(keys, "other", decision="reject", reason="not tonight")]
    check = _check(files, signers)
    assert check.rejected_by == ("bob@example.org",)
    with pytest.raises(ApprovalMissing) as caught:
        check.demand()
    assert caught.value.code == "approval.rejected"
    stranger = _check(files, _signers(keys, alice="ed25519"))
    assert stranger.enough


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"plan_sha256": "cd" * 32}, "approval.wrong-plan"),
        ({"environment": "staging"}, "approval.wrong-environment"),
        ({"now": NOW - timedelta(hours=2)}, "approval.expired"),
        ({"now": NOW + timedelta(hours=2)}, "approval.not-yet"),
        ({"lasts_s": 599}, "approval.too-short"),
        ({"lasts_s": 7200}, "approval.too-long"),
        ({"key": Path("other")}, "approval.unknown-signer"),
        ({"approver": "bob@example.org"}, "approval.unknown-signer"),
    ],
)
def test_what_does_not_count_says_why(keys: Keys, changed: dict[str, object], code: str) -> None:
    if "key" in changed:
        changed = {"key": keys.private(str(changed["key"]))}
    data = _file(keys, "ed25519", **changed)
    check = _check([data], _signers(keys, alice="ed25519"), lasts_s_max=3660)
    assert [problem.code for problem in check.problems] == [code]
    with pytest.raises(ApprovalMissing) as caught:
        check.demand()
    assert caught.value.code == code
    assert "0 of 1" in caught.value.reason


def test_an_approval_from_a_clock_that_is_ahead_shows_both_clocks(keys: Keys) -> None:
    """Which of them is wrong only people can tell; so they are told what both said."""
    ahead = NOW + timedelta(minutes=5)
    data = _file(keys, "ed25519", now=ahead)
    (problem,) = _check([data], _signers(keys, alice="ed25519"), lasts_s_max=3660).problems
    for moment in (ahead - timedelta(seconds=SKEW_S), NOW):
        assert rfc3339(moment) in problem.reason


def test_no_approval_at_all(keys: Keys) -> None:
    with pytest.raises(ApprovalMissing) as caught:
        _check([], _signers(keys, alice="ed25519")).demand()
    assert (caught.value.code, caught.value.exit_status) == ("approval.missing", 4)
    assert "--only-safe" in caught.value.hint
    _check([], "", needed=0).demand()


def test_revoked_and_outdated_keys(keys: Keys) -> None:
    data = _file(keys, "ed25519")
    revoked = _check([data], _signers(keys, alice="ed25519"), revoked=keys.public("ed25519"))
    assert revoked.problems[0].code == "approval.revoked"
    line = f'alice@example.org valid-before="20261122Z" {keys.public("ed25519")}'
    assert _check([data], line).problems[0].code == "approval.signer-not-valid"
    line = f'alice@example.org namespaces="git" {keys.public("ed25519")}'
    assert _check([data], line).problems[0].code == "approval.unknown-signer"


def test_a_signature_for_another_purpose(keys: Keys) -> None:
    statement = read_approval(_file(keys, "ed25519")).statement
    text = keys.openssh_signs("ed25519", statement.encode(), namespace="git")
    data = ApprovalFile(statement=statement, signature=text).to_bytes()
    check = _check([data], f"alice@example.org {keys.public('ed25519')}")
    assert check.problems[0].code == "approval.namespace"


def test_every_field_of_a_signed_statement_changed(keys: Keys) -> None:
    data = _file(keys, "ed25519", approver="alice@example.org", reason="stable since Monday")
    file = read_approval(data)
    statement = json.loads(file.statement)
    signers = _signers(keys, alice="ed25519")
    assert _check([data], signers).enough
    others: dict[str, object] = {
        "kind": "other",
        "format": 2,
        "plan_sha256": "cd" * 32,
        "environment": "staging",
        "decision": "reject",
        "not_before": "2026-11-23T09:00:00.000Z",
        "expires": "2026-11-24T09:00:00.000Z",
        "nonce": "2f" * 16,
        "approver": "bob@example.org",
        "reason": "because",
    }
    assert set(others) == set(statement)
    for field, value in others.items():
        text = json.dumps(statement | {field: value}, sort_keys=True, separators=(",", ":"))
        bent = ApprovalFile(statement=text, signature=file.signature).to_bytes()
        check = _check([bent], signers)
        assert not check.accepted, field
        assert not check.rejected_by, field
        assert check.problems[0].code in ("approval.bad-signature", "approval.malformed"), field


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"statement":"a"}',
        b'{"statement":1,"signature":"b"}',
        b'{"statement":"a","signature":"b","signature":"c"}',
        b'{"statement":"a","signature":"b","more":"c"}',
        b"[" * 60_000,
        b" " * 70_000,
    ],
)
def test_files_that_are_none(keys: Keys, data: bytes) -> None:
    check = _check([data], _signers(keys, alice="ed25519"))
    assert [problem.code for problem in check.problems] == ["approval.unreadable"]


@pytest.mark.parametrize("text", ["", "{}", "[" * 5000, "\ud800", '{"kind": "x"}', "1" * 9000])
def test_statements_that_are_none(text: str) -> None:
    with pytest.raises(ApprovalMissing) as caught:
        read_statement(text)
    assert caught.value.code == "approval.malformed"


def test_a_statement_in_another_form_is_none(keys: Keys) -> None:
    text = read_approval(_file(keys, "ed25519")).statement
    for bent in (text + "\n", text.replace(",", ", "), text.replace("09:35:00.000Z", "09:35:00Z")):
        assert bent != text
        with pytest.raises(ApprovalMissing):
            read_statement(bent)


def test_an_encrypted_pem_key_asks_for_its_passphrase(keys: Keys) -> None:
    keys.make("locked-pem", "ecdsa-256", "open sesame", "-m", "PEM")
    asked = []

    def passphrase() -> str:
        asked.append(1)
        return "open sesame"

    text = sign_text(b"x", keys.private("locked-pem"), passphrase)
    line = f"a@b {keys.public('locked-pem')}"
    assert keys.openssh_accepts(line, "a@b", text, b"x")
    assert asked == [1]
    for wrong in (None, lambda: "wrong sesame"):
        with pytest.raises(InputError) as caught:
            sign_text(b"x", keys.private("locked-pem"), wrong)
        assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(("answer", "signs"), [("open sesame", True), ("wrong", False)])
def test_openssh_asks_for_the_passphrase_of_its_own_keys(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, signs: bool
) -> None:
    asker = tmp_path / "ask"
    asker.write_text(f"#!/bin/sh\necho {answer}\n")
    asker.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(asker))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    name = f"locked-{signs}"
    keys.make(name, "ed25519", "open sesame")
    if not signs:
        with pytest.raises(ApprovalMissing, match="refused to sign"):
            sign_text(b"x", keys.private(name))
        return
    text = sign_text(b"x", keys.private(name))
    assert keys.openssh_accepts(f"a@b {keys.public(name)}", "a@b", text, b"x")


def test_keys_that_cannot_sign(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        sign_text(b"x", tmp_path / "absent")
    garbage = tmp_path / "garbage"
    garbage.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END")
    with pytest.raises(InputError):
        sign_text(b"x", garbage, lambda: "anything")
    with pytest.raises(ApprovalMissing, match="refused to sign"):
        sign_text(b"x", garbage)
    public = tmp_path / "nobody.pub"
    public.write_text("ssh-ed25519 AAAAnobodyholdsthis nobody")
    with pytest.raises(ApprovalMissing) as caught:
        sign_text(b"x", public)
    assert caught.value.code == "approval.not-signed"
