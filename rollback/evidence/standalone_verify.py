#!/usr/bin/env python3
"""Verify an evidence bundle with Python 3.11 and its standard library: no network, nothing written.

    python3 standalone_verify.py BUNDLE [SHA256 of manifest.json, as it was kept elsewhere]

    exit 0  everything was checked, and the bundle holds
    exit 3  nothing wrong was found, and not everything could be checked: each such thing is named
    exit 8  something is wrong: each file, and where it is known the first wrong byte
    exit 2  wrong usage

It keeps the rules V1 to V10 of docs/reference/evidence-bundle.md; ``rollback evidence verify`` is
another reader of the same rules. Read it from here down: first what is checked, then with what.

What the standard library cannot do, and what then happens:

- chunks are zstd frames, which Python unpacks from 3.14 on. Before that, `backports.zstd` or
  `zstandard` is used where it is installed. Without any, a chunk is checked by the digest of its
  stored bytes, which is its name; that it unpacks to what the manifest says is not seen.
- signatures by Ed25519 are checked here; those by other keys by ssh-keygen, where there is one.

Whose key it is, and whether this is the bundle that was handed over, nothing in the folder can say.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

Tree = dict[str, Any]

NAMESPACE, APPROVAL = "evidence@trade-rollback", "plan-approval@trade-rollback"
FIRST = "0" * 64
PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)*")
STREAM = re.compile(r"run(/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,4}")
PLANNED = {"playbook", "environment", "owner", "incident", "tool_version"}
OWN = {"manifest.json", "manifest.sha256", "manifest.sig", "chunks"}
FILE_BYTES_MAX, CONTENT_BYTES_MAX, LINE_BYTES_MAX = 2**30, 2**26, 2**20


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2) or not Path(arguments[0]).is_dir():
        sys.stderr.write(f"{__doc__}\n")
        return 2
    bundle = Bundle(Path(arguments[0]))
    bundle.verify(arguments[1].lower() if len(arguments) == 2 else "")
    lines = [
        f"wrong: {file}{'' if byte is None else f' byte {byte}'}: {what} ({rule})"
        for rule, file, what, byte in bundle.wrong
    ]
    lines += [f"not checked: {what}" for what in bundle.unchecked]
    lines += [f"note: {what}" for what in bundle.notes]
    said = "nothing wrong was found, but not everything could be checked"
    said = "does not hold" if bundle.wrong else said if bundle.unchecked else "holds"
    manifest = bundle.read("manifest.json")
    said += "" if manifest is None else f"; manifest {sha256(manifest)}"
    lines.append(said + (f"; signed by {bundle.signed_by}" if bundle.signed_by else ""))
    sys.stdout.write("".join(f"{ascii(line)[1:-1]}\n" for line in lines))
    return 8 if bundle.wrong else 3 if bundle.unchecked else 0


class Bundle:
    """A folder; what is wrong with it: (rule, file, what, byte); what could not be checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wrong: list[tuple[str, str, str, int | None]] = []
        self.unchecked: list[str] = []
        self.notes: list[str] = []
        self.held: dict[str, bytes | None] = {}  # every listed file
        self.sums: dict[str, list[int]] = {}  # of the blocks of every file, as they were sealed
        self.expected: set[str] = set()  # every path that belongs here
        self.m: Tree = {}  # the manifest
        self.signed_by = ""

    def verify(self, anchor: str = "") -> None:
        manifest = self.read("manifest.json")
        if manifest is None:
            self.say("V1", "manifest.json", "missing, or not a plain file")
            return
        manifest = self.seal(manifest)
        self.m = read_json(manifest, "manifest") or {}
        if not self.m:
            if not any(file == "manifest.json" for _, file, _, _ in self.wrong):
                self.say("V1", "manifest.json", "not a manifest of format 1 in canonical form")
            return
        self.files()
        self.chunks()
        self.sums_themselves()
        self.signature(manifest)
        self.nothing_else()
        self.plan_and_journal()
        if anchor and anchor != sha256(manifest):
            self.say("V9", "manifest.json", "not the manifest that was anchored")

    def say(self, rule: str, file: str, what: str, byte: int | None = None) -> None:
        self.wrong.append((rule, file, what, byte))

    def read(self, name: str, bytes_max: int = FILE_BYTES_MAX) -> bytes | None:
        path = self.folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > bytes_max:
            return None
        return path.read_bytes()

    def seal(self, manifest: bytes) -> bytes:
        """V1: manifest.sha256 belongs to manifest and signature; the manifest as it was sealed."""
        said = self.read("manifest.sha256")
        if said is None:
            self.say("V1", "manifest.sha256", "missing: the bundle was not sealed to its end")
            return manifest
        signature = self.read("manifest.sig")
        held = {"manifest.json": manifest} | ({"manifest.sig": signature} if signature else {})
        words = [line.split("  ") for line in said.decode("ascii", "replace").splitlines()]
        told = {line[1]: line[0] for line in words if len(line) == 2}
        sums = read_sums(said)
        for name, data in held.items():
            at, was = place(data, sums.get(name, []), len(data), told.get(name, ""))
            if at is not None and was is not None:
                self.say("V1", name, f"this byte was changed; {was:#04x} was sealed", at)
                held[name] = data[:at] + bytes((was,)) + data[at + 1 :]
        right = "".join(f"{sha256(data)}  {name}\n" for name, data in held.items())
        right += "".join(f"# {sums_line(name, data)}" for name, data in held.items())
        if said != right.encode():
            at = first_difference(said, right.encode())
            self.say("V1", "manifest.sha256", "it does not belong to what it names", at)
            for name in sorted({*told, *held} & OWN):
                if name not in held or told.get(name) != sha256(held[name]):
                    self.say("V1", name, "missing, or not what manifest.sha256 says")
        return held["manifest.json"]

    def files(self) -> None:
        """V2: every listed file is here with its size and digest."""
        self.sums = read_sums(self.read("blocks.txt") or b"")
        paths = [one["path"] for one in self.m["files"]]
        if len(set(paths)) != len(paths):
            self.say("V2", "manifest.json", "a file is listed twice")
        for name in {"plan.json", "journal.jsonl", "blocks.txt"} - set(paths):
            self.say("V2", name, "not listed")
        self.expected = {"manifest.json", "manifest.sha256"}
        for one in self.m["files"]:
            path = one["path"]
            if path.split("/")[0] in OWN or not PATH.fullmatch(path):
                self.say("V2", path, "not a path inside the bundle")
                continue
            self.expected.add(path)
            self.held[path] = data = self.read(path)
            if data is None:
                self.say("V2", path, "missing, or not a plain file")
            elif path != "blocks.txt":
                self.is_sealed("V2", path, data, one["bytes"], one["sha256"])

    def is_sealed(self, rule: str, path: str, data: bytes, size: int, digest: str) -> bool:
        if len(data) == size and sha256(data) == digest:
            return True
        at, was = place(data, self.sums.get(path, []), size, digest)
        what = "" if was is None else f"; {was:#04x} was sealed here"
        self.say(rule, path, f"its bytes are not those that were sealed{what}", at)
        return False

    def chunks(self) -> None:
        """V3: every chunk is what its name says, and unpacks to what its window says."""
        known: dict[str, Tree] = {}
        for window in self.m["windows"]:
            for chunk in window["chunks"]:
                path = f"chunks/{chunk['sha256']}"
                if known.setdefault(path, chunk) != chunk:
                    self.say("V3", path, "two windows say different things of it")
            if window["items"] != sum(chunk["items"] for chunk in window["chunks"]):
                self.say("V3", "manifest.json", f"window {window['source']} counts wrongly")
        zstd = zstd_module()
        if known and zstd is None:
            self.unchecked.append(
                f"what {len(known)} chunks unpack to: this Python has no zstd"
                " (3.14 has; or install backports.zstd)"
            )
        for path, chunk in known.items():
            self.expected.add(path)
            data = self.read(path, CONTENT_BYTES_MAX + 2**20)
            if data is None:
                self.say("V3", path, "missing, or not a plain file of a chunk's size")
            elif self.is_sealed("V3", path, data, chunk["bytes"], chunk["sha256"]) and zstd:
                content = unpacked(zstd, data, min(chunk["content_bytes"], CONTENT_BYTES_MAX))
                told = (chunk["content_sha256"], chunk["content_bytes"], chunk["items"])
                if content is None or told != (
                    *(sha256(content), len(content)),
                    content.count(b"\n"),
                ):
                    self.say("V3", path, "it unpacks to something else than the manifest says")

    def sums_themselves(self) -> None:
        """V2 of blocks.txt, last: it says where others are damaged, and they where it is."""
        said = self.held.get("blocks.txt")
        if said is None:
            return
        paths = self.expected - {"manifest.json", "manifest.sha256", "blocks.txt"}
        right = "".join(sums_line(path, self.read(path) or b"") for path in sorted(paths)).encode()
        entries = [one for one in self.m["files"] if one["path"] == "blocks.txt"]
        if any((len(said), sha256(said)) != (one["bytes"], one["sha256"]) for one in entries):
            at = None if self.wrong else first_difference(said, right)
            self.say("V2", "blocks.txt", "its bytes are not those that were sealed", at)
        elif not self.wrong and said != right:
            self.say("V2", "blocks.txt", "these are not the sums of the files that are here")

    def signature(self, manifest: bytes) -> None:
        """V8: the signature, where there is one, is by its own key and of this manifest."""
        if self.m["signature"] == "unsigned":
            self.notes.append("unsigned: compare the digest with one that was kept elsewhere")
            return
        self.expected.add("manifest.sig")
        armour = self.read("manifest.sig")
        if armour is None:
            self.say("V8", "manifest.sig", "missing")
        elif not any(
            file == "manifest.sig" and byte is not None for _, file, _, byte in self.wrong
        ):
            self.signed_by, holds = signature_of(armour, manifest, NAMESPACE)
            if holds is False:
                self.say("V8", "manifest.sig", "not a signature for evidence that belongs to it")
            elif holds is None:
                self.unchecked.append("the signature: its kind of key needs ssh-keygen")

    def nothing_else(self) -> None:
        """V4: nothing else is in the folder, and nothing is a link."""
        folders = {str(parent) for path in self.expected for parent in Path(path).parents}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            known = name in (folders if path.is_dir() else self.expected)
            if path.is_symlink() or not known:
                self.say("V4", name, "not part of the bundle")

    def plan_and_journal(self) -> None:
        """V5: the plan is the one that was applied. V6: `records`. V7: `captures`."""
        plan, data = self.held.get("plan.json"), self.held.get("journal.jsonl")
        if plan is not None and sha256(plan) != self.m["plan_sha256"]:
            self.say("V5", "plan.json", "not the plan that the manifest names")
        for name in sorted(PLANNED & plan_in(plan).keys()):
            if plan_in(plan)[name] != self.m[name]:
                self.say("V5", "manifest.json", f"its {name} is not the plan's")
        records = None if data is None else self.records(data)
        if records is None:
            return
        spooled, brief = False, ""
        captures: dict[str, str] = {}  # content of a list of windows -> the chunk it is kept in
        for record in records:
            facts = {one["name"].removeprefix("performed/"): one["value"] for one in record["body"]}
            plan_of = text(record, "plan") or text(record, "plan_sha256") or self.m["plan_sha256"]
            if record["kind"] == "opened" and plan_of != self.m["plan_sha256"]:
                self.say("V5", "journal.jsonl", "it was opened for another plan")
            if record["kind"] == "evidence" and facts.get("windows_sha256") is not None:
                captures[facts["windows_content_sha256"]] = facts["windows_sha256"]
            spooled |= record["kind"] == "evidence" and facts.get("spooled") is True
            if record["kind"] == "note" and text(record, "code") == "control-drift":
                brief = text(record, "sha256")
        if brief and sha256(self.held.get("drift.json") or b"") != brief:
            self.say("V7", "drift.json", "not the brief that the journal noted")
        if spooled is not self.m["spooled"]:
            self.say("V7", "manifest.json", "whether the spool was used is not as recorded")
        self.captures(captures)
        self.approvals(records)

    def captures(self, captures: dict[str, str]) -> None:
        """V7: the manifest's windows are those that the journal recorded, and no others."""
        held = {written(one): one for one in self.m["windows"]}
        own = {key: one for key, one in held.items() if one["source"] == "windows"}
        lists = {chunk["sha256"] for one in own.values() for chunk in one["chunks"]}
        told: set[bytes] = set()
        for content, chunk in captures.items():
            path = f"captures/{content}.json"
            data = self.held.get(path)
            if data is None or sha256(data) != content or chunk not in lists:
                self.say("V7", path, "named by the journal, and not here or not in the manifest")
                continue
            try:
                told |= {written(one) for one in json.loads(data)["windows"]}
            except (ValueError, KeyError, TypeError, RecursionError):
                self.say("V7", path, "not a list of windows")
        if set(held) - set(own) != told:
            self.say("V7", "manifest.json", "its windows are not those that the journal recorded")
        for path in sorted(self.held):
            if path.startswith("captures/") and path[9:-5] not in captures:
                self.say("V7", path, "a list that the journal does not name")

    def approvals(self, records: list[Tree]) -> None:
        """V10: what the journal counted is here and holds, and is enough for each move of users."""
        away, needed = asked(plan_in(self.held.get("plan.json")))
        moves = {
            number: record["at"]
            for number, record in enumerate(records, start=1)
            if record["kind"] == "intent" and text(record, "effect") in away
        }
        people: dict[str, str] = {}  # principal: fingerprint
        for number, record in enumerate(records, start=1):
            person, said = text(record, "principal"), f"line {number}: "
            if record["kind"] == "opened":
                people, glass = {}, text(record, "break_glass")
            elif record["kind"] == "approved" and person:
                problem = self.approval(record, min([record["at"], *moves.values()]))
                if problem:
                    self.say("V10", "journal.jsonl", f"{said}{person}: {problem}")
                elif text(record, "decision") == "approve":
                    people[person] = text(record, "key")
                    note = f"approved by {person} with {people[person]}; is that their key?"
                    self.notes += [] if note in self.notes else [note]
            elif number in moves and not glass:
                count = min(len(people), len(set(people.values())))
                if count < needed:
                    said += f"users were moved with {count} of {needed} approvals"
                    self.say("V10", "journal.jsonl", said)
                    return

    def approval(self, record: Tree, at: str) -> str:
        """What is wrong with an approval that the journal counted; empty where nothing is."""
        person, key, decision = (text(record, one) for one in ("principal", "key", "decision"))
        files = {sha256(data or b""): data for path, data in self.held.items()}
        words = [word for line in texts(record, "signers") for word in line.split()]
        for name in texts(record, "files") or [""]:
            try:
                file = json.loads(files[name] or b"")
                said, message = json.loads(file["statement"]), file["statement"].encode()
                signer, holds = signature_of(file["signature"].encode(), message, APPROVAL)
                told = said["plan_sha256"], said["environment"], said["decision"]
                in_time = decision == "reject" or said["not_before"] <= at <= said["expires"]
                by = said.get("approver", person)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return "the approval that was counted is not here, or cannot be read"
            if holds is None:
                self.unchecked.append(f"the approval of {person}: its kind of key needs ssh-keygen")
            elif not holds or signer not in map(fingerprint, words):
                return "its signature does not hold, or nobody trusted then had that key"
            if told != (self.m["plan_sha256"], self.m["environment"], decision) or by != person:
                return "it is for something else, or another person's"
            if not in_time or (decision == "approve" and signer != key):
                return "it was not valid then, or is with another key"
        return ""

    def records(self, data: bytes) -> list[Tree] | None:
        """V6: the rules R1 to R6 of docs/reference/journal.md. None where they are broken."""
        heads: dict[str, tuple[int, str]] = {}  # of every stream: last sequence, last digest
        grown: set[str] = set()  # streams with lines since the last one of stream `run`
        last: str | None = None
        records: list[Tree] = []
        at = 0
        for line_number, line in enumerate(data.split(b"\n")[:-1], start=1):
            record = (read_json(line, "record") if len(line) < LINE_BYTES_MAX else None) or {}
            problem = "R1: not a record in canonical form"
            if record:
                problem = self.objection(record, heads, grown, last)
            if problem:
                self.say("V6", "journal.jsonl", f"line {line_number}: {problem}", at)
                return None
            stream = record["stream"]
            heads[stream] = (record["sequence"], sha256(line))
            last = stream
            grown = set() if stream == "run" else grown | {stream}
            records.append(record)
            at += len(line) + 1
        if at != len(data):
            self.say("V6", "journal.jsonl", "it ends in the middle of a line", at)
        head = heads[last][1] if last else FIRST
        if (head, len(records)) != (self.m["journal_head"], self.m["journal_records"]):
            self.say("V6", "journal.jsonl", "it does not end at the head that was sealed")
        return records

    def objection(
        self, record: Tree, heads: dict[str, tuple[int, str]], grown: set[str], last: str | None
    ) -> str:
        stream = record["stream"]
        if record["run"] != self.m["run"] or not STREAM.fullmatch(stream):
            return "R2: another run, or no stream of one"
        before = (heads[stream][0] + 1, heads[stream][1]) if stream in heads else (0, FIRST)
        if (record["sequence"], record["previous"]) != before:
            return "R3, R4: it does not follow the line before it in its stream"
        said = [fact["value"] for fact in record["body"] if fact["name"] == "anchors"][:1] or [[]]
        right = {f"{name} {number} {digest}" for name, (number, digest) in heads.items()}
        if type(said[0]) is not list or not set(said[0]) <= right:
            return "R5: an anchor is not the head of its stream"
        wanted = (grown if stream == "run" else set()) | ({last} if last else set())
        named = (f"{name} {heads[name][0]} {heads[name][1]}" for name in wanted - {stream})
        return "" if set(named) <= set(said[0]) else "R6: an anchor is missing"


# --- what a manifest and a record look like ---------------------------------------------------

FORMS = {  # name:form of each field; `*` is a list of it, `?` is it or null, `|` parts choices
    "manifest": "format:one run:text playbook:text environment:text owner:text incident:text?"
    " plan_sha256:digest journal_head:digest journal_records:number created:moment created_by:text"
    " tool_version:text store:text spooled:truth signature:unsigned|sshsig windows:window*"
    " files:file*",
    "window": "source:text moment:text since:moment? until:moment? reason:text items:count"
    " completeness:complete|partial|unknown took_ms:count chunks:chunk* facts:fact*",
    "chunk": "sha256:digest bytes:count content_sha256:digest content_bytes:count items:count",
    "file": "path:text sha256:digest bytes:count",
    "record": "format:one run:text stream:text sequence:count previous:digest at:moment"
    " monotonic_ms:number body:fact* kind:opened|approved|attested|leased|canaries|preflight"
    "|observed|authority|intent|returned|outcome|exchange|refusal|evidence|verified|note|step|said"
    "|closed",
    "fact": "name:text value:value",
}
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def fits(value: Any, form: str) -> bool:
    if form.endswith("*"):
        return type(value) is list and all(fits(one, form[:-1]) for one in value)
    if form.endswith("?"):
        return value is None or fits(value, form[:-1])
    if form in FORMS:
        fields = dict(field.split(":") for field in FORMS[form].split())
        return (
            type(value) is dict
            and value.keys() == fields.keys()
            and all(fits(value[name], inner) for name, inner in fields.items())
        )
    if "|" in form:
        return type(value) is str and value in form.split("|")
    return bool(SIMPLE[form](value))


def is_moment(value: Any) -> bool:
    try:
        return bool(TIME.fullmatch(value) and datetime.fromisoformat(value[:-1]))
    except (ValueError, TypeError):
        return False


SIMPLE: dict[str, Callable[[Any], Any]] = {
    "one": lambda value: type(value) is int and value == 1,
    "number": lambda value: type(value) is int and abs(value) < 2**53,
    "count": lambda value: type(value) is int and 0 <= value < 2**53,
    "truth": lambda value: type(value) is bool,
    "text": lambda value: type(value) is str,
    "digest": lambda value: type(value) is str and re.fullmatch("[0-9a-f]{64}", value),
    "moment": is_moment,
    "scalar": lambda value: (
        value is None or any(fits(value, one) for one in ("text", "number", "truth"))
    ),
    "value": lambda value: fits(value, "scalar") or fits(value, "scalar*"),
}


def read_json(data: bytes, form: str) -> Any:
    """A value in canonical form (RFC 8785; fractions are in no form); None for any other."""
    try:
        value = json.loads(data.decode())
        return value if fits(value, form) and written(value) == data else None
    except (ValueError, RecursionError):
        return None


def written(value: Any) -> bytes:
    line = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return line.encode()


def fact(record: Tree, name: str) -> Any:
    return next((one["value"] for one in record["body"] if one["name"] == name), None)


def text(record: Tree, name: str) -> str:
    value = fact(record, name)
    return "" if value is None else str(value)


def texts(record: Tree, name: str) -> list[str]:
    value = fact(record, name)
    return [str(one) for one in value] if type(value) is list else []


def plan_in(data: bytes | None) -> Tree:
    try:
        plan = json.loads(data or b"{}")
        return plan if type(plan) is dict else {}
    except (ValueError, RecursionError):
        return {}


def asked(plan: Tree) -> tuple[set[str], int]:
    """(effects that move users away from safety, people who approve before the first of them)."""
    try:
        changes = [one for step in plan.get("steps", []) for one in step.get("changes", [])]
        away = [one for one in changes if one.get("direction") == "away-from-safety"]
        effects = {effect["id"] for one in away for effect in one.get("effects", [])}
        return effects, int(plan.get("approvals", {}).get("count", 0))
    except (ValueError, KeyError, TypeError, AttributeError):
        return set(), 0


# --- digests, and where damage is -------------------------------------------------------------

BLOCK_BYTES, MODULUS = 32_768, 65_521


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sums_line(name: str, data: bytes) -> str:
    starts = range(0, len(data), BLOCK_BYTES)
    sums = (f"{zlib.adler32(data[at : at + BLOCK_BYTES]):08x}" for at in starts)
    return " ".join([name, *sums]) + "\n"


def read_sums(data: bytes) -> dict[str, list[int]]:
    lines = data.decode("ascii", "replace").splitlines()
    words = [line.removeprefix("# ").split(" ") for line in lines]
    hexadecimal = re.compile("[0-9a-f]{8}")
    return {
        name: [int(one, 16) for one in sums]
        for name, *sums in words
        if all(map(hexadecimal.fullmatch, sums))
    }


def place(data: bytes, sums: list[int], size: int, digest: str) -> tuple[int | None, int | None]:
    """(first damaged byte, the byte that was sealed there or None); (None, None) if not known."""
    if sha256(data) == digest:
        return None, None
    for start, sealed in zip(range(0, len(sums) * BLOCK_BYTES, BLOCK_BYTES), sums, strict=True):
        block = data[start : min(start + BLOCK_BYTES, size)]
        now = zlib.adler32(block)
        if now == sealed:
            continue
        # The low half of a sum is 1 and all bytes; the high half weighs each by its distance from
        # the block's end. If one byte was changed, the differences give change and distance.
        change = ((now & 0xFFFF) - (sealed & 0xFFFF)) % MODULUS
        weighed = ((now >> 16) - (sealed >> 16)) % MODULUS
        signed = change if change < 256 else change - MODULUS
        if signed and abs(signed) < 256:
            at = start + len(block) - weighed * pow(change, -1, MODULUS) % MODULUS
            if start <= at < start + len(block) and 0 <= data[at] - signed < 256:
                was = data[at] - signed
                if sha256(data[:at] + bytes((was,)) + data[at + 1 :]) == digest:
                    return at, was
        return min(start, len(data)), None
    return (min(len(data), size), None) if len(data) != size else (None, None)


def first_difference(one: bytes, other: bytes) -> int:
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


# --- zstd, where there is one -----------------------------------------------------------------

ZSTD = ("compression.zstd", "backports.zstd", "zstandard")
STEP_BYTES = 1024  # of four bytes zstd makes 128 KiB at most: a step makes 32 MiB at most


def zstd_module() -> Any:
    for name in ZSTD:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def unpacked(zstd: Any, data: bytes, bytes_max: int) -> bytes | None:
    """What exactly one zstd frame holds; None for anything else, and for more than `bytes_max`."""
    reader = zstd.ZstdDecompressor()
    reader = reader.decompressobj() if hasattr(reader, "decompressobj") else reader
    content = bytearray()
    try:
        for at in range(0, len(data), STEP_BYTES):
            content += reader.decompress(data[at : at + STEP_BYTES])
            if len(content) > bytes_max:
                return None
            if reader.eof:
                over = reader.unused_data or data[at + STEP_BYTES :]
                return None if over else bytes(content)
    except zstd.ZstdError:
        return None
    return None


# --- SSH signatures (OpenSSH's PROTOCOL.sshsig) -----------------------------------------------

NISTP = (b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521")


def signature_of(armour: bytes, message: bytes, namespace: str) -> tuple[str, bool | None]:
    """(fingerprint of the key, whether it signed `message`); None: only ssh-keygen could say."""
    try:
        blob = base64.b64decode(b"".join(armour.split(b"\n")[1:-2]), validate=True)
        key, said, reserved, hash_name, inner = strings(blob[10:])
        kind, *parts = strings(key)
        touched = inner[-5] & 1 if kind[:3] == b"sk-" and namespace == APPROVAL else None
        algorithm, value = strings(inner if touched is None else inner[:-5])
        head = (blob[:10], said, reserved, armoured(blob))
        holds: bool | None = head == (b"SSHSIG\0\0\0\1", namespace.encode(), b"", armour)
        holds = holds and hash_name in (b"sha256", b"sha512")
        if holds and kind == algorithm == b"ssh-ed25519" and len(parts) == 1:
            digest = hashlib.new(hash_name.decode(), message).digest()
            signed = b"SSHSIG" + b"".join(map(string, (said, b"", hash_name, digest)))
            holds = ed25519_holds(parts[0], value, signed)
        elif holds and (kind in NISTP or touched or (kind == b"ssh-rsa" and len(parts[1]) > 256)):
            holds = by_ssh_keygen(armour, message, namespace)
        else:
            holds = False
    except (ValueError, struct.error, IndexError):
        return "", False
    return fingerprint(key), holds


def fingerprint(key: bytes | str) -> str:
    """Of a key in wire form, or of that in Base64 (the word of an allowed-signers line)."""
    if isinstance(key, str):
        try:
            key = base64.b64decode(key, validate=True)
        except ValueError:
            return ""
    return f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode()[:43]}"


def by_ssh_keygen(armour: bytes, message: bytes, namespace: str) -> bool | None:
    if (program := shutil.which("ssh-keygen")) is None:
        return None
    with tempfile.NamedTemporaryFile() as file:
        file.write(armour)
        file.flush()
        command = [program, "-Y", "check-novalidate", "-n", namespace, "-s", file.name]
        ran = subprocess.run(command, input=message, capture_output=True, check=False)  # noqa: S603
    return ran.returncode == 0


def strings(data: bytes) -> list[bytes]:
    """The strings of the SSH wire form that make up `data`, all of it."""
    found = []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        if len(data) < 4 + length:
            raise ValueError("short")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def armoured(blob: bytes) -> bytes:
    body = base64.b64encode(blob).decode()
    lines = "".join(body[at : at + 70] + "\n" for at in range(0, len(body), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n".encode()


# Ed25519, as RFC 8032 writes it down: points are (X, Y, Z, T), x = X / Z, y = Y / Z, x * y = T / Z.
Point = tuple[int, int, int, int]
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(factor: int, point: Point) -> Point:
    total = (0, 1, 1, 0)
    for bit in f"{factor:b}":
        total = add(total, total)
        total = add(total, point) if bit == "1" else total
    return total


def point_of(encoded: bytes) -> Point:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("not a point")
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def ed25519_holds(key: bytes, signature: bytes, message: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    base = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    x, y, z, t = point_of(key)
    x, y, z, _ = add(times(s, base), times(k, (-x % P, y, z, -t % P)))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return s < L and (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
