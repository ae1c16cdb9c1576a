"""Forged in one place, with every digest made right: what an unsigned bundle says twice, it shows."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785

from rollback.evidence.bundle import (
    APPROVALS,
    BLOCKS,
    DIGEST,
    DRIFT,
    JOURNAL,
    MANIFEST,
    REPORTS,
    Sealing,
    blocks_text,
    seal,
)
from rollback.evidence.chunks import packed, sha256
from rollback.evidence.damage import block_sums
from rollback.model.base import facts
from rollback.model.record import RecordKind
from tests.evidence.sealed import Sealed, journal_of, resealed, rewrite
from tests.evidence.test_attacker import both

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Tree = dict[str, Any]


def right_again(folder: Path, content: Tree) -> None:
    """Every sum, size and digest of what is in the folder now, and no others."""
    own = {MANIFEST, DIGEST, BLOCKS}
    here = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    sums = {name: block_sums(data) for name, data in here.items() if name not in own}
    here[BLOCKS] = blocks_text(sums)
    rewrite(folder / BLOCKS, here[BLOCKS])
    listed = sorted(here.keys() - {MANIFEST, DIGEST})
    content["files"] = [
        {"path": name, "sha256": sha256(here[name]), "bytes": len(here[name])}
        for name in listed
        if not name.startswith("chunks/")
    ]
    resealed(folder, rfc8785.dumps(content))


def _chunk(folder: Path, content: bytes, stored: bytes) -> Tree:
    (folder / "chunks" / sha256(stored)).write_bytes(stored)
    return {
        "sha256": sha256(stored),
        "bytes": len(stored),
        "content_sha256": sha256(content),
        "content_bytes": len(content),
        "items": content.count(b"\n"),
    }


def _list_window(content: Tree) -> Tree:
    found: Tree = next(one for one in content["windows"] if one["source"] == "windows")
    return found


def _another_list(folder: Path, content: Tree) -> None:
    line = b'{"event":"never"}\n'
    made = _list_window(content) | {"chunks": [_chunk(folder, line, packed(line))], "items": 1}
    content["windows"].append(made)


def _chunk_of_nothing(folder: Path, content: Tree) -> None:
    hidden = struct.pack("<II", 0x184D2A50, 6) + b"hidden"
    _list_window(content)["chunks"].append(_chunk(folder, b"", hidden))


def _lists_in_one(folder: Path, content: Tree) -> None:
    del folder
    lists = [one for one in content["windows"] if one["source"] == "windows"]
    both_chunks = [chunk for one in lists for chunk in one["chunks"]]
    content["windows"] = [one for one in content["windows"] if one not in lists]
    content["windows"].append(lists[0] | {"chunks": both_chunks, "items": len(both_chunks)})


def _of_list(field: str, value: object) -> Callable[[Path, Tree], None]:
    return lambda _, content: _list_window(content).update({field: value})


def _twice(source: str) -> Callable[[Path, Tree], None]:
    return lambda _, content: content["windows"].extend(
        [one for one in content["windows"] if one["source"] == source][:1]
    )


def _more(path: str) -> Callable[[Path, Tree], None]:
    def add(folder: Path, content: Tree) -> None:
        del content
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"it was not us\n")

    return add


FORGED: dict[str, Callable[[Path, Tree], object]] = {
    "a window twice": _twice("cosmos/audit_log"),
    "a window of nothing twice": _twice("cosmos/operational_events"),
    "a list twice": _twice("windows"),
    "a list that no capture made": _another_list,
    "a chunk that unpacks to nothing": _chunk_of_nothing,
    "two lists as one": _lists_in_one,
    "another moment of a list": _of_list("moment", "before/other"),
    "a list said to be partial": _of_list("completeness", "partial"),
    "a reason of a list": _of_list("reason", "forged"),
    "a time of a list": _of_list("took_ms", 7),
    "a window of time of a list": _of_list("since", "2026-11-24T02:14:00.000Z"),
    "a fact of a list": _of_list("facts", [{"name": "state_sha256", "value": "0"}]),
    "a file more": _more("more.txt"),
    "a report of another kind": _more("report.txt"),
    "a file in a folder more": _more("more/more.txt"),
    "a file in a folder of approvals": _more("approvals/more/1.json"),
    "no report in Markdown": lambda folder, _: (folder / REPORTS[0]).unlink(),
    "no report in HTML": lambda folder, _: (folder / REPORTS[1]).unlink(),
    "no drift brief": lambda folder, _: (folder / DRIFT).unlink(),
}


def test_making_everything_right_again_changes_nothing(tmp_path: Path) -> None:
    folder = Sealed(tmp_path / "bundle").folder
    before = (folder / MANIFEST).read_bytes()
    right_again(folder, json.loads(before))
    assert (folder / MANIFEST).read_bytes() == before
    assert both(folder)


@pytest.mark.parametrize("what", FORGED)
def test_what_is_forged_in_one_place_is_found(tmp_path: Path, what: str) -> None:
    folder = Sealed(tmp_path / "bundle").folder
    content = json.loads((folder / MANIFEST).read_bytes())
    FORGED[what](folder, content)
    right_again(folder, content)
    assert not both(folder)


def test_an_approval_that_did_not_count_is_said_nowhere_else(tmp_path: Path) -> None:
    """The reference page says so."""
    folder = Sealed(tmp_path / "bundle").folder
    content = json.loads((folder / MANIFEST).read_bytes())
    _more(f"{APPROVALS}/more.json")(folder, content)
    right_again(folder, content)
    assert both(folder)


def sealed_with(tmp_path: Path, *records: tuple[RecordKind, Any], drift: bytes | None) -> Path:
    """A bundle whose journal says these things, and nothing else."""
    whole = Sealed(tmp_path / "whole", files=(), people=())
    journal = journal_of((RecordKind.OPENED, facts(plan="", break_glass="yes")), *records)
    fields = {name: getattr(whole.sealing, name) for name in Sealing.__slots__}
    extra = () if drift is None else ((DRIFT, drift),)
    made = Sealing(**{**fields, "journal": journal, "extra": extra})
    seal(tmp_path / "bundle", made, whole.store.get)
    return tmp_path / "bundle"


@pytest.mark.parametrize("drift", [None, b"{}"])
def test_a_drift_brief_that_nobody_noted_is_none(tmp_path: Path, drift: bytes | None) -> None:
    assert both(sealed_with(tmp_path, drift=drift)) is (drift is None)


@pytest.mark.parametrize("said", ["bytes", "sha256", "content_sha256"])
def test_a_record_that_names_no_list_is_told(tmp_path: Path, said: str) -> None:
    """It raised once: what a journal holds may be anybody's."""
    folder = sealed_with(tmp_path, drift=None)
    named = dict.fromkeys(("sha256", "content_sha256"), "0" * 64)
    body: dict[str, str | int] = {**named, "bytes": 1, "content_bytes": 1, "items": 1, said: "no"}
    named_facts = facts(moment="after", **{f"windows_{name}": one for name, one in body.items()})
    journal = journal_of(
        (RecordKind.OPENED, facts(plan="", break_glass="yes")), (RecordKind.EVIDENCE, named_facts)
    )
    rewrite(folder / JOURNAL, journal)
    content = json.loads((folder / MANIFEST).read_bytes())
    head = sha256(journal.splitlines()[-1])
    right_again(folder, content | {"journal_head": head, "journal_records": 2})
    assert not both(folder)
