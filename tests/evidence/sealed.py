"""A small bundle of two captures, sealed, for whoever wants to break it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ed25519

from rollback.evidence.bundle import (
    DIGEST,
    MANIFEST,
    SIGNATURE,
    Sealing,
    digest_text,
    seal,
)
from rollback.evidence.chunks import sha256
from rollback.evidence.signature import signing_with
from rollback.evidence.stores import BucketStore
from rollback.evidence.windows import recorded
from rollback.model.base import Fact, Facts, facts
from rollback.model.evidence import SourceWindow
from rollback.model.journal import Chain, line_of
from rollback.model.record import Record, RecordKind
from tests.evidence.fakes import Chunker, MemoryBucket
from tests.evidence.test_stores import bucket_effect, sink

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.approval.cryptography_keys import PrivateKey
    from rollback.model.ports import EvidenceSink

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
PLAN_BYTES = rfc8785.dumps({"playbook": "full-rollback", "steps": []})


def journal_of(*bodies: tuple[RecordKind, Facts]) -> bytes:
    chain = Chain("r-1")
    lines = []
    for kind, body in bodies:
        sequence, previous = chain.position("run")
        record = Record(
            run="r-1",
            stream="run",
            sequence=sequence,
            previous=previous,
            at=NOW,
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
    ) -> None:
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
            *((RecordKind.EVIDENCE, body) for body in captures),
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
            approvals=(("1.json", b'{"statement":"yes"}'),),
            report_md=report,
            report_html="<p>What happened</p>",
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
