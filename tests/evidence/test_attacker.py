"""Somebody who can write the bundle's folder, and has no key: what passes, and what is said of it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ed25519

from rollback.approval.allowed_signers import read_allowed_signers
from rollback.evidence import standalone_verify
from rollback.evidence.bundle import BLOCKS, DRIFT, JOURNAL, MANIFEST, NAMESPACE, SIGNATURE
from rollback.evidence.chunks import packed, sha256
from rollback.evidence.verify import verify_bundle
from rollback.model.record import RecordKind
from tests.evidence.sealed import (
    ANA,
    BEN,
    KEYS,
    Sealed,
    approval_file,
    counted,
    refile,
    resealed,
    signers_line,
    statement,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def both(folder: Path, anchor: str = "") -> bool:
    """What the two say, which must be the same."""
    theirs = standalone_verify.Bundle(folder)
    theirs.verify(anchor)
    ours = verify_bundle(folder, anchor=anchor)
    assert ours.holds is not bool(theirs.wrong), (ours.problems, theirs.wrong)
    return ours.holds


def anchor_of(folder: Path) -> str:
    return sha256((folder / MANIFEST).read_bytes())


OTHER = {
    "format": 2,
    "created": "2026-11-24T02:14:00.000Z",
    "spooled": True,
    "signature": "sshsig",
    "journal_records": 1,
    "windows": [],
    "files": [],
    **dict.fromkeys(("plan_sha256", "journal_head"), "0" * 64),
    **dict.fromkeys(
        ("run", "playbook", "environment", "owner", "incident", "created_by"), "mallory"
    ),
    **dict.fromkeys(("tool_version", "store"), "mallory"),
}
"""Another value of every field of a manifest."""

UNSEEN_FIELDS = {"created", "created_by", "store"}
"""What no other part of an unsigned bundle says again: the reference page says so."""

UNSEEN_FILES = {"report.md", "report.html"}
"""What people read is made from plan and journal, and not made again to verify it."""


def edited(folder: Path, field: str) -> None:
    content = json.loads((folder / MANIFEST).read_bytes())
    assert content[field] != OTHER[field]
    resealed(folder, rfc8785.dumps(content | {field: OTHER[field]}))


@pytest.mark.parametrize("field", OTHER)
def test_an_edited_field_is_found_by_what_says_it_again(tmp_path: Path, field: str) -> None:
    folder = Sealed(tmp_path / "unsigned").folder
    anchor = anchor_of(folder)
    edited(folder, field)
    assert both(folder) is (field in UNSEEN_FIELDS)
    assert not both(folder, anchor)
    signed = Sealed(tmp_path / "signed", signed=True).folder
    edited(signed, field if field != "signature" else "format")
    assert not both(signed)


def test_every_field_is_tried(tmp_path: Path) -> None:
    assert (
        OTHER.keys() == json.loads((Sealed(tmp_path / "b").folder / MANIFEST).read_bytes()).keys()
    )


def test_an_edited_file_is_found_by_what_says_it_again(tmp_path: Path) -> None:
    folder = Sealed(tmp_path / "bundle").folder
    anchor = anchor_of(folder)
    listed = [one["path"] for one in json.loads((folder / MANIFEST).read_bytes())["files"]]
    kept = shutil.copytree(folder, tmp_path / "kept")
    passed = set()
    for path in listed:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        data = (folder / path).read_bytes()
        if path == BLOCKS:
            continue  # remade for every file here
        refile(folder, path, data[:-2] + b" " + data[-2:])
        if both(folder):
            passed.add(path)
        assert not both(folder, anchor), path
    assert passed == UNSEEN_FILES
    assert DRIFT in listed
    assert len(listed) > len(passed) + 5


def test_a_signature_can_be_taken_off_and_that_is_said(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    folder = Sealed(tmp_path / "bundle", key=key).folder
    anchor = anchor_of(folder)
    (folder / SIGNATURE).unlink()
    assert not both(folder)
    content = json.loads((folder / MANIFEST).read_bytes())
    resealed(folder, rfc8785.dumps(content | {"signature": "unsigned"}))
    assert both(folder)
    theirs = standalone_verify.Bundle(folder)
    theirs.verify()
    assert any(note.startswith("unsigned") for note in theirs.notes)
    signers = read_allowed_signers(signers_line("runs", key, f'namespaces="{NAMESPACE}"'))
    check = verify_bundle(folder, signers=signers)
    assert ["not signed" in one.what for one in check.problems] == [True]
    assert not both(folder, anchor)


def test_a_bundle_made_by_others_is_theirs(tmp_path: Path) -> None:
    """Nothing of ours is in it: its own keys sign it, and its own people approve."""
    mallory = {name: ed25519.Ed25519PrivateKey.generate() for name in (ANA, BEN)}
    files = tuple(approval_file(statement(name), key) for name, key in mallory.items())
    people = tuple(
        (RecordKind.APPROVED, counted(name, key, data))
        for (name, key), data in zip(mallory.items(), files, strict=True)
    )
    folder = Sealed(tmp_path / "bundle", key=mallory[ANA], files=files, people=people).folder
    assert both(folder)
    ours = "\n".join(signers_line(name, key) for name, key in KEYS.items())
    check = verify_bundle(folder, approvers=ours)
    assert {one.rule for one in check.problems} == {"V10"}
    runs = read_allowed_signers(signers_line("runs", KEYS[ANA], f'namespaces="{NAMESPACE}"'))
    assert {one.rule for one in verify_bundle(folder, signers=runs).problems} == {"V8"}


def _add_window(folder: Path) -> None:
    """A source that no capture recorded, with a chunk of its own and every digest right."""
    stored = packed(b'{"event":"never"}\n')
    (folder / "chunks" / sha256(stored)).write_bytes(stored)
    content = json.loads((folder / MANIFEST).read_bytes())
    chunk = {
        "sha256": sha256(stored),
        "bytes": len(stored),
        "content_sha256": sha256(b'{"event":"never"}\n'),
        "content_bytes": 18,
        "items": 1,
    }
    window = {**content["windows"][0], "source": "cosmos/forged", "chunks": [chunk], "items": 1}
    content["windows"].append(window)
    resealed(folder, rfc8785.dumps(content))
    refile(folder, JOURNAL, (folder / JOURNAL).read_bytes())


def _link_folder(folder: Path) -> None:
    shutil.move(folder / "chunks", folder.with_name("elsewhere"))
    (folder / "chunks").symlink_to(folder.with_name("elsewhere"))


def _said_twice(path: Path, name: str) -> bytes:
    """The same with one of its names a second time, at the end: readers of JSON keep one of them."""
    data = path.read_bytes()
    end = data.rindex(b"}")
    value = json.dumps(json.loads(data.splitlines()[-1])[name]).encode()
    return data[:end] + b',"%b":%b' % (name.encode(), value) + data[end:]


def _without_report(folder: Path) -> Path:
    (folder / "report.md").unlink()
    return folder / "report.md"


ADDED: dict[str, Callable[[Path], object]] = {
    "a window": _add_window,
    "a folder that is a link": _link_folder,
    "a hidden file": lambda folder: (folder / ".notes").write_bytes(b""),
    "a hidden file among chunks": lambda folder: (folder / "chunks" / ".a").write_bytes(b""),
    "a pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "a pipe in place of a file": lambda folder: os.mkfifo(_without_report(folder)),
    "a folder in place of a file": lambda folder: _without_report(folder).mkdir(),
    "a link to nothing": lambda folder: (folder / "more").symlink_to("nowhere"),
    "a name that is no UTF-8": lambda folder: Path(os.fsdecode(bytes(folder) + b"/\xff")).touch(),
    "a name of two lines": lambda folder: (folder / "a\nb").touch(),
    "an empty signature of none": lambda folder: (folder / SIGNATURE).touch(),
    "a folder for a signature of none": lambda folder: (folder / SIGNATURE).mkdir(),
    "a name twice in the manifest": lambda folder: resealed(folder, _said_twice(folder / MANIFEST, "run")),
    "a name twice in a record": lambda folder: refile(folder, JOURNAL, _said_twice(folder / JOURNAL, "stream")),
    "line ends of another kind": lambda folder: refile(
        folder, JOURNAL, (folder / JOURNAL).read_bytes().replace(b"\n", b"\r\n")
    ),
    "a line without a record": lambda folder: refile(folder, JOURNAL, (folder / JOURNAL).read_bytes() + b"\n"),
    "a number of 5,000 digits": lambda folder: resealed(
        folder, re.sub(rb'"took_ms":[0-9]+', b'"took_ms":' + b"9" * 5000, (folder / MANIFEST).read_bytes())
    ),
    "lists within lists": lambda folder: resealed(folder, b"[" * 100_000 + b"]" * 100_000),
    "half a letter": lambda folder: resealed(
        folder, (folder / MANIFEST).read_bytes().replace(b'"owner":"', b'"owner":"\\ud800')
    ),
}


@pytest.mark.parametrize("what", ADDED)
def test_what_is_added_is_found(tmp_path: Path, what: str) -> None:
    folder = Sealed(tmp_path / "bundle").folder
    ADDED[what](folder)
    assert not both(folder)
