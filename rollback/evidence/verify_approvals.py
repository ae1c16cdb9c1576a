"""V10 of a bundle: the approvals that its journal counted, checked again from what is in it.

A record of an approval names the files it counted, and the lines of the allowed-signers file that
knew their key: what was trusted at the time is part of the evidence. So a stranger can do again
what the run did. That those lines name the right people, no bundle can prove: hold them against an
allowed-signers file from outside.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollback.approval import ssh_keygen
from rollback.approval.file import read_approval
from rollback.approval.sshsig import SECURITY_KEYS, MalformedSignature, read_signature
from rollback.approval.verify import check_approvals
from rollback.errors import ApprovalMissing, InputError
from rollback.evidence.bundle import APPROVALS, JOURNAL, PLAN
from rollback.evidence.chunks import sha256
from rollback.evidence.problems import Approved
from rollback.model.base import rfc3339
from rollback.model.direction import Direction
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rollback.evidence.problems import Findings
    from rollback.model.record import Record

__all__ = ["approvals"]


def approvals(
    work: Findings, records: Sequence[Record], outside: str | None
) -> tuple[Approved, ...]:
    """V10; who approved or rejected, in the journal's order.

    outside: text of an allowed-signers file that did not come with the bundle.
    """
    away, needed = _asked(work.contents.get(PLAN))
    files = {
        sha256(data): data
        for path, data in work.contents.items()
        if path.startswith(f"{APPROVALS}/")
    }
    moves = [one for one in records if _moves(one, away)]
    found: list[Approved] = []
    people: set[str] = set()
    keys: set[str] = set()
    glass = False
    for line, record in enumerate(records, start=1):
        if record.kind is RecordKind.OPENED:
            people, keys, glass = set(), set(), bool(record.text("break_glass"))
        elif record.kind is RecordKind.APPROVED and record.text("principal"):
            at = min([record.at, *(one.at for one in moves[:1])])
            said = _checked(work, files, record, at, outside)
            found.append(said)
            if said.problem:
                work.wrong("V10", JOURNAL, f"{said.principal}: {said.problem}", line=line)
            elif said.decision == "approve":
                people.add(said.principal)
                keys.add(said.key)
        elif _moves(record, away) and not glass and min(len(people), len(keys)) < needed:
            what = f"users were moved with {min(len(people), len(keys))} of {needed} approvals"
            work.wrong("V10", JOURNAL, what, line=line)
            break
    return tuple(found)


def _moves(record: Record, away: frozenset[str]) -> bool:
    return record.kind is RecordKind.INTENT and record.text("effect") in away


def _asked(plan: bytes | None) -> tuple[frozenset[str], int]:
    """(effects that move away from safety, people needed before the first), by the plan's bytes."""
    try:
        content: Any = json.loads(plan or b"{}")
        effects = (
            effect["id"]
            for step in content.get("steps", [])
            for change in step.get("changes", [])
            if change.get("direction") == Direction.AWAY.value
            for effect in change.get("effects", [])
        )
        return frozenset(effects), int(content.get("approvals", {}).get("count", 0))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return frozenset(), 0


def _checked(
    work: Findings, files: dict[str, bytes], record: Record, at: datetime, outside: str | None
) -> Approved:
    """One record held against the files it names, as of when it was checked then."""
    principal, key, decision = (record.text(name) for name in ("principal", "key", "decision"))
    said = Approved(principal, key, decision, at=rfc3339(at))
    named, signers = (_texts(record, name) for name in ("files", "signers"))
    if not named or any(name not in files for name in named):
        return said.but("the approval that the journal counted is not here")
    for name in named:
        held = _holds(work, files[name], "\n".join(signers), record, at)
        if held:
            return said.but(f"its approval does not hold: {held}")
        if outside is not None and (held := _holds(work, files[name], outside, record, at)):
            return said.but(f"not by the allowed signers that were given: {held}")
    return said


def _holds(work: Findings, file: bytes, signers: str, record: Record, at: datetime) -> str:
    """Why this file is not the approval that the record says; empty where it is."""
    manifest = work.manifest
    if _needs_ssh_keygen(file) and ssh_keygen.program() is None:
        return "it is by a security key, which ssh-keygen checks, and there is none here"
    try:
        check = check_approvals(
            *(manifest.plan_sha256, manifest.environment, [file], signers, at),
            needed=0,
            outlast_s=0,
        )
    except InputError:
        return "the lines of allowed signers cannot be read"
    if check.problems:
        return check.problems[0].reason
    pair = (record.text("principal"), record.text("key"))
    counted = pair in check.accepted or (
        record.text("decision") == "reject" and pair[0] in check.rejected_by
    )
    agrees = counted and (record.text("decision") == "approve") is bool(check.accepted)
    return "" if agrees else "it is another person's, another key's or another decision"


def _needs_ssh_keygen(file: bytes) -> bool:
    try:
        return read_signature(read_approval(file).signature).algorithm in SECURITY_KEYS
    except (ApprovalMissing, MalformedSignature):
        return False


def _texts(record: Record, name: str) -> tuple[str, ...]:
    value = record.get(name)
    return tuple(map(str, value)) if isinstance(value, tuple) else ()
