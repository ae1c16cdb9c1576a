"""The bundle: everything a reviewer needs, in one folder that can be verified with nothing else.

    manifest.json   what is here, by digest; canonical JSON
    manifest.sha256 its digest, as sha256sum reads it; written last; what to anchor elsewhere
    manifest.sig    an SSH signature over manifest.json, where there is a run key
    plan.json       the plan, byte for byte
    journal.jsonl   the journal up to the sealing, byte for byte
    approvals/      the approvals that were given
    captures/       the list of windows of each capture, as its chunk unpacks
    drift.json      control-plane state before and after, where it was read
    report.md  report.html
    blocks.txt      sums of the blocks of every file: they find damage, and prove nothing
    chunks/<sha256> every chunk that a window lists

Everything is written once and made read-only. A bundle without manifest.sha256 is not sealed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import rfc8785

from rollback.connectors.folders import make_folder
from rollback.errors import ConnectorError, EvidenceNotWritten, ProductDefect
from rollback.evidence import windows as captured
from rollback.evidence.chunks import sha256, unpacked
from rollback.evidence.damage import block_sums
from rollback.evidence.stores import CHUNKS, create
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
CAPTURES: Final = "captures"
DRIFT: Final = "drift.json"
BLOCKS: Final = "blocks.txt"
REPORTS: Final = ("report.md", "report.html")
NAMESPACE: Final = "evidence@trade-rollback"
"""Namespace of the signature over a manifest: it can never be taken for an approval."""

PATH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)*")
"""What a path inside a bundle looks like: no blank, no dot in front, nothing that leads out."""

NEEDED: Final = (PLAN, JOURNAL, *REPORTS, BLOCKS)
"""Files that every bundle has."""

_FOLDERS: Final = frozenset({APPROVALS, CAPTURES})
_OWN: Final = frozenset({BLOCKS, CAPTURES})


def belongs(path: str) -> bool:
    """Whether a bundle may list a file of this path: no other is part of the format."""
    folder, _, name = path.rpartition("/")
    known = name in {*NEEDED, DRIFT} if not folder else folder in _FOLDERS
    return known and PATH.fullmatch(path) is not None



@dataclass(frozen=True, slots=True)
class Sealing:
    """What goes into a bundle besides chunks.

    plan, journal: byte for byte. approvals: file name and content of each. store: where the chunks
    are kept, in words, without secrets. windows: None takes them from the journal's records.
    """

    run: str
    playbook: str
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
    windows = sealing.windows
    if windows is None:
        windows = captured.recalled(check.records, fetch)
    files = _files(sealing, sealing.journal[: check.good_bytes])
    try:
        make_folder(folder)
        sums = {path: block_sums(data) for path, data in files.items()}
        for name in chunk_names(windows):
            stored = _chunk(folder, name, fetch)
            sums[f"{CHUNKS}/{name}"] = block_sums(stored)
        for _, chunk in captured.lists(check.records):
            listed = unpacked((folder / CHUNKS / chunk.sha256).read_bytes())
            files[f"{CAPTURES}/{chunk.content_sha256}.json"] = listed
            sums[f"{CAPTURES}/{chunk.content_sha256}.json"] = block_sums(listed)
        files[BLOCKS] = blocks_text(sums)
        for path, data in sorted(files.items()):
            _write(folder / path, data)
        manifest = _manifest(sealing, windows, check, files, signed=sign is not None)
        written = canonical(manifest)
        signature = None if sign is None else sign(written).encode()
        if signature is not None:
            _write(folder / SIGNATURE, signature)
        _write(folder / MANIFEST, written)
        _write(folder / DIGEST, digest_text(written, signature))
    except OSError as error:
        raise _broken(f"{folder}: {error.strerror or type(error).__name__}") from error
    except ValueError as error:
        raise _broken(f"the list of a capture cannot be read: {error}") from error
    return manifest


def _manifest(
    sealing: Sealing,
    windows: tuple[SourceWindow, ...],
    check: journal.JournalCheck,
    files: dict[str, bytes],
    *,
    signed: bool,
) -> Manifest:
    return Manifest(
        run=sealing.run,
        playbook=sealing.playbook,
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
        signature="sshsig" if signed else "unsigned",
        spooled=captured.spooled(check.records),
    )


def canonical(manifest: Manifest) -> bytes:
    """The bytes of manifest.json: RFC 8785."""
    return rfc8785.dumps(manifest.model_dump(mode="json"))


def digest_text(written: bytes, signature: bytes | None = None) -> bytes:
    """The text of manifest.sha256, which ``sha256sum --check`` understands too.

    A line for the manifest, one for its signature, and the sums of their blocks as remarks.
    """
    parts = {MANIFEST: written} | ({} if signature is None else {SIGNATURE: signature})
    lines = [f"{sha256(data)}  {name}\n" for name, data in parts.items()]
    lines += [f"# {_sums_line(name, block_sums(data))}" for name, data in parts.items()]
    return "".join(lines).encode()


def blocks_text(sums: dict[str, tuple[int, ...]]) -> bytes:
    """The text of blocks.txt: a line a file, its path and the sums of its blocks."""
    return "".join(_sums_line(path, sums[path]) for path in sorted(sums)).encode()


def read_sums(text: bytes) -> dict[str, tuple[int, ...]]:
    """The sums of blocks.txt, or of the remarks of manifest.sha256; unreadable lines left out."""
    found: dict[str, tuple[int, ...]] = {}
    for line in text.decode("ascii", "replace").splitlines():
        name, *words = line.removeprefix("# ").split(" ")
        try:
            found[name] = tuple(int(word, 16) for word in words)
        except ValueError:
            continue
    return found


def _sums_line(name: str, sums: tuple[int, ...]) -> str:
    return " ".join([name, *(f"{one:08x}" for one in sums)]) + "\n"


def chunk_names(windows: tuple[SourceWindow, ...]) -> tuple[str, ...]:
    """Names of all chunks that windows list, each once, in order."""
    return tuple(sorted({chunk.sha256 for window in windows for chunk in window.chunks}))


def _files(sealing: Sealing, whole_journal: bytes) -> dict[str, bytes]:
    files = {PLAN: sealing.plan, JOURNAL: whole_journal}
    reports = (sealing.report_md, sealing.report_html)
    files |= {name: text.encode() for name, text in zip(REPORTS, reports, strict=True)}
    files |= {f"{APPROVALS}/{name}": data for name, data in sealing.approvals}
    files |= dict(sealing.extra)
    for path in files:
        if path.split("/")[0] in _OWN or not belongs(path):
            msg = f"no file of a bundle can be called {path!r}"
            raise ProductDefect("evidence.file-name", msg)
    return files


def _chunk(folder: Path, name: str, fetch: Callable[[str], bytes | None]) -> bytes:
    path = folder / CHUNKS / name
    if path.exists():
        data = path.read_bytes()
        if sha256(data) != name:
            raise _broken(f"{path} is there already and is not what its name says")
        return data
    try:
        found = fetch(name)
    except ConnectorError as error:
        raise _broken(f"chunk {name[:12]} cannot be fetched: {error.reason}") from error
    if found is None or sha256(found) != name:
        what = "is in no store" if found is None else "is not what its name says"
        raise _broken(f"chunk {name[:12]} {what}")
    _write(path, found)
    return found


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
