"""V10: approvals in a bundle are checked again, by both verifiers alike."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.evidence import standalone_verify
from rollback.evidence.bundle import JOURNAL, NAMESPACE
from rollback.evidence.verify import verify_bundle
from rollback.model.base import facts
from rollback.model.journal import verify
from rollback.model.record import RecordKind
from tests.evidence.sealed import (
    ANA,
    BEN,
    KEYS,
    NOW,
    Sealed,
    approval_file,
    counted,
    needs_ssh_keygen,
    signers_line,
    statement,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.approval.cryptography_keys import PrivateKey

MOVE = (RecordKind.INTENT, facts(effect="revert#swap"))
GOOD = {name: approval_file(statement(name), key) for name, key in KEYS.items()}
BENS = (RecordKind.APPROVED, counted(BEN, KEYS[BEN], GOOD[BEN]))
ANAS = (RecordKind.APPROVED, counted(ANA, KEYS[ANA], GOOD[ANA]))


def both(folder: Path, approvers: str | None = None) -> tuple[bool, bool]:
    theirs = standalone_verify.Bundle(folder)
    theirs.verify()
    assert {rule for rule, *_ in theirs.wrong} <= {"V10"}, theirs.wrong
    check = verify_bundle(folder, approvers=approvers)
    assert {one.rule for one in check.problems} <= {"V10"}, check.problems
    return check.holds, not theirs.wrong


def of_ana(data: bytes, **recorded: Any) -> tuple[Any, Any]:
    """Ben's approval as it should be, and another of Ana's: (files, people)."""
    said = (RecordKind.APPROVED, counted(ANA, KEYS[ANA], data, **recorded))
    return (GOOD[BEN], data), (BENS, said)


def ana(**changed: Any) -> tuple[Any, Any]:
    return of_ana(approval_file(statement(ANA, **changed), KEYS[ANA]))


WRONG = {
    "for another plan": ana(plan_sha256="0" * 64),
    "for another environment": ana(environment="staging"),
    "a rejection": ana(decision="reject"),
    "expired": ana(expires=NOW - timedelta(milliseconds=1)),
    "not valid yet": ana(not_before=NOW + timedelta(milliseconds=1)),
    "signed as evidence": of_ana(approval_file(statement(ANA), KEYS[ANA], NAMESPACE)),
    "signed by another": of_ana(approval_file(statement(ANA), KEYS[BEN])),
    "said by another": of_ana(approval_file(statement(BEN), KEYS[ANA])),
    "signature of another": of_ana(
        GOOD[ANA].replace(b"incident", b"").replace(b"2026-11-23T03", b"2027-11-23T03")
    ),
    "no approval": of_ana(b"{}"),
    "not even JSON": of_ana(b"\xff"),
    "a list": of_ana(b"[]"),
    "a number for a statement": of_ana(b'{"statement": "1", "signature": ""}'),
    "recorded with another key": of_ana(GOOD[ANA], key="SHA256:x"),
    "recorded for another person": of_ana(GOOD[ANA], principal="eve@example.net"),
    "no file named": of_ana(GOOD[ANA], files=()),
    "a file named that is not here": of_ana(GOOD[ANA], files=("0" * 64,)),
    "nobody trusted": of_ana(GOOD[ANA], signers=()),
    "another trusted": of_ana(GOOD[ANA], signers=(signers_line(ANA, KEYS[BEN]),)),
    "one person twice": ((GOOD[ANA],), (ANAS, ANAS)),
    "one of two": ((GOOD[ANA],), (ANAS,)),
    "nobody": ((), ()),
    "of another sitting": (
        tuple(GOOD.values()),
        (ANAS, BENS, (RecordKind.OPENED, facts(mode="full")), BENS),
    ),
    "an agreement counted as a rejection": of_ana(GOOD[ANA], decision="reject"),
}


@pytest.mark.parametrize("what", WRONG)
@needs_ssh_keygen
def test_both_catch_an_approval_that_does_not_hold(tmp_path: Path, what: str) -> None:
    files, people = WRONG[what]
    folder = Sealed(tmp_path / "bundle", files=files, people=people).folder
    assert both(folder) == (False, False)


REJECTION = approval_file(statement(BEN, decision="reject"), KEYS[BEN])
HOLDS = {
    "two people": (tuple(GOOD.values()), (ANAS, BENS)),
    "a key that is nobody's by name": of_ana(approval_file(statement(None), KEYS[ANA])),
    "by break-glass": ((), ((RecordKind.OPENED, facts(break_glass="nobody can sign")),)),
    "one who did not count": (
        (*GOOD.values(), b"no approval"),
        (ANAS, (RecordKind.APPROVED, facts(code="approval.unreadable", problem="x")), BENS),
    ),
    "expired once users had moved": (
        tuple(GOOD.values()),
        (
            *(ANAS, BENS, MOVE),
            (RecordKind.OPENED, facts(later_s=7200)),
            *(ANAS, BENS),
        ),
    ),
    "a rejection that nothing followed": (
        (REJECTION,),
        (
            (
                RecordKind.APPROVED,
                counted(BEN, KEYS[BEN], REJECTION, decision="reject", key=""),
            ),
            (RecordKind.OPENED, facts(break_glass="x")),
        ),
    ),
}


@pytest.mark.parametrize("what", HOLDS)
def test_both_take_what_the_run_took(tmp_path: Path, what: str) -> None:
    files, people = HOLDS[what]
    folder = Sealed(tmp_path / "bundle", files=files, people=people).folder
    assert both(folder) == (True, True)


KINDS: dict[str, PrivateKey] = {
    "ecdsa": ec.generate_private_key(ec.SECP384R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KINDS)
@needs_ssh_keygen
def test_other_keys_are_checked_by_both(tmp_path: Path, kind: str) -> None:
    key = KINDS[kind]
    for name, data, holds in (
        ("good", approval_file(statement(ANA), key), True),
        ("bad", approval_file(statement(ANA), key).replace(b"T03:14", b"T04:14"), False),
    ):
        people = (BENS, (RecordKind.APPROVED, counted(ANA, key, data)))
        folder = Sealed(tmp_path / name, files=(GOOD[BEN], data), people=people).folder
        assert both(folder) == (holds, holds)


def test_without_ssh_keygen_the_file_says_what_nobody_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KINDS["ecdsa"]
    data = approval_file(statement(ANA), key)
    people = (BENS, (RecordKind.APPROVED, counted(ANA, key, data)))
    folder = Sealed(tmp_path / "bundle", files=(GOOD[BEN], data), people=people, key=key).folder
    monkeypatch.setenv("PATH", str(tmp_path))
    theirs = standalone_verify.Bundle(folder)
    theirs.verify()
    assert theirs.wrong == []
    assert theirs.unchecked == [
        "the signature: there is no ssh-keygen here",
        *(f"the approval of {person}: there is no ssh-keygen here" for person in (BEN, ANA)),
    ]
    assert verify_bundle(folder).holds


def test_people_from_outside_are_asked_where_they_were_given(tmp_path: Path) -> None:
    folder = Sealed(tmp_path / "bundle").folder
    ours = "\n".join(signers_line(name, key) for name, key in KEYS.items())
    assert verify_bundle(folder, approvers=ours).holds
    swapped = "\n".join((signers_line(ANA, KEYS[BEN]), signers_line(BEN, KEYS[ANA])))
    late = signers_line(ANA, KEYS[ANA], 'valid-after="20261124Z"')
    evidence = signers_line(ANA, KEYS[ANA], f'namespaces="{NAMESPACE}"')
    for others in (
        "",
        swapped,
        *(f"{signers_line(BEN, KEYS[BEN])}\n{one}" for one in (late, evidence)),
    ):
        check = verify_bundle(folder, approvers=others)
        assert not check.holds
        assert {one.rule for one in check.problems} == {"V10"}
        assert "not by the allowed signers that were given" in check.problems[0].what


def test_the_plan_says_which_moves_need_people(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path / "bundle", files=(), people=())
    check = verify_bundle(sealed.folder)
    assert [str(one) for one in check.problems] == [
        "journal.jsonl line 2: users were moved with 0 of 2 approvals (V10)"
    ]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    changed=st.dictionaries(
        st.sampled_from(["principal", "key", "decision", "files", "signers", "expires"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(0, 3),
            st.text(max_size=5),
            st.sampled_from([ANA, BEN, "approve", "reject", (), ("",), (ANA,), (1, None)]),
            st.just((signers_line(BEN, KEYS[BEN]),)),
            st.just((signers_line(ANA, KEYS[ANA]), "")),
        ),
        max_size=2,
    )
)
def test_any_record_of_an_approval_is_judged_alike(
    tmp_path_factory: pytest.TempPathFactory, changed: dict[str, Any]
) -> None:
    files, people = of_ana(GOOD[ANA], **changed)
    folder = Sealed(tmp_path_factory.mktemp("any") / "bundle", files=files, people=people).folder
    ours, theirs = both(folder)
    assert ours is theirs
    shutil.rmtree(folder.parent)


@needs_ssh_keygen
def test_what_the_page_says_of_ssh_keygen_is_so(tmp_path: Path) -> None:
    """Without any of our programs: the statement, its signature, the lines that the journal kept."""
    folder = Sealed(tmp_path / "bundle").folder
    record = next(
        one
        for one in verify((folder / JOURNAL).read_bytes()).records
        if one.kind is RecordKind.APPROVED
    )
    file = approval_file(statement(ANA), KEYS[ANA])
    import json

    said = json.loads(file)
    (tmp_path / "statement.sig").write_text(said["signature"])
    lines = record.get("signers")
    assert isinstance(lines, tuple)
    (tmp_path / "signers").write_text("\n".join(map(str, lines)) + "\n")
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", ANA]
    command += ["-n", "plan-approval@trade-rollback", "-s", "statement.sig"]
    ran = subprocess.run(
        command, cwd=tmp_path, input=said["statement"].encode(), capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
