"""A bundle verified offline: nothing is trusted that the manifest does not account for.

V1  manifest.json is there, is the canonical form of a manifest of a format known here, and has the
    digest that manifest.sha256 says
V2  every file it lists is there, with its size and digest; plan, journal, reports and the sums of
    blocks are among them, and no file that the format does not know
V3  every chunk a window lists is there under its digest, and unpacks to the digest, size and
    count of lines the window says; equal names mean equal chunks
V4  nothing else is in the folder, and nothing is a link
V5  the plan is the one the manifest names, and the one the journal was opened for
V6  the journal's chain holds, ends at the head the manifest names, and has as many records
V7  every list of windows that the journal names is here, and lists what the manifest lists, each
    window as often
V8  a signed manifest has a signature that is valid for its bytes, by a signer who is allowed where
    signers were given
V9  the manifest has the digest that was anchored elsewhere, where one was given
V10 every approval that the journal counted is here, and holds: for this plan and environment, in
    time, by a key that the signers of the record give to that person; no users were moved with
    fewer people than the plan demands, but by break-glass

`rollback.evidence.standalone_verify` keeps the same rules with the standard library alone.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from rollback.approval.allowed_signers import read_allowed_signers
from rollback.evidence.bundle import (
    BLOCKS,
    DIGEST,
    MANIFEST,
    NAMESPACE,
    NEEDED,
    SIGNATURE,
    belongs,
    blocks_text,
    read_sums,
)
from rollback.evidence.chunks import CONTENT_BYTES_MAX, STORED_BYTES_MAX, sha256, unpacked
from rollback.evidence.damage import block_sums, first_damage, first_difference
from rollback.evidence.problems import BundleCheck, BundleProblem, Findings, read_file
from rollback.evidence.stores import CHUNKS
from rollback.evidence.verify_approvals import approvals
from rollback.evidence.verify_journal import plan_and_journal
from rollback.evidence.verify_seal import SMALL_BYTES_MAX, manifest_of, sealed_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.approval.allowed_signers import AllowedSigner
    from rollback.model.evidence import Chunk

FILE_BYTES_MAX: Final = 2**30

__all__ = ["BundleCheck", "BundleProblem", "verify_bundle"]


def verify_bundle(
    folder: Path,
    *,
    anchor: str = "",
    signers: tuple[AllowedSigner, ...] | None = None,
    approvers: str | None = None,
) -> BundleCheck:
    """Verify a bundle with nothing but its folder. Never raises for what is in it.

    anchor: digest of the manifest as it was kept elsewhere, empty where it is not known. signers:
    who may sign evidence; None leaves the judgement of the key to the reader. approvers: the text
    of an allowed-signers file from outside; every approval that counted must then be by one of
    them. Raises InputError where that cannot be read, and for nothing else.
    """
    raw, problems = sealed_manifest(folder)
    if raw is None:
        return BundleCheck(None, problems)
    manifest, problem = manifest_of(raw)
    if manifest is None:
        # A manifest that cannot be read is what is broken, whatever manifest.sha256 says.
        named = [one for one in problems if one.file == MANIFEST and one.byte is not None]
        known = tuple(named) or ((problem,) if problem else problems)
        return BundleCheck(None, known, manifest_sha256=sha256(raw))
    if approvers is not None:
        read_allowed_signers(approvers)
    work = Findings(folder, manifest, list(problems), expected={MANIFEST, DIGEST})
    _files(work)
    chunks = _chunks(work)
    signed_by, principals = _signature(work, raw, signers)
    _nothing_else(work)
    approved = approvals(work, plan_and_journal(work), approvers)
    _sums_themselves(work)
    if anchor and anchor.lower() != sha256(raw):
        work.wrong("V9", MANIFEST, f"it is not the manifest that was anchored as {anchor.lower()}")
    return BundleCheck(
        manifest=manifest,
        problems=tuple(work.problems),
        files=len(manifest.files),
        chunks=chunks,
        items=sum(window.items for window in manifest.windows),
        incomplete=tuple(
            f"{window.source} ({window.moment}): {window.completeness}, {window.reason}"
            for window in manifest.windows
            if window.completeness != "complete"
        ),
        signed_by=signed_by,
        principals=principals,
        manifest_sha256=sha256(raw),
        approvals=approved,
    )


def _files(work: Findings) -> None:
    """V2."""
    listed = [entry.path for entry in work.manifest.files]
    if len(set(listed)) != len(listed):
        work.wrong("V2", MANIFEST, "a file is listed twice")
    for name in NEEDED:
        if name not in listed:
            work.wrong("V2", name, "not listed; a bundle without it proves nothing")
    text, _ = read_file(work.folder, BLOCKS, FILE_BYTES_MAX)
    work.sums = read_sums(text or b"")
    for entry in work.manifest.files:
        if not belongs(entry.path):
            work.wrong("V2", entry.path, "not a file of a bundle")
            continue
        work.expected.add(entry.path)
        data, why = read_file(work.folder, entry.path, FILE_BYTES_MAX)
        if data is None:
            work.wrong("V2", entry.path, why)
            continue
        work.contents[entry.path] = data
        work.found[entry.path] = block_sums(data)
        if len(data) != entry.bytes or sha256(data) != entry.sha256:
            _say_damage(work, "V2", entry.path, data, entry.bytes, entry.sha256)


def _say_damage(
    work: Findings, rule: str, path: str, data: bytes, sealed_bytes: int, sealed: str
) -> None:
    """What is wrong with a file whose digest is another, and where that begins."""
    what = "its bytes are not those that were sealed"
    if len(data) != sealed_bytes:
        what = f"{len(data)} bytes where {sealed_bytes} were sealed"
    damage = first_damage(data, work.sums.get(path, ()), sealed_bytes, sealed)
    if damage is not None:
        what = f"{what}; {damage}"
    work.wrong(rule, path, what, byte=None if damage is None else damage.byte)


def _chunks(work: Findings) -> int:
    """V3; how many there are."""
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
    return len(seen)


def _chunk(work: Findings, path: str, chunk: Chunk) -> None:
    data, why = read_file(work.folder, path, STORED_BYTES_MAX)
    if data is None:
        work.wrong("V3", path, why)
        return
    work.found[path] = block_sums(data)
    if len(data) != chunk.bytes or sha256(data) != chunk.sha256:
        _say_damage(work, "V3", path, data, chunk.bytes, chunk.sha256)
    else:
        try:
            content = unpacked(data, min(chunk.content_bytes, CONTENT_BYTES_MAX))
        except ValueError as error:
            work.wrong("V3", path, str(error))
            return
        told = (chunk.content_sha256, chunk.content_bytes, chunk.items)
        if (sha256(content), len(content), content.count(b"\n")) != told:
            work.wrong("V3", path, "it unpacks to something else than the manifest says")


def _nothing_else(work: Findings) -> None:
    """V4."""
    folders = {str(parent) for path in work.expected for parent in PurePosixPath(path).parents}
    for path in sorted(work.folder.rglob("*")):
        name = path.relative_to(work.folder).as_posix()
        if path.is_symlink():
            work.wrong("V4", name, "a link; a bundle holds files")
        elif path.is_dir():
            if name not in folders:
                work.wrong("V4", name, "not part of the bundle")
        elif name not in work.expected:
            work.wrong("V4", name, "not part of the bundle")


def _sums_themselves(work: Findings) -> None:
    """V2: sums are of what is here; where they are what was damaged, the place is told."""
    said = work.contents.get(BLOCKS)
    if said is None or {one.file for one in work.problems} - {BLOCKS}:
        return
    right = blocks_text({path: sums for path, sums in work.found.items() if path != BLOCKS})
    if said == right:
        return
    at = first_difference(said, right)
    work.problems = [one for one in work.problems if one.file != BLOCKS]
    work.wrong("V2", BLOCKS, "these are not the sums of the files that are here", byte=at)


def _signature(
    work: Findings, raw: bytes, signers: tuple[AllowedSigner, ...] | None
) -> tuple[str, tuple[str, ...]]:
    """V8: (fingerprint, principals). Whose key it is, only the signers that were given can say."""
    if work.manifest.signature == "unsigned":
        if signers is not None:
            work.wrong("V8", MANIFEST, "it is not signed, and signers were asked for")
        return "", ()
    work.expected.add(SIGNATURE)
    armored, why = read_file(work.folder, SIGNATURE, SMALL_BYTES_MAX)
    if armored is None:
        work.wrong("V8", SIGNATURE, why)
        return "", ()
    if any(one.file == SIGNATURE and one.byte is not None for one in work.problems):
        return "", ()
    from rollback.evidence.signature import allowed, signer

    signature, problem = signer(armored, raw, NAMESPACE)
    if signature is None or problem:
        work.wrong("V8", SIGNATURE, problem)
        return "", ()
    if signers is None:
        return signature.fingerprint, ()
    principals = allowed(signature, signers, work.manifest.created)
    if not principals:
        work.wrong("V8", SIGNATURE, f"{signature.fingerprint} is not allowed to sign evidence")
    return signature.fingerprint, principals
