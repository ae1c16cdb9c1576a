#!/usr/bin/env python3
"""Verify an evidence bundle with Python 3.11 and its standard library; no network, nothing changed.

    python3 standalone_verify.py BUNDLE [SHA256 of manifest.json, as it was kept elsewhere]

    exit 0  everything was checked, and the bundle holds
    exit 3  nothing wrong was found, and not everything could be checked: each such thing is named
    exit 8  something is wrong: each file, and where it is known the first wrong byte
    exit 2  wrong usage

It keeps the rules V1 to V10 of docs/reference/evidence-bundle.md; ``rollback evidence verify`` is
another reader of them. It needs two things that Python does not have, and says where they are not
there: ssh-keygen, for signatures; and, before Python 3.14, `backports.zstd` or `zstandard`, to
unpack chunks (without it a chunk is checked by the digest of its stored bytes, which is its name).

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
from datetime import datetime
from pathlib import Path
from typing import Any

Tree = dict[str, Any]

NAMESPACE, APPROVAL = "evidence@trade-rollback", "plan-approval@trade-rollback"
FIRST = "0" * 64
FILE = re.compile(r"(approvals|captures)/[A-Za-z0-9][A-Za-z0-9._@-]*")
STREAM = re.compile(r"run(/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,4}")
PLANNED = ("playbook", "environment", "owner", "incident", "tool_version")
NEEDED = {"plan.json", "journal.jsonl", "report.md", "report.html", "blocks.txt"}
FILE_BYTES_MAX, CONTENT_BYTES_MAX, LINE_BYTES_MAX = 2**30, 2**26, 2**20


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2) or not Path(arguments[0]).is_dir():
        sys.stderr.write(f"{__doc__}\n")
        return 2
    bundle = Bundle(Path(arguments[0]))
    bundle.verify(*arguments[1:])
    for rule, file, what, byte in bundle.wrong:
        show(f"wrong: {file}{'' if byte is None else f' byte {byte}'}: {what} ({rule})")
    for what in bundle.unchecked:
        show(f"not checked: {what}")
    for what in bundle.notes:
        show(f"note: {what}")
    said = "nothing wrong was found, but not everything could be checked"
    said = "does not hold" if bundle.wrong else said if bundle.unchecked else "holds"
    said += f"; manifest {sha256(bundle.read('manifest.json') or b'')}"
    show(said + (f"; signed by {bundle.signed_by}" if bundle.signed_by else ""))
    return 8 if bundle.wrong else 3 if bundle.unchecked else 0


def show(line: str) -> None:
    sys.stdout.write(f"{ascii(line)[1:-1]}\n")


class Bundle:
    """A folder; what is wrong with it: (rule, file, what, byte); what could not be checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wrong: list[tuple[str, str, str, int | None]] = []
        self.unchecked: list[str] = []
        self.notes: list[str] = []
        self.m: Tree = {}  # the manifest
        self.held: dict[str, bytes] = {}  # every listed file that is here
        self.sums: dict[str, list[int]] = {}  # of the blocks of every file, as they were sealed
        self.expected = {"manifest.json", "manifest.sha256"}  # every path that belongs here
        self.signed_by = ""

    def must(self, holds: object, rule: str, file: str, what: str, byte: int | None = None) -> bool:
        if not holds:
            self.wrong.append((rule, file, what, byte))
        return bool(holds)

    def read(self, name: str, bytes_max: int = FILE_BYTES_MAX) -> bytes | None:
        path = self.folder / name
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > bytes_max:
                return None
            return path.read_bytes()
        except OSError:  # a name that is too long, or not ours to read
            return None

    def verify(self, anchor: str = "") -> None:
        """All of it. What belongs to a broken seal is not looked at any further."""
        manifest = self.read("manifest.json")
        if not self.must(manifest is not None, "V1", "manifest.json", "missing, or no plain file"):
            return
        manifest = manifest or b""
        if anchor and anchor.lower() != sha256(manifest):
            self.must(False, "V9", "manifest.json", "not the manifest that was anchored")
        self.m = read_json(manifest, "manifest") or {}
        if self.seal(manifest) and self.must(
            self.m, "V1", "manifest.json", "not a manifest of format 1 in canonical form"
        ):
            self.files()
            self.chunks()
            self.sums_themselves()
            self.signature(manifest)
            self.nothing_else()
            self.plan_and_journal()

    def seal(self, manifest: bytes) -> bool:
        """V1: manifest.sha256 is exactly what belongs to the manifest and its signature."""
        file, signature = "manifest.sha256", self.read("manifest.sig")
        said = self.read(file) or b""
        held = {"manifest.json": manifest} | ({"manifest.sig": signature} if signature else {})
        words = [line.split("  ") for line in said.decode("ascii", "replace").splitlines()]
        told = {line[1]: line[0] for line in words if len(line) == 2}
        for name, data in held.items():
            at = damage(data, read_sums(said).get(name, []), len(data), told.get(name, ""))
            self.must(at is None, "V1", name, "its bytes are not those that were sealed", at)
        right = "".join(f"{sha256(data)}  {name}\n" for name, data in held.items())
        right += "".join(f"# {sums_line(name, data)}" for name, data in held.items())
        at, what = first_difference(said, right.encode()), "not what belongs to what it names"
        return self.must(said == right.encode(), "V1", file, what, at)

    def files(self) -> None:
        """V2: every listed file is here with its size and digest."""
        self.sums = read_sums(self.read("blocks.txt") or b"")
        paths = [one["path"] for one in self.m["files"]]
        self.must(len(set(paths)) == len(paths), "V2", "manifest.json", "a file is listed twice")
        for name in sorted(NEEDED):
            self.must(name in paths, "V2", name, "not listed")
        for one in self.m["files"]:
            path = one["path"]
            belongs = path in {*NEEDED, "drift.json"} or FILE.fullmatch(path)
            if self.must(belongs, "V2", path, "not a file of a bundle"):
                self.expected.add(path)
                data = self.is_here("V2", path, one, FILE_BYTES_MAX)
                if data is not None:
                    self.held[path] = data

    def is_here(self, rule: str, path: str, told: Tree, bytes_max: int) -> bytes | None:
        data = self.read(path, bytes_max)
        if not self.must(data is not None, rule, path, "missing, or no plain file of such a size"):
            return None
        data = data or b""
        if (len(data), sha256(data)) != (told["bytes"], told["sha256"]) and path != "blocks.txt":
            at = damage(data, self.sums.get(path, []), told["bytes"], told["sha256"])
            self.must(False, rule, path, "its bytes are not those that were sealed", at)
        return data

    def chunks(self) -> None:
        """V3: every chunk is what its name says, and unpacks to what its window says."""
        known: dict[str, Tree] = {}
        for window in self.m["windows"]:
            for chunk in window["chunks"]:
                path = f"chunks/{chunk['sha256']}"
                same = known.setdefault(path, chunk) == chunk
                self.must(same, "V3", path, "two windows say different things of it")
            count = sum(chunk["items"] for chunk in window["chunks"])
            what = f"window {window['source']} counts wrongly"
            self.must(count == window["items"], "V3", "manifest.json", what)
            if window["completeness"] != "complete":
                said = "{source} ({moment}): {completeness}, {reason}"
                self.notes.append(said.format(**window))
        self.expected |= known.keys()
        zstd = zstd_module()
        if known and zstd is None:
            self.unchecked.append(f"what {len(known)} chunks unpack to: this Python has no zstd")
        for path, chunk in known.items():
            before = len(self.wrong)
            data = self.is_here("V3", path, chunk, CONTENT_BYTES_MAX + 2**20)
            if zstd and data is not None and len(self.wrong) == before:
                content = unpacked(zstd, data, min(chunk["content_bytes"], CONTENT_BYTES_MAX))
                lines = 0 if content is None else content.count(b"\n")
                found = content is not None and (sha256(content), len(content), lines)
                told = (chunk["content_sha256"], chunk["content_bytes"], chunk["items"])
                what = "it unpacks to something else than the manifest says"
                self.must(found == told, "V3", path, what)

    def sums_themselves(self) -> None:
        """V2 of blocks.txt, last: it says where others are damaged, and they where it is."""
        said = self.held.get("blocks.txt")
        if said is None or self.wrong:
            return
        paths = sorted(self.expected - {"manifest.json", "manifest.sha256", "blocks.txt"})
        right = "".join(sums_line(path, self.read(path) or b"") for path in paths).encode()
        (told,) = (one for one in self.m["files"] if one["path"] == "blocks.txt")
        sealed = said == right and (len(said), sha256(said)) == (told["bytes"], told["sha256"])
        at = None if said == right else first_difference(said, right)
        self.must(sealed, "V2", "blocks.txt", "not the sums of the files that are here", at)

    def signature(self, manifest: bytes) -> None:
        """V8: the signature, where there is one, is by its own key and of this manifest."""
        if self.m["signature"] == "unsigned":
            self.notes.append("unsigned: compare the digest with one that was kept elsewhere")
            return
        self.expected.add("manifest.sig")
        armour = self.read("manifest.sig") or b""
        self.signed_by, holds = signature_of(armour, manifest, NAMESPACE)
        if holds is None:
            self.unchecked.append("the signature: there is no ssh-keygen here")
        what = "missing, or not a signature for evidence that belongs to the manifest"
        self.must(holds is not False, "V8", "manifest.sig", what)

    def nothing_else(self) -> None:
        """V4: nothing else is in the folder, and nothing is a link."""
        folders = {str(parent) for path in self.expected for parent in Path(path).parents}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            belongs = name in (folders if path.is_dir() else self.expected)
            self.must(belongs and not path.is_symlink(), "V4", name, "not part of the bundle")

    def plan_and_journal(self) -> None:
        """V5: the plan is the one that was applied. V6: `records`. V7: what the journal names."""
        plan, digest = plan_in(self.held.get("plan.json", b"")), self.m["plan_sha256"]
        if "plan.json" in self.held:
            same = sha256(self.held["plan.json"]) == digest
            self.must(same, "V5", "plan.json", "not the plan that the manifest names")
        for name in PLANNED:
            same = plan.get(name, self.m[name]) == self.m[name]
            self.must(same, "V5", "manifest.json", f"its {name} is not the plan's")
        records = self.records(self.held["journal.jsonl"]) if "journal.jsonl" in self.held else None
        if records is None:
            return
        spooled, brief = False, ""
        captures: list[Tree] = []  # of each list of windows, the one that names its chunk
        for record in records:
            facts = {one["name"].removeprefix("performed/"): one["value"] for one in record["body"]}
            if record["kind"] == "opened":
                same = (text(record, "plan") or text(record, "plan_sha256") or digest) == digest
                self.must(same, "V5", "journal.jsonl", "it was opened for another plan")
            if record["kind"] == "evidence" and facts.get("windows_sha256") is not None:
                captures.append(own_window(facts))
            spooled |= record["kind"] == "evidence" and facts.get("spooled") is True
            if record["kind"] == "note" and text(record, "code") == "control-drift":
                brief = text(record, "sha256")
        data = self.held.get("drift.json")
        same = brief == ("" if data is None else sha256(data))
        self.must(same, "V7", "drift.json", "not the brief that the journal noted")
        same = spooled is self.m["spooled"]
        self.must(same, "V7", "manifest.json", "whether the spool was used is not as recorded")
        self.captures(captures)
        self.approvals(records, *asked(plan))

    def captures(self, lists: list[Tree]) -> None:
        """V7: the manifest's windows are those that the journal recorded, each as often."""
        told = [written(one) for one in lists]
        named = {f"captures/{one['chunks'][0]['content_sha256']}.json" for one in lists}
        for one in lists:
            content = one["chunks"][0]["content_sha256"]
            path = f"captures/{content}.json"
            data = self.held.get(path, b"")
            here = sha256(data) == content
            if self.must(here, "V7", path, "named by the journal, and not here as it says"):
                try:
                    told += [written(each) for each in json.loads(data)["windows"]]
                except (ValueError, KeyError, TypeError, RecursionError):
                    self.must(False, "V7", path, "not a list of windows")
        same = sorted(map(written, self.m["windows"])) == sorted(told)
        self.must(same, "V7", "manifest.json", "its windows are not those the journal recorded")
        for path in sorted(self.held):
            known = not path.startswith("captures/") or path in named
            self.must(known, "V7", path, "a list that the journal does not name")

    def approvals(self, records: list[Tree], away: set[str], needed: int) -> None:
        """V10: what the journal counted is here and holds, and is enough for each move of users."""
        moves = {
            number: record["at"]
            for number, record in enumerate(records, start=1)
            if record["kind"] == "intent" and text(record, "effect") in away
        }
        people: dict[str, str] = {}  # principal: fingerprint
        glass = ""
        for number, record in enumerate(records, start=1):
            person, what = text(record, "principal"), f"line {number}: "
            if record["kind"] == "opened":
                people, glass = {}, text(record, "break_glass")
            elif record["kind"] == "approved" and person:
                problem = self.approval(record, min([record["at"], *moves.values()]))
                self.must(not problem, "V10", "journal.jsonl", f"{what}{person}: {problem}")
                if not problem and text(record, "decision") == "approve":
                    people[person] = text(record, "key")
                    note = f"approved by {person} with {people[person]}; is that their key?"
                    self.notes += [] if note in self.notes else [note]
            elif number in moves and not glass:
                count = min(len(people), len(set(people.values())))
                what += f"users were moved with {count} of {needed} approvals"
                if not self.must(count >= needed, "V10", "journal.jsonl", what):
                    return

    def approval(self, record: Tree, at: str) -> str:
        """What is wrong with an approval that the journal counted; empty where nothing is."""
        person, key, decision = (text(record, one) for one in ("principal", "key", "decision"))
        files = {sha256(data): data for data in self.held.values()}
        words = [word for line in texts(record, "signers") for word in line.split()]
        for name in texts(record, "files") or [""]:
            try:
                file = json.loads(files[name])
                said, message = json.loads(file["statement"]), file["statement"].encode()
                signer, holds = signature_of(file["signature"].encode(), message, APPROVAL)
                told = said["plan_sha256"], said["environment"], said["decision"]
                in_time = decision == "reject" or said["not_before"] <= at <= said["expires"]
                by = said.get("approver", person)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return "the approval that was counted is not here, or cannot be read"
            if holds is None:
                self.unchecked.append(f"the approval of {person}: there is no ssh-keygen here")
            if holds is False or signer not in map(fingerprint, words):
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
        last, at = "", 0  # the stream of the last line; where the next one begins
        records: list[Tree] = []
        for number, line in enumerate(data.split(b"\n")[:-1], start=1):
            record = (read_json(line, "record") if len(line) < LINE_BYTES_MAX else None) or {}
            problem = "R1: not a record in canonical form"
            if record:
                wanted = {last} | (grown if record["stream"] == "run" else set())
                problem = self.objection(record, heads, wanted)
            if not self.must(not problem, "V6", "journal.jsonl", f"line {number}: {problem}", at):
                return None
            last = record["stream"]
            heads[last] = (record["sequence"], sha256(line))
            grown = set() if last == "run" else grown | {last}
            records.append(record)
            at += len(line) + 1
        self.must(at == len(data), "V6", "journal.jsonl", "it ends in the middle of a line", at)
        end = (heads[last][1] if last else FIRST, len(records))
        sealed = end == (self.m["journal_head"], self.m["journal_records"])
        self.must(sealed, "V6", "journal.jsonl", "it does not end at the head that was sealed")
        return records

    def objection(self, record: Tree, heads: dict[str, tuple[int, str]], wanted: set[str]) -> str:
        """wanted: the streams whose heads a record must anchor, but its own."""
        stream = record["stream"]
        if record["run"] != self.m["run"] or not STREAM.fullmatch(stream):
            return "R2: another run, or no stream of one"
        before = (heads[stream][0] + 1, heads[stream][1]) if stream in heads else (0, FIRST)
        if (record["sequence"], record["previous"]) != before:
            return "R3, R4: it does not follow the line before it in its stream"
        said = value_of(record, "anchors") if value_of(record, "anchors") is not None else []
        right = {name: f"{name} {number} {digest}" for name, (number, digest) in heads.items()}
        if type(said) is not list or not set(said) <= set(right.values()):
            return "R5: an anchor is not the head of its stream"
        missing = {right[name] for name in wanted - {stream, ""}} - set(said)
        return "R6: an anchor is missing" if missing else ""


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
    " monotonic_ms:number body:fact* kind:opened|approved|attested|leased|canaries|observed"
    "|authority|intent|returned|outcome|exchange|refusal|evidence|verified|note|step|said"
    "|closed",
    "fact": "name:text value:value",
}
NUMBERS = {"one": range(1, 2), "count": range(2**53), "number": range(1 - 2**53, 2**53)}
TEXTS = {
    "text": r"(?s:.*)",
    "digest": r"[0-9a-f]{64}",
    "moment": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
}


def fits(value: Any, form: str) -> bool:
    if form == "value":
        return fits(value, "scalar?") or fits(value, "scalar?*")
    if form == "scalar":
        return any(fits(value, one) for one in ("text", "number", "truth"))
    if form[-1] == "*":
        return type(value) is list and all(fits(one, form[:-1]) for one in value)
    if form[-1] == "?":
        return value is None or fits(value, form[:-1])
    if form in FORMS:
        fields = dict(field.split(":") for field in FORMS[form].split())
        same = type(value) is dict and value.keys() == fields.keys()
        return same and all(fits(value[name], inner) for name, inner in fields.items())
    if form == "truth":
        return type(value) is bool
    if form in NUMBERS:
        return type(value) is int and value in NUMBERS[form]
    if form == "moment" and type(value) is str:
        datetime.fromisoformat(value.removesuffix("Z"))
    return type(value) is str and bool(re.fullmatch(TEXTS.get(form, form), value))


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


def value_of(record: Tree, name: str) -> Any:
    return next((one["value"] for one in record["body"] if one["name"] == name), None)


def text(record: Tree, name: str) -> str:
    value = value_of(record, name)
    return "" if value is None else str(value)


def texts(record: Tree, name: str) -> list[str]:
    value = value_of(record, name)
    return [str(one) for one in value] if type(value) is list else []


def own_window(facts: Tree) -> Tree:
    """The window by which the manifest names the list of windows that a record names."""
    names = ("sha256", "bytes", "content_sha256", "content_bytes", "items")
    chunk = {name: facts.get(f"windows_{name}") for name in names}
    own = {"source": "windows", "moment": str(facts.get("moment", "")), "reason": "", "took_ms": 0}
    own |= {"since": None, "until": None, "completeness": "complete", "facts": []}
    return own | {"items": chunk["items"], "chunks": [chunk]}


def plan_in(data: bytes) -> Tree:
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
    lines = re.findall(r"(?m)^(?:# )?(\S+)((?: [0-9a-f]{8})*)$", data.decode("ascii", "replace"))
    return {name: [int(one, 16) for one in sums.split()] for name, sums in lines}


def damage(data: bytes, sums: list[int], size: int, digest: str) -> int | None:
    """Where the bytes first differ from those sealed, exactly or by block; None if not known."""
    if sha256(data) == digest:
        return None
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
        if change:
            at = start + len(block) - weighed * pow(change, -1, MODULUS) % MODULUS
            if start <= at < start + len(block) and 0 <= data[at] - signed < 256:
                was = bytes((data[at] - signed,))
                if sha256(data[:at] + was + data[at + 1 :]) == digest:
                    return at
        return min(start, len(data))
    return min(len(data), size) if len(data) != size else None


def first_difference(one: bytes, other: bytes) -> int:
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


# --- zstd, where there is one -----------------------------------------------------------------

ZSTD = ("compression.zstd", "backports.zstd", "zstandard")
MAGIC = b"\x28\xb5\x2f\xfd"
STEP_BYTES = 1024  # of four bytes zstd makes 128 KiB at most: a step makes 32 MiB at most


def zstd_module() -> Any:
    for name in ZSTD:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def unpacked(zstd: Any, data: bytes, bytes_max: int) -> bytes | None:
    """What exactly one zstd frame holds; None for anything else, and for more than `bytes_max`.

    A skippable frame is none: it unpacks to nothing, whatever is in it.
    """
    reader = zstd.ZstdDecompressor()
    reader = reader.decompressobj() if hasattr(reader, "decompressobj") else reader
    content, at = bytearray(), 0
    try:
        while at < len(data) and len(content) <= bytes_max and not reader.eof:
            content += reader.decompress(data[at : at + STEP_BYTES])
            at += STEP_BYTES
    except zstd.ZstdError:
        return None
    whole = reader.eof and not reader.unused_data and at >= len(data) and data[:4] == MAGIC
    return bytes(content) if whole and len(content) <= bytes_max else None


# --- SSH signatures (OpenSSH's PROTOCOL.sshsig), by ssh-keygen --------------------------------

KINDS = {b"ssh-ed25519", *(f"ecdsa-sha2-nistp{bits}".encode() for bits in (256, 384, 521))}


def signature_of(armour: bytes, message: bytes, namespace: str) -> tuple[str, bool | None]:
    """(fingerprint of the key, whether it signed `message`); None: there is no ssh-keygen here."""
    try:
        blob = base64.b64decode(b"".join(armour.split(b"\n")[1:-2]), validate=True)
        key, _, reserved, _, inner = strings(blob[10:])  # what is before is SSHSIG, and a version
        kind, *parts = strings(key)
        strong = kind in KINDS or (kind == b"ssh-rsa" and len(parts[1]) > 256)
        touched = namespace == APPROVAL and kind.startswith(b"sk-") and inner[-5] & 1
    except (ValueError, struct.error, IndexError):
        return "", False
    # ssh-keygen takes a little more than these rules do: other wraps of its text, weaker keys.
    if armour != armoured(blob) or reserved or not (strong or touched):
        return fingerprint(key), False
    if (program := shutil.which("ssh-keygen")) is None:
        return fingerprint(key), None
    with tempfile.NamedTemporaryFile() as file:
        file.write(armour)
        file.flush()
        command = [program, "-Y", "check-novalidate", "-n", namespace, "-s", file.name]
        ran = subprocess.run(command, input=message, capture_output=True, check=False)  # noqa: S603
    return fingerprint(key), ran.returncode == 0


def fingerprint(key: bytes | str) -> str:
    """Of a key in wire form, or of that in Base64 (the word of an allowed-signers line)."""
    try:
        key = base64.b64decode(key, validate=True) if isinstance(key, str) else key
    except ValueError:
        return ""
    return f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode()[:43]}"


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


def armoured(blob: bytes) -> bytes:
    body = base64.b64encode(blob).decode()
    lines = "".join(body[at : at + 70] + "\n" for at in range(0, len(body), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n".encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
