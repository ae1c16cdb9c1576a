"""A small bundle of two captures, sealed, for whoever wants to break it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rollback.approval import cryptography_keys
from rollback.approval.cryptography_keys import PrivateKey
from rollback.approval.file import ApprovalFile
from rollback.approval.sshsig import Signature, fingerprint, signed_bytes
from rollback.approval.statement import NAMESPACE as APPROVALS
from rollback.approval.statement import Statement
from rollback.evidence.bundle import (
    BLOCKS,
    DIGEST,
    DRIFT,
    MANIFEST,
    SIGNATURE,
    Sealing,
    digest_text,
    seal,
)
from rollback.evidence.chunks import sha256
from rollback.evidence.damage import block_sums
from rollback.evidence.signature import signing_with
from rollback.evidence.stores import BucketStore
from rollback.evidence.windows import recorded
from rollback.model.base import Fact, Facts, Value, facts
from rollback.model.drift import CONTROL_DRIFT
from rollback.model.evidence import SourceWindow
from rollback.model.journal import Chain, line_of
from rollback.model.record import Record, RecordKind
from tests.evidence.fakes import Chunker, MemoryBucket
from tests.evidence.test_stores import bucket_effect, sink

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.ports import EvidenceSink

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
AWAY: dict[str, Any] = {"direction": "away-from-safety", "effects": [{"id": "revert#swap"}]}
PLAN_BYTES = rfc8785.dumps(
    {
        "playbook": "full-rollback",
        "environment": "production",
        "owner": "Release desk",
        "incident": "INC-4711",
        "tool_version": "0.1.0",
        "approvals": {"count": 2},
        "steps": [{"changes": [AWAY]}],
    }
)
BRIEF_BYTES = rfc8785.dumps({"format": 1, "verdict": "unchanged"})
ANA, BEN = "ana@example.net", "ben@example.net"
KEYS: dict[str, PrivateKey] = {
    name: ed25519.Ed25519PrivateKey.from_private_bytes(name[:1].encode() * 32)
    for name in (ANA, BEN)
}

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="no ssh-keygen on this machine"
)
"""The file that verifies alone leaves signatures to it."""


def approval_file(statement: Statement, key: PrivateKey, namespace: str = APPROVALS) -> bytes:
    """An approval file."""
    message = statement.text()
    _, blob = cryptography_keys.wire_key(key.public_key())
    data = signed_bytes(namespace, "sha512", message.encode())
    algorithm, value = cryptography_keys.sign_bytes(key, data)
    armour = Signature(blob, namespace, "sha512", algorithm, value).armoured()
    return ApprovalFile(statement=message, signature=armour).to_bytes()


def statement(approver: str | None, **changed: Any) -> Statement:
    """What somebody says of the plan of these bundles."""
    said = {
        "plan_sha256": sha256(PLAN_BYTES),
        "environment": "production",
        "decision": "approve",
        "not_before": NOW - timedelta(minutes=1),
        "expires": NOW + timedelta(hours=1),
        "nonce": "0" * 32,
        "approver": approver,
    }
    return Statement.model_validate(said | changed)


def signers_line(name: str, key: PrivateKey, options: str = f'namespaces="{APPROVALS}"') -> str:
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return " ".join(filter(None, (name, options, public)))


def counted(name: str, private: PrivateKey, /, *files: bytes, **changed: Value) -> Facts:
    """What the journal records of an approval that counted."""
    _, blob = cryptography_keys.wire_key(private.public_key())
    said: dict[str, Value] = {
        "principal": name,
        "key": fingerprint(blob),
        "decision": "approve",
        "expires": "",
        "files": tuple(map(sha256, files)),
        "signers": (signers_line(name, private),),
    }
    return facts(**(said | changed))


def journal_of(*bodies: tuple[RecordKind, Facts], at: datetime = NOW) -> bytes:
    """at: of the first; each is later than the one before by its fact `later_s`."""
    chain = Chain("r-1")
    lines = []
    for kind, body in bodies:
        at += timedelta(
            seconds=next((int(str(one.value)) for one in body if one.name == "later_s"), 0)
        )
        sequence, previous = chain.position("run")
        record = Record(
            run="r-1",
            stream="run",
            sequence=sequence,
            previous=previous,
            at=at,
            monotonic_ms=sequence,
            kind=kind,
            body=body,
        )
        line = line_of(record)
        chain.add(record, line)
        lines.append(line + b"\n")
    return b"".join(lines)


def window(name: str, into: EvidenceSink, lines: int, moment: str = "durable") -> SourceWindow:
    chunker = Chunker(into, size=256)
    for number in range(lines):
        chunker.add(b'{"source":"%s","event":%d}' % (name.encode(), number))
    chunker.flush()
    return SourceWindow(
        source=name,
        moment=moment,
        completeness="complete",
        items=chunker.items,
        chunks=chunker.chunks,
    )


class Sealed:
    """A sealed bundle of two captures, and what it was made of."""

    def __init__(
        self,
        folder: Path,
        *,
        signed: bool = False,
        key: PrivateKey | None = None,
        report: str = "# What happened\n",
        files: tuple[bytes, ...] | None = None,
        people: tuple[tuple[RecordKind, Facts], ...] | None = None,
    ) -> None:
        """files: approvals; people: what the journal says before the first move of users."""
        if files is None:
            files = tuple(approval_file(statement(name), key) for name, key in KEYS.items())
        if people is None:
            people = tuple(
                (RecordKind.APPROVED, counted(name, key, data))
                for (name, key), data in zip(KEYS.items(), files, strict=True)
            )
        self.store = BucketStore(MemoryBucket(), bucket_effect(), "")
        into = sink(self.store, None)
        before = (window("backend/routing-rules", into, 3, "before/revert"),)
        after = (
            window("cosmos/audit_log", into, 40, "after"),
            SourceWindow(
                source="cosmos/operational_events",
                moment="after",
                completeness="unknown",
                reason="it could not be reached",
            ),
        )
        captures = [
            (*facts(code="performed"), *_performed(recorded(made, moment, into)))
            for moment, made in (("before/revert", before), ("after", after))
        ]
        self.journal = journal_of(
            (RecordKind.OPENED, facts(plan=sha256(PLAN_BYTES))),
            *people,
            (RecordKind.INTENT, facts(effect="revert#swap")),
            *((RecordKind.EVIDENCE, body) for body in captures),
            (RecordKind.NOTE, facts(code=CONTROL_DRIFT, sha256=sha256(b"of an earlier sitting"))),
            (RecordKind.NOTE, facts(code=CONTROL_DRIFT, sha256=sha256(BRIEF_BYTES))),
            (RecordKind.NOTE, facts(code="sealing")),
        )
        self.sealing = Sealing(
            run="r-1",
            playbook="full-rollback",
            environment="production",
            owner="Release desk",
            incident="INC-4711",
            plan=PLAN_BYTES,
            journal=self.journal,
            created=NOW,
            created_by="ana@example.net",
            tool_version="0.1.0",
            store="folder",
            approvals=tuple((f"{one}.json", data) for one, data in enumerate(files, start=1)),
            report_md=report,
            report_html="<p>What happened</p>",
            extra=((DRIFT, BRIEF_BYTES),),
        )
        key = key or (ed25519.Ed25519PrivateKey.generate() if signed else None)
        self.sign = None if key is None else signing_with(key)
        self.folder = folder
        self.manifest = seal(folder, self.sealing, self.store.get, self.sign)


def _performed(body: Facts) -> Facts:
    return tuple(Fact(name=f"performed/{one.name}", value=one.value) for one in body)


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def resealed(folder: Path, written: bytes) -> None:
    """Put a manifest in place of the sealed one, with every digest that needs no key."""
    path = folder / SIGNATURE
    signature = path.read_bytes() if path.exists() else None
    rewrite(folder / MANIFEST, written)
    rewrite(folder / DIGEST, digest_text(written, signature))


def refile(folder: Path, name: str, data: bytes) -> None:
    """Replace a listed file, with its digest in the manifest and its sums."""
    rewrite(folder / name, data)
    lines = [
        f"{line.split(' ')[0]} {' '.join(f'{one:08x}' for one in block_sums(data))}"
        if line.split(" ")[0] == name
        else line
        for line in (folder / BLOCKS).read_text().splitlines()
    ]
    rewrite(folder / BLOCKS, ("\n".join(lines) + "\n").encode())
    content = json.loads((folder / MANIFEST).read_bytes())
    for entry in content["files"]:
        listed = (folder / entry["path"]).read_bytes()
        entry.update(sha256=sha256(listed), bytes=len(listed))
    resealed(folder, rfc8785.dumps(content))
