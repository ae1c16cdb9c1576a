"""A bundle sealed, then tampered with in every way a bundle can be: verification names the place."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ed25519

from rollback.errors import EvidenceNotWritten
from rollback.evidence.bundle import (
    DIGEST,
    JOURNAL,
    MANIFEST,
    PLAN,
    SIGNATURE,
    canonical,
    chunk_names,
    digest_text,
    seal,
)
from rollback.evidence.chunks import packed, sha256
from rollback.evidence.stores import CHUNKS, FolderStore
from rollback.evidence.verify import BundleCheck, verify_bundle
from rollback.model.evidence import Manifest
from tests.evidence.sealed import Sealed, resealed, rewrite, window
from tests.evidence.test_stores import sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path / "bundle")


def places(check: BundleCheck) -> set[str]:
    return {problem.file for problem in check.problems}


def rules(check: BundleCheck) -> set[str]:
    return {problem.rule for problem in check.problems}


def chunk_paths(sealed: Sealed) -> list[Path]:
    return [sealed.folder / CHUNKS / name for name in chunk_names(sealed.manifest.windows)]


def test_a_bundle_as_it_was_sealed_holds(sealed: Sealed) -> None:
    check = verify_bundle(sealed.folder)
    assert check.problems == ()
    assert check.manifest == sealed.manifest
    assert check.items == 43 + 2
    (gap,) = check.incomplete
    assert "operational_events" in gap
    assert "could not be reached" in gap


def test_every_file_of_a_bundle_is_read_only(sealed: Sealed) -> None:
    files = [path for path in sealed.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if path.stat().st_mode & 0o222]


def test_sealing_the_same_again_is_the_same_bundle(sealed: Sealed) -> None:
    assert seal(sealed.folder, sealed.sealing, sealed.store.get) == sealed.manifest
    moved = sealed.folder.with_name("moved")
    seal(moved, sealed.sealing, sealed.store.get)
    assert (moved / MANIFEST).read_bytes() == (sealed.folder / MANIFEST).read_bytes()


def test_a_folder_with_another_bundle_is_left_alone(sealed: Sealed) -> None:
    from dataclasses import replace

    with pytest.raises(EvidenceNotWritten, match="differs"):
        seal(sealed.folder, replace(sealed.sealing, incident="INC-1"), sealed.store.get)
    assert verify_bundle(sealed.folder).holds


def test_a_byte_flipped_anywhere_is_found_and_its_file_named(sealed: Sealed) -> None:
    chance = random.Random(20261123)
    files = sorted(path for path in sealed.folder.rglob("*") if path.is_file())
    for path in files:
        whole = path.read_bytes()
        for at in {0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(8))}:
            broken = bytearray(whole)
            broken[at] ^= 1 << chance.randrange(8)
            rewrite(path, bytes(broken))
            check = verify_bundle(sealed.folder)
            assert path.relative_to(sealed.folder).as_posix() in places(check), (path, at)
        rewrite(path, whole)
    assert verify_bundle(sealed.folder).holds


def test_a_broken_journal_line_is_named(sealed: Sealed) -> None:
    lines = sealed.journal.split(b"\n")
    at = next(number for number, line in enumerate(lines) if b"performed" in line)
    lines[at] = lines[at].replace(b"performed", b"performer", 1)
    rewrite(sealed.folder / JOURNAL, b"\n".join(lines))
    found = [one for one in verify_bundle(sealed.folder).problems if one.rule == "V6"]
    assert found[0].line == at + 2  # the next line no longer follows it
    assert found[0].byte is not None
    assert "journal.jsonl line" in str(found[0])


@pytest.mark.parametrize("name", [MANIFEST, DIGEST, PLAN, JOURNAL, "report.md", "approvals/1.json"])
def test_a_missing_file_is_named(sealed: Sealed, name: str) -> None:
    (sealed.folder / name).unlink()
    assert name in places(verify_bundle(sealed.folder))


def test_a_missing_chunk_is_named(sealed: Sealed) -> None:
    for path in chunk_paths(sealed):
        kept = path.read_bytes()
        path.unlink()
        assert places(verify_bundle(sealed.folder)) == {f"{CHUNKS}/{path.name}"}
        path.write_bytes(kept)


def test_swapped_chunks_are_named(sealed: Sealed) -> None:
    one, other, *_ = chunk_paths(sealed)
    first, second = one.read_bytes(), other.read_bytes()
    rewrite(one, second)
    rewrite(other, first)
    assert {f"{CHUNKS}/{one.name}", f"{CHUNKS}/{other.name}"} <= places(
        verify_bundle(sealed.folder)
    )


@pytest.mark.parametrize("name", ["more.txt", "chunks/extra", "approvals/2.json", "a/b/c"])
def test_what_does_not_belong_is_named(sealed: Sealed, name: str) -> None:
    path = sealed.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    assert name in places(verify_bundle(sealed.folder))


def test_a_link_is_not_a_file(sealed: Sealed) -> None:
    path = chunk_paths(sealed)[0]
    elsewhere = sealed.folder.with_name("elsewhere")
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)
    assert f"{CHUNKS}/{path.name}" in places(verify_bundle(sealed.folder))


@pytest.mark.parametrize("cut", [1, 10, 400])
def test_a_torn_file_is_named_with_its_byte(sealed: Sealed, cut: int) -> None:
    for path in [sealed.folder / JOURNAL, *chunk_paths(sealed)]:
        whole = path.read_bytes()
        short = whole[: max(0, len(whole) - cut)]
        rewrite(path, short)
        found = verify_bundle(sealed.folder)
        assert path.relative_to(sealed.folder).as_posix() in places(found)
        rewrite(path, whole)


# --- somebody who rewrites the manifest too ---------------------------------------------------


def forged(sealed: Sealed, change: Callable[[Manifest], Manifest]) -> BundleCheck:
    written = canonical(change(sealed.manifest))
    resealed(sealed.folder, written)
    return verify_bundle(sealed.folder)


def without(sealed: Sealed, source: str) -> Callable[[Manifest], Manifest]:
    dropped = [one for one in sealed.manifest.windows if one.source == source]
    for name in chunk_names(tuple(dropped)):
        (sealed.folder / CHUNKS / name).unlink()

    def change(manifest: Manifest) -> Manifest:
        kept = tuple(one for one in manifest.windows if one.source != source)
        return manifest.model_copy(update={"windows": kept})

    return change


@pytest.mark.parametrize("source", ["cosmos/audit_log", "windows"])
def test_a_window_left_out_is_missed_by_the_journal(sealed: Sealed, source: str) -> None:
    assert "V7" in rules(forged(sealed, without(sealed, source)))


def test_a_gap_painted_over_is_found(sealed: Sealed) -> None:
    def change(manifest: Manifest) -> Manifest:
        painted = tuple(
            one.model_copy(update={"completeness": "complete", "reason": ""})
            for one in manifest.windows
        )
        return manifest.model_copy(update={"windows": painted})

    assert "V7" in rules(forged(sealed, change))


def test_a_chunk_replaced_under_a_new_name_is_found(sealed: Sealed) -> None:
    target = next(one for one in sealed.manifest.windows if one.source == "cosmos/audit_log")
    old = target.chunks[0]
    content = b'{"event":"never happened"}\n'
    stored = packed(content)
    new = old.model_copy(
        update={
            "sha256": sha256(stored),
            "bytes": len(stored),
            "content_sha256": sha256(content),
            "content_bytes": len(content),
            "items": 1,
        }
    )
    (sealed.folder / CHUNKS / old.sha256).unlink()
    (sealed.folder / CHUNKS / new.sha256).write_bytes(stored)

    def change(manifest: Manifest) -> Manifest:
        chunks = (new, *target.chunks[1:])
        items = sum(one.items for one in chunks)
        made = target.model_copy(update={"chunks": chunks, "items": items})
        windows = tuple(made if one == target else one for one in manifest.windows)
        return manifest.model_copy(update={"windows": windows})

    assert rules(forged(sealed, change)) == {"V7"}


def test_a_window_made_up_later_is_found(sealed: Sealed) -> None:
    made_up = window("cosmos/made_up", sink(sealed.store, None), 2)
    (chunk,) = made_up.chunks
    (sealed.folder / CHUNKS / chunk.sha256).write_bytes(sealed.store.get(chunk.sha256) or b"")

    def change(manifest: Manifest) -> Manifest:
        return manifest.model_copy(update={"windows": (*manifest.windows, made_up)})

    assert rules(forged(sealed, change)) == {"V7"}


@pytest.mark.parametrize("field", ["content_sha256", "content_bytes", "items"])
def test_a_manifest_that_lies_about_a_content_is_found(sealed: Sealed, field: str) -> None:
    target = next(one for one in sealed.manifest.windows if one.source == "cosmos/audit_log")
    first = target.chunks[0]
    lie = "0" * 64 if field == "content_sha256" else getattr(first, field) + 1

    def change(manifest: Manifest) -> Manifest:
        chunks = (first.model_copy(update={field: lie}), *target.chunks[1:])
        items = sum(one.items for one in chunks)
        made = target.model_copy(update={"chunks": chunks, "items": items})
        windows = tuple(made if one == target else one for one in manifest.windows)
        return manifest.model_copy(update={"windows": windows})

    check = forged(sealed, change)
    assert [one for one in check.problems if "unpacks to something else" in one.what]


def test_another_plan_is_found(sealed: Sealed) -> None:
    other = rfc8785.dumps({"playbook": "halt-only", "steps": []})
    rewrite(sealed.folder / PLAN, other)

    def change(manifest: Manifest) -> Manifest:
        files = tuple(
            one.model_copy(update={"sha256": sha256(other), "bytes": len(other)})
            if one.path == PLAN
            else one
            for one in manifest.files
        )
        return manifest.model_copy(update={"files": files, "plan_sha256": sha256(other)})

    assert rules(forged(sealed, change)) == {"V5", "V10"}


def test_a_journal_cut_after_a_whole_line_is_found(sealed: Sealed) -> None:
    short = sealed.journal[: sealed.journal.rstrip(b"\n").rindex(b"\n") + 1]
    rewrite(sealed.folder / JOURNAL, short)

    def change(manifest: Manifest) -> Manifest:
        files = tuple(
            one.model_copy(update={"sha256": sha256(short), "bytes": len(short)})
            if one.path == JOURNAL
            else one
            for one in manifest.files
        )
        return manifest.model_copy(update={"files": files})

    assert rules(forged(sealed, change)) == {"V6"}


@pytest.mark.parametrize("name", [PLAN, JOURNAL])
def test_a_manifest_that_lists_no_plan_or_journal_proves_nothing(sealed: Sealed, name: str) -> None:
    (sealed.folder / name).unlink()

    def change(manifest: Manifest) -> Manifest:
        files = tuple(one for one in manifest.files if one.path != name)
        return manifest.model_copy(update={"files": files})

    assert name in places(forged(sealed, change))


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "chunks/x", "a//b"])
def test_a_path_out_of_the_bundle_is_not_followed(sealed: Sealed, path: str) -> None:
    (sealed.folder.parent / "outside").write_bytes(b"x")

    def change(manifest: Manifest) -> Manifest:
        listed = manifest.files[0].model_copy(update={"path": path})
        return manifest.model_copy(update={"files": (*manifest.files, listed)})

    assert path in places(forged(sealed, change))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[" * 5000, b"\x00\xff", b'{"format":2}', b"null"])
def test_garbage_for_a_manifest_is_told_not_raised(sealed: Sealed, raw: bytes) -> None:
    rewrite(sealed.folder / MANIFEST, raw)
    check = verify_bundle(sealed.folder)
    assert check.manifest is None
    assert rules(check) == {"V1"}


def test_a_manifest_that_is_not_canonical_is_told_with_its_byte(sealed: Sealed) -> None:
    whole = (sealed.folder / MANIFEST).read_bytes()
    rewrite(sealed.folder / MANIFEST, whole[:1] + b" " + whole[1:])
    (problem,) = verify_bundle(sealed.folder).problems
    assert (problem.rule, problem.byte) == ("V1", 1)


def test_no_folder_is_told(tmp_path: Path) -> None:
    assert places(verify_bundle(tmp_path / "nowhere")) == {MANIFEST}


# --- signatures ------------------------------------------------------------------------------


def test_a_signed_manifest_names_its_key(tmp_path: Path) -> None:
    signed = Sealed(tmp_path / "bundle", signed=True)
    check = verify_bundle(signed.folder)
    assert check.problems == ()
    assert check.signed_by.startswith("SHA256:")


def test_a_signature_of_another_manifest_is_found(tmp_path: Path) -> None:
    signed = Sealed(tmp_path / "bundle", signed=True)

    def change(manifest: Manifest) -> Manifest:
        return manifest.model_copy(update={"created_by": "mallory@example.net"})

    assert rules(forged(signed, change)) == {"V8"}
    (signed.folder / SIGNATURE).unlink()
    assert places(verify_bundle(signed.folder)) == {SIGNATURE}


def test_an_approval_is_no_signature_of_evidence(tmp_path: Path) -> None:
    from rollback.approval.cryptography_keys import sign_bytes, wire_key
    from rollback.approval.sshsig import Signature, signed_bytes
    from rollback.approval.statement import NAMESPACE as APPROVAL

    signed = Sealed(tmp_path / "bundle", signed=True)
    key = ed25519.Ed25519PrivateKey.generate()
    message = (signed.folder / MANIFEST).read_bytes()
    algorithm, value = sign_bytes(key, signed_bytes(APPROVAL, "sha512", message))
    other = Signature(wire_key(key.public_key())[1], APPROVAL, "sha512", algorithm, value)
    armoured = other.armoured().encode()
    rewrite(signed.folder / SIGNATURE, armoured)
    rewrite(signed.folder / DIGEST, digest_text(message, armoured))
    (problem,) = verify_bundle(signed.folder).problems
    assert "not for evidence" in problem.what


# --- sealing that cannot be done --------------------------------------------------------------


def test_a_chunk_in_no_store_is_not_sealed_over(sealed: Sealed) -> None:
    lost = chunk_names(sealed.manifest.windows)[0]
    folder = sealed.folder.with_name("again")
    with pytest.raises(EvidenceNotWritten, match=r"store|read back"):
        seal(folder, sealed.sealing, lambda name: None if name == lost else sealed.store.get(name))
    assert not (folder / MANIFEST).exists()


def test_a_damaged_chunk_is_not_sealed(sealed: Sealed) -> None:
    with pytest.raises(EvidenceNotWritten):
        seal(sealed.folder.with_name("again"), sealed.sealing, lambda _: packed(b"else"))


def test_a_journal_that_does_not_verify_is_not_sealed(sealed: Sealed) -> None:
    from dataclasses import replace

    broken = replace(sealed.sealing, journal=sealed.journal.replace(b"r-1", b"r-2", 1))
    with pytest.raises(EvidenceNotWritten, match="journal"):
        seal(sealed.folder.with_name("again"), broken, sealed.store.get)


def test_a_torn_tail_is_left_out_of_the_bundle(sealed: Sealed) -> None:
    from dataclasses import replace

    torn = replace(sealed.sealing, journal=sealed.journal + b'{"half')
    again = sealed.folder.with_name("again")
    assert seal(again, torn, sealed.store.get) == sealed.manifest
    assert verify_bundle(again).holds


def test_a_folder_in_the_way_is_exit_9(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EvidenceNotWritten) as raised:
        seal(tmp_path / "file", sealed.sealing, sealed.store.get)
    assert raised.value.exit_status == 9


def test_chunks_of_a_folder_store_can_be_sealed(sealed: Sealed, tmp_path: Path) -> None:
    kept = FolderStore(tmp_path / "store", lambda _: None)
    for path in chunk_paths(sealed):
        kept.put(path.read_bytes())
    seal(tmp_path / "again", sealed.sealing, kept.get)
    assert verify_bundle(tmp_path / "again").holds
