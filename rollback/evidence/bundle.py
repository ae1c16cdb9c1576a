"""The bundle: everything a reviewer needs, in one folder that can be verified with nothing else.

    manifest.json   what is here, by digest; canonical JSON
    manifest.sha256 its digest, as sha256sum writes it; written last; what to anchor elsewhere
    manifest.sig    an SSH signature over manifest.json, where there is a run key
    plan.json       the plan, byte for byte
    journal.jsonl   the journal up to the sealing, byte for byte
    approvals/      the approvals that were given
    report.md  report.html
    chunks/<sha256> every chunk that a window lists

Everything is written once and made read-only. A bundle without manifest.sha256 is not sealed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import rfc8785

from rollback.errors import ConnectorError, EvidenceNotWritten, ProductDefect
from rollback.evidence import windows as captured
from rollback.evidence.chunks import sha256
from rollback.evidence.stores import CHUNKS, create, make_folder
from rollback.model import journal
from rollback.model.evidence import BundleFile, Manifest, SourceWindow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

MANIFEST: Final = "manifest.json"
DIGEST: Final = "manifest.sha256"
SIGNATURE: Final = "manifest.sig"
PLAN: Final = "plan.json"
JOURNAL: Final = "journal.jsonl"
APPROVALS: Final = "approvals"
REPORTS: Final = ("report.md", "report.html")
NAMESPACE: Final = "evidence@trade-rollback"
"""Namespace of the signature over a manifest: it can never be taken for an approval."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """What goes into a bundle besides chunks.

    plan, journal: byte for byte. approvals: file name and content of each. store: where the chunks
    are kept, in words, without secrets. windows: None takes them from the journal's records.
    """

    run: str
    environment: str
    owner: str
    incident: str | None
    plan: bytes
    journal: bytes
    created: datetime
    created_by: str
    tool_version: str
    store: str
    approvals: tuple[tuple[str, bytes], ...] = ()
    report_md: str = ""
    report_html: str = ""
    windows: tuple[SourceWindow, ...] | None = None
    extra: tuple[tuple[str, bytes], ...] = field(default=())


def seal(
    folder: Path,
    sealing: Sealing,
    fetch: Callable[[str], bytes | None],
    sign: Callable[[bytes], str] | None = None,
) -> Manifest:
    """Write the bundle into `folder`. Sealing the same things again is the same bundle.

    fetch: gives a stored chunk by name, None where it is not there. sign: gives an armored SSH
    signature in `NAMESPACE` over the manifest's bytes. Raises EvidenceNotWritten where the folder
    cannot be written, holds something else, or a chunk is in no store; JournalBroken's parent
    likewise where the journal does not verify.
    """
    check = journal.verify(sealing.journal)
    if not check.holds:
        raise _broken(f"the journal does not verify: line {check.line}: {check.problem}")
    whole = sealing.journal[: check.good_bytes]
    windows = sealing.windows
    if windows is None:
        windows = captured.recalled(check.records, fetch)
    files = _files(sealing, whole)
    manifest = Manifest(
        run=sealing.run,
        environment=sealing.environment,
        owner=sealing.owner,
        incident=sealing.incident,
        plan_sha256=sha256(sealing.plan),
        journal_head=check.head,
        journal_records=len(check.records),
        created=sealing.created,
        created_by=sealing.created_by,
        tool_version=sealing.tool_version,
        store=sealing.store,
        windows=windows,
        files=tuple(
            BundleFile(path=path, sha256=sha256(data), bytes=len(data))
            for path, data in sorted(files.items())
        ),
        signature="unsigned" if sign is None else "sshsig",
        spooled=captured.spooled(check.records),
    )
    written = canonical(manifest)
    try:
        make_folder(folder)
        _chunks(folder, windows, fetch)
        for path, data in sorted(files.items()):
            _write(folder / path, data)
        if sign is not None:
            _write(folder / SIGNATURE, sign(written).encode())
        _write(folder / MANIFEST, written)
        _write(folder / DIGEST, digest_line(written))
    except OSError as error:
        raise _broken(f"{folder}: {error.strerror or type(error).__name__}") from error
    return manifest


def canonical(manifest: Manifest) -> bytes:
    """The bytes of manifest.json: RFC 8785."""
    return rfc8785.dumps(manifest.model_dump(mode="json"))


def digest_line(written: bytes) -> bytes:
    """The line of manifest.sha256, which ``sha256sum --check`` understands too."""
    return f"{sha256(written)}  {MANIFEST}\n".encode()


def chunk_names(windows: tuple[SourceWindow, ...]) -> tuple[str, ...]:
    """Names of all chunks that windows list, each once, in order."""
    return tuple(sorted({chunk.sha256 for window in windows for chunk in window.chunks}))


def _files(sealing: Sealing, whole_journal: bytes) -> dict[str, bytes]:
    files = {PLAN: sealing.plan, JOURNAL: whole_journal}
    reports = (sealing.report_md, sealing.report_html)
    files |= {
        name: text.encode() for name, text in zip(REPORTS, reports, strict=True) if text
    }
    files |= {f"{APPROVALS}/{name}": data for name, data in sealing.approvals}
    files |= dict(sealing.extra)
    for path in files:
        parts = path.split("/")
        taken = path in (MANIFEST, DIGEST, SIGNATURE) or parts[0] == CHUNKS
        if taken or "" in parts or ".." in parts:
            msg = f"no file of a bundle can be called {path!r}"
            raise ProductDefect("evidence.file-name", msg)
    return files


def _chunks(
    folder: Path, windows: tuple[SourceWindow, ...], fetch: Callable[[str], bytes | None]
) -> None:
    for name in chunk_names(windows):
        path = folder / CHUNKS / name
        if path.exists():
            continue
        try:
            data = fetch(name)
        except ConnectorError as error:
            raise _broken(f"chunk {name[:12]} cannot be fetched: {error.reason}") from error
        if data is None or sha256(data) != name:
            what = "is in no store" if data is None else "is not what its name says"
            raise _broken(f"chunk {name[:12]} {what}")
        _write(path, data)


def _write(path: Path, data: bytes) -> None:
    try:
        create(path, data)
    except FileExistsError:
        if path.read_bytes() != data:
            raise _broken(f"{path.name} is there already and differs") from None


def _broken(reason: str) -> EvidenceNotWritten:
    return EvidenceNotWritten(
        "evidence.not-sealed",
        reason,
        hint="the chunks stay where they are; seal again into another folder",
        promise="evidence-first",
    )
