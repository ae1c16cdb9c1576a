"""A bundle verified offline: nothing is trusted that the manifest does not account for.

V1  manifest.json is there, is the canonical form of a manifest of a format known here, and has the
    digest that manifest.sha256 says
V2  every file it lists is there, with its size and digest; plan and journal are among them
V3  every chunk a window lists is there under its digest, and unpacks to the digest, size and
    count of lines the window says; equal names mean equal chunks
V4  nothing else is in the folder, and nothing is a link
V5  the plan is the one the manifest names, and the one the journal was opened for
V6  the journal's chain holds, ends at the head the manifest names, and has as many records
V7  every list of windows that the journal names is here, and lists what the manifest lists
V8  a signed manifest has a signature that is valid for its bytes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from rollback.evidence import windows as captured
from rollback.evidence.bundle import (
    DIGEST,
    JOURNAL,
    MANIFEST,
    NAMESPACE,
    PLAN,
    SIGNATURE,
    canonical,
    digest_line,
)
from rollback.evidence.chunks import STORED_BYTES_MAX, sha256, unpacked
from rollback.evidence.stores import CHUNKS
from rollback.model import journal
from rollback.model.evidence import Manifest
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.evidence import Chunk

MANIFEST_BYTES_MAX = 256 * 2**20
FILE_BYTES_MAX = 2**30


@dataclass(frozen=True, slots=True)
class BundleProblem:
    """One thing wrong. file: inside the bundle. line: of a journal, from 1; byte: from 0."""

    rule: str
    file: str
    what: str
    line: int | None = None
    byte: int | None = None

    def __str__(self) -> str:
        """Say where first."""
        where = self.file
        if self.line is not None:
            where += f" line {self.line}"
        if self.byte is not None:
            where += f" byte {self.byte}"
        return f"{where}: {self.what} ({self.rule})"


@dataclass(frozen=True, slots=True)
class BundleCheck:
    """What verification found. incomplete: sources with a gap, which are no problem of the bundle.

    manifest_sha256: to be held against what was anchored outside the machine.
    """

    manifest: Manifest | None
    problems: tuple[BundleProblem, ...]
    files: int = 0
    chunks: int = 0
    items: int = 0
    incomplete: tuple[str, ...] = ()
    signed_by: str = ""
    manifest_sha256: str = ""

    @property
    def holds(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


@dataclass(slots=True)
class _Work:
    folder: Path
    manifest: Manifest
    problems: list[BundleProblem] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)

    def wrong(
        self, rule: str, file: str, what: str, line: int | None = None, byte: int | None = None
    ) -> None:
        self.problems.append(BundleProblem(rule, file, what, line, byte))


def verify_bundle(folder: Path) -> BundleCheck:
    """Verify a bundle with nothing but its folder. Never raises for what is in it."""
    manifest, raw, problem = _manifest(folder)
    if manifest is None:
        return BundleCheck(None, (problem,) if problem else ())
    work = _Work(folder, manifest, expected={MANIFEST, DIGEST})
    _digest(work, raw)
    _files(work)
    _chunks(work)
    signed_by = _signature(work, raw)
    _nothing_else(work)
    _plan_and_journal(work)
    return BundleCheck(
        manifest=manifest,
        problems=tuple(work.problems),
        files=len(manifest.files),
        chunks=len({one.sha256 for window in manifest.windows for one in window.chunks}),
        items=sum(window.items for window in manifest.windows),
        incomplete=tuple(
            f"{window.source} ({window.moment}): {window.completeness}, {window.reason}"
            for window in manifest.windows
            if window.completeness != "complete"
        ),
        signed_by=signed_by,
        manifest_sha256=sha256(raw),
    )


def _manifest(folder: Path) -> tuple[Manifest | None, bytes, BundleProblem | None]:
    """V1."""
    raw, why = _read(folder, MANIFEST, MANIFEST_BYTES_MAX)
    if raw is None:
        return None, b"", BundleProblem("V1", MANIFEST, why)
    try:
        manifest = Manifest.model_validate_json(raw)
        again = canonical(manifest)
    except (ValidationError, ValueError) as error:
        count = error.error_count() if isinstance(error, ValidationError) else 1
        what = f"not a manifest of format 1 ({count} problems)"
        return None, raw, BundleProblem("V1", MANIFEST, what)
    if again != raw:
        what = "not in canonical form"
        return None, raw, BundleProblem("V1", MANIFEST, what, byte=_differs(raw, again))
    return manifest, raw, None


def _digest(work: _Work, raw: bytes) -> None:
    """V1: one of the two was changed; which one cannot be told from here."""
    said, why = _read(work.folder, DIGEST, 2**12)
    if said is None:
        work.wrong("V1", DIGEST, f"{why}: the bundle was not sealed to its end")
    elif said != digest_line(raw):
        work.wrong("V1", MANIFEST, f"its digest is not the one in {DIGEST}")
        work.wrong("V1", DIGEST, f"it is not the digest of {MANIFEST}")


def _files(work: _Work) -> None:
    """V2."""
    listed = [entry.path for entry in work.manifest.files]
    if len(set(listed)) != len(listed):
        work.wrong("V2", MANIFEST, "a file is listed twice")
    for name in (PLAN, JOURNAL):
        if name not in listed:
            work.wrong("V2", name, "not listed; a bundle without it proves nothing")
    for entry in work.manifest.files:
        parts = entry.path.split("/")
        if entry.path.startswith("/") or ".." in parts or "" in parts or parts[0] == CHUNKS:
            work.wrong("V2", entry.path, "not a path inside the bundle")
            continue
        work.expected.add(entry.path)
        data, why = _read(work.folder, entry.path, FILE_BYTES_MAX)
        if data is None:
            work.wrong("V2", entry.path, why)
            continue
        work.contents[entry.path] = data
        if len(data) != entry.bytes:
            first = min(len(data), entry.bytes)
            what = f"{len(data)} bytes where {entry.bytes} were sealed"
            work.wrong("V2", entry.path, what, byte=None if entry.path == JOURNAL else first)
        elif sha256(data) != entry.sha256:
            work.wrong("V2", entry.path, "its bytes are not those that were sealed")


def _chunks(work: _Work) -> None:
    """V3."""
    seen: dict[str, Chunk] = {}
    for window in work.manifest.windows:
        for chunk in window.chunks:
            path = f"{CHUNKS}/{chunk.sha256}"
            known = seen.setdefault(chunk.sha256, chunk)
            if known != chunk:
                work.wrong("V3", path, "two windows say different things of it")
            elif path not in work.expected:
                work.expected.add(path)
                _chunk(work, path, chunk)
        if window.items != sum(chunk.items for chunk in window.chunks):
            what = f"window {window.source} counts other than its chunks"
            work.wrong("V3", MANIFEST, what)


def _chunk(work: _Work, path: str, chunk: Chunk) -> None:
    data, why = _read(work.folder, path, STORED_BYTES_MAX)
    if data is None:
        work.wrong("V3", path, why)
    elif len(data) != chunk.bytes:
        first = min(len(data), chunk.bytes)
        work.wrong("V3", path, f"{len(data)} bytes where {chunk.bytes} were sealed", byte=first)
    elif sha256(data) != chunk.sha256:
        work.wrong("V3", path, "its bytes are not those of its name")
    else:
        _content(work, path, chunk, data)


def _content(work: _Work, path: str, chunk: Chunk, data: bytes) -> None:
    try:
        content = unpacked(data)
    except ValueError as error:
        work.wrong("V3", path, str(error))
        return
    told = (chunk.content_sha256, chunk.content_bytes, chunk.items)
    if (sha256(content), len(content), content.count(b"\n")) != told:
        work.wrong("V3", path, "it unpacks to something else than the manifest says")


def _nothing_else(work: _Work) -> None:
    """V4."""
    folders = {"/".join(path.split("/")[:depth]) for path in work.expected for depth in (1, 2)}
    for path in sorted(work.folder.rglob("*")):
        name = path.relative_to(work.folder).as_posix()
        if path.is_symlink():
            work.wrong("V4", name, "a link; a bundle holds files")
        elif path.is_dir():
            if name not in folders:
                work.wrong("V4", name, "not part of the bundle")
        elif name not in work.expected:
            work.wrong("V4", name, "not part of the bundle")


def _plan_and_journal(work: _Work) -> None:
    """V5, V6, V7."""
    plan = work.contents.get(PLAN)
    if plan is not None and sha256(plan) != work.manifest.plan_sha256:
        work.wrong("V5", PLAN, "not the plan that the manifest names")
    data = work.contents.get(JOURNAL)
    if data is None:
        return
    check = journal.verify(data)
    if not check.holds:
        work.wrong("V6", JOURNAL, check.problem, line=check.line, byte=check.good_bytes)
        return
    if check.torn_bytes:
        work.wrong("V6", JOURNAL, "it ends in the middle of a line", byte=check.good_bytes)
    if (check.head, len(check.records)) != (
        work.manifest.journal_head,
        work.manifest.journal_records,
    ):
        what = f"it ends after {len(check.records)} records, not at the head that was sealed"
        work.wrong("V6", JOURNAL, what, line=len(check.records))
    if check.run and check.run != work.manifest.run:
        work.wrong("V6", JOURNAL, f"the journal of run {check.run}")
    for record in check.records:
        opened_for = record.text("plan") or record.text("plan_sha256")
        if record.kind is RecordKind.OPENED and opened_for not in ("", work.manifest.plan_sha256):
            work.wrong("V5", JOURNAL, "it was opened for another plan", line=1)
    _lists(work, captured.lists(check.records))


def _lists(work: _Work, lists: tuple[tuple[str, Chunk], ...]) -> None:
    """V7."""
    held = set(work.manifest.windows)
    listed = {window.chunks[0].sha256 for window in held if window.source == captured.WINDOWS}
    told = set()
    unread = False
    for _, chunk in lists:
        path = f"{CHUNKS}/{chunk.sha256}"
        if chunk.sha256 not in listed:
            work.wrong("V7", path, "the journal names this list of windows; the manifest does not")
            unread = True
            continue
        data, _ = _read(work.folder, path, STORED_BYTES_MAX)
        try:
            windows = captured.parsed(unpacked(data or b""))
        except ValueError:
            unread = True  # V3 has said so
            continue
        told |= set(windows)
        if not set(windows) <= held:
            work.wrong("V7", MANIFEST, f"a window of the capture {path} is left out or changed")
    extra = [one for one in held - told if one.source != captured.WINDOWS]
    if lists and extra and not unread:
        first = min(one.source for one in extra)
        work.wrong("V7", MANIFEST, f"window {first} is in no capture that the journal records")


def _signature(work: _Work, raw: bytes) -> str:
    """V8. Says by which key; whether that key is to be trusted is the reader's to know."""
    if work.manifest.signature == "unsigned":
        return ""
    work.expected.add(SIGNATURE)
    armored, why = _read(work.folder, SIGNATURE, 2**16)
    if armored is None:
        work.wrong("V8", SIGNATURE, why)
        return ""
    from rollback.evidence.signature import signer

    fingerprint, problem = signer(armored, raw, NAMESPACE)
    if problem:
        work.wrong("V8", SIGNATURE, problem)
    return fingerprint


def _read(folder: Path, name: str, bytes_max: int) -> tuple[bytes | None, str]:
    """(content, why not). A link is not followed."""
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file():
            return None, "missing" if not path.exists() else "not a plain file"
        if path.stat().st_size > bytes_max:
            return None, f"larger than {bytes_max} bytes"
        return path.read_bytes(), ""
    except OSError as error:
        return None, error.strerror or type(error).__name__


def _differs(one: bytes, other: bytes) -> int:
    both = zip(one, other, strict=False)
    shorter = min(len(one), len(other))
    return next((at for at, (a, b) in enumerate(both) if a != b), shorter)
