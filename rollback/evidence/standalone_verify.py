#!/usr/bin/env python3
"""Verify an evidence bundle with the standard library alone: no network, nothing installed.

    python3 standalone_verify.py BUNDLE [SHA256 of manifest.json, as it was kept elsewhere]

Exit 0 when the bundle holds, 8 when not, 2 for wrong usage. It keeps the rules V1 to V9 of
docs/reference/evidence-bundle.md; ``rollback evidence verify`` is another reader of the same rules.

What it cannot do: chunks are zstd frames, which Python unpacks from 3.14 on. Before that a chunk is
checked by the digest of its stored bytes, which is its name, and by the list of its capture, which
the journal names by digest; that it unpacks is not seen. Signatures by Ed25519 are checked here;
other keys are left to ssh-keygen, and where there is none that is said. Whose key it is, nobody but
the reader knows.
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
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

Fits = Callable[[Any], bool]
Point = tuple[int, int]
Tree = dict[str, Any]

NAMESPACE = "evidence@trade-rollback"
BLOCK_BYTES, MODULUS = 32_768, 65_521
FIRST = "0" * 64
OWN = {"manifest.json", "manifest.sha256", "manifest.sig", "chunks"}
PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)*")
STREAM = re.compile(r"run(/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,4}")
KINDS = {
    *("opened", "approved", "attested", "leased", "canaries", "preflight", "observed", "authority"),
    *("intent", "returned", "outcome", "exchange", "refusal", "evidence", "verified", "note"),
    *("step", "said", "closed"),
}


# --- what a manifest and a record look like ---------------------------------------------------


def one_of(*values: str | int) -> Fits:
    return lambda value: type(value) in (str, int) and value in values


def text(value: Any) -> bool:
    return type(value) is str


def count(value: Any) -> bool:
    return type(value) is int and value >= 0


def number(value: Any) -> bool:
    return type(value) is int


def digest(value: Any) -> bool:
    return text(value) and re.fullmatch("[0-9a-f]{64}", value) is not None


def moment(value: Any) -> bool:
    if not text(value) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
        return False
    try:
        return datetime.fromisoformat(value[:-1]) is not None
    except ValueError:
        return False


def scalar(value: Any) -> bool:
    return value is None or type(value) in (str, int, bool)


def value_of_fact(value: Any) -> bool:
    return scalar(value) or (type(value) is list and all(map(scalar, value)))


def maybe(inner: Fits) -> Fits:
    return lambda value: value is None or inner(value)


def many(inner: Fits) -> Fits:
    return lambda value: type(value) is list and all(map(inner, value))


def shape(**fields: Fits) -> Fits:
    return lambda value: (
        type(value) is dict
        and value.keys() == fields.keys()
        and all(check(value[name]) for name, check in fields.items())
    )


FACTS = many(shape(name=text, value=value_of_fact))
CHUNK = shape(sha256=digest, bytes=count, content_sha256=digest, content_bytes=count, items=count)
WINDOW = shape(
    source=text,
    moment=text,
    since=maybe(moment),
    until=maybe(moment),
    completeness=one_of("complete", "partial", "unknown"),
    reason=text,
    items=count,
    took_ms=count,
    chunks=many(CHUNK),
    facts=FACTS,
)
MANIFEST = shape(
    format=one_of(1),
    run=text,
    playbook=text,
    environment=text,
    owner=text,
    incident=maybe(text),
    plan_sha256=digest,
    journal_head=digest,
    journal_records=number,
    created=moment,
    created_by=text,
    tool_version=text,
    store=text,
    windows=many(WINDOW),
    files=many(shape(path=text, sha256=digest, bytes=count)),
    signature=one_of("unsigned", "sshsig"),
    spooled=lambda value: type(value) is bool,
)
RECORD = shape(
    format=one_of(1),
    run=text,
    stream=text,
    sequence=count,
    previous=digest,
    at=moment,
    monotonic_ms=number,
    kind=lambda value: text(value) and value in KINDS,
    body=FACTS,
)


def integer(digits: str) -> int:
    if abs(value := int(digits)) >= 2**53:
        raise ValueError(digits)
    return value


def refuse(digits: str) -> int:
    raise ValueError(digits)


def read_json(data: bytes, fits: Fits) -> Any:
    """A value in canonical form (RFC 8785 without fractions) and of the right shape, or None."""
    try:
        value = json.loads(
            data.decode(), parse_int=integer, parse_float=refuse, parse_constant=refuse
        )
        return value if fits(value) and written(value) == data else None
    except (ValueError, RecursionError):
        return None


def written(value: Any) -> bytes:
    line = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return line.encode()


# --- where damage is --------------------------------------------------------------------------


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blocks(data: bytes) -> list[str]:
    starts = range(0, len(data), BLOCK_BYTES)
    return [f"{zlib.adler32(data[at : at + BLOCK_BYTES]):08x}" for at in starts]


def read_sums(data: bytes) -> dict[str, list[str]]:
    lines = data.decode("ascii", "replace").splitlines()
    words = [line.removeprefix("# ").split(" ") for line in lines]
    hexadecimal = re.compile("[0-9a-f]{8}")
    return {name: sums for name, *sums in words if all(map(hexadecimal.fullmatch, sums))}


def place(
    data: bytes, sums: list[str], sealed_bytes: int, sealed_sha256: str | None
) -> tuple[int | None, int | None]:
    """(first damaged byte, the byte that was sealed there or None); (None, None) if not known."""
    for index, said in enumerate(sums):
        start = index * BLOCK_BYTES
        block = data[start : min(start + BLOCK_BYTES, sealed_bytes)]
        if zlib.adler32(block) == (sealed := int(said, 16)):
            continue
        change = ((zlib.adler32(block) & 0xFFFF) - (sealed & 0xFFFF)) % MODULUS
        weighed = ((zlib.adler32(block) >> 16) - (sealed >> 16)) % MODULUS
        signed = change if change < 256 else change - MODULUS
        if signed and abs(signed) < 256:
            at = start + len(block) - weighed * pow(change, -1, MODULUS) % MODULUS
            if start <= at < start + len(block) and 0 <= data[at] - signed < 256:
                was = data[at] - signed
                if sha256(data[:at] + bytes((was,)) + data[at + 1 :]) == sealed_sha256:
                    return at, was
        return min(start, len(data)), None
    return (min(len(data), sealed_bytes), None) if len(data) != sealed_bytes else (None, None)


def first_difference(one: bytes, other: bytes) -> int:
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


# --- an Ed25519 signature (RFC 8032), for one message; slow, and plain ------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def times(scalar_: int, point: Point) -> Point:
    total = (0, 1)
    for bit in f"{scalar_:b}":
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
    return (x if x & 1 == sign else P - x), y


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519_holds(key: bytes, signature: bytes, message: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    x, y = point_of(key)
    left = add(times(s, BASE), times(k, (-x % P, y)))
    return s < L and (left[1] | (left[0] & 1) << 255).to_bytes(32, "little") == signature[:32]


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


# --- the bundle -------------------------------------------------------------------------------


class Bundle:
    """A folder, and what is wrong with it so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wrong: list[tuple[str, str, str, int | None]] = []
        self.notes: list[str] = []
        self.held: dict[str, bytes | None] = {}
        self.sums: dict[str, list[str]] = {}
        self.expected: set[str] = set()
        self.m: Tree = {}
        self.signed_by = ""

    def say(self, rule: str, file: str, what: str, byte: int | None = None) -> None:
        self.wrong.append((rule, file, what, byte))

    def read(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.is_file() and not path.is_symlink() else None

    def verify(self, anchor: str) -> None:
        manifest = self.read("manifest.json")
        if manifest is None:
            self.say("V1", "manifest.json", "missing")
            return
        manifest = self.digests(manifest)
        self.m = read_json(manifest, MANIFEST) or {}
        if not self.m:
            if not any(file == "manifest.json" for _, file, _, _ in self.wrong):
                self.say("V1", "manifest.json", "not a manifest of format 1 in canonical form")
            return
        self.files()
        self.chunks()
        self.signature(manifest)
        self.nothing_else()
        self.journal()
        if anchor and anchor != sha256(manifest):
            self.say("V9", "manifest.json", "not the manifest that was anchored")

    def digests(self, manifest: bytes) -> bytes:
        """V1; returns the manifest, restored where a single byte of it was changed."""
        said = self.read("manifest.sha256")
        if said is None:
            self.say("V1", "manifest.sha256", "missing: the bundle was not sealed to its end")
            return manifest
        signature = self.read("manifest.sig")
        held = {"manifest.json": manifest} | ({"manifest.sig": signature} if signature else {})
        lines = [line.split("  ") for line in said.decode("ascii", "replace").splitlines()]
        told = {line[1]: line[0] for line in lines if len(line) == 2}
        sums = read_sums(said)
        for name, data in held.items():
            at, was = place(data, sums.get(name, []), len(data), told.get(name))
            if at is not None and was is not None:
                self.say("V1", name, f"this byte was changed; {was:#04x} was sealed", at)
                held[name] = data[:at] + bytes((was,)) + data[at + 1 :]
        lines_ = [f"{sha256(data)}  {name}\n" for name, data in held.items()]
        lines_ += [" ".join(["#", name, *blocks(data)]) + "\n" for name, data in held.items()]
        if said != (right := "".join(lines_).encode()):
            at = first_difference(said, right)
            self.say("V1", "manifest.sha256", "it does not belong to what it names", at)
            for name in {*told, *held} & OWN:
                if name not in held or told.get(name) != sha256(held[name]):
                    self.say("V1", name, "missing, or not what manifest.sha256 says")
        return held["manifest.json"]

    def differs(self, rule: str, path: str, data: bytes, sealed_bytes: int, sealed: str) -> bool:
        if len(data) == sealed_bytes and sha256(data) == sealed:
            return False
        at, was = place(data, self.sums.get(path, []), sealed_bytes, sealed)
        what = "its bytes are not those that were sealed"
        what += f"; {was:#04x} was sealed here" if was is not None else ""
        self.say(rule, path, what, at)
        return True

    def files(self) -> None:
        """V2."""
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
                self.say("V2", path, "missing")
            elif path != "blocks.txt":
                self.differs("V2", path, data, one["bytes"], one["sha256"])

    def chunks(self) -> None:
        """V3."""
        known: dict[str, Tree] = {}
        for window in self.m["windows"]:
            for chunk in window["chunks"]:
                path = f"chunks/{chunk['sha256']}"
                if known.setdefault(path, chunk) != chunk:
                    self.say("V3", path, "two windows say different things of it")
            if window["items"] != sum(chunk["items"] for chunk in window["chunks"]):
                self.say("V3", "manifest.json", f"window {window['source']} counts wrongly")
        for path, chunk in known.items():
            self.expected.add(path)
            data = self.read(path)
            if data is None:
                self.say("V3", path, "missing")
            elif not self.differs("V3", path, data, chunk["bytes"], chunk["sha256"]):
                self.unpacked(path, chunk, data)
        # The sums are checked last: they say where others are damaged, and others where they are.
        said = self.held.get("blocks.txt")
        listed = {one["path"]: (one["bytes"], one["sha256"]) for one in self.m["files"]}
        if said is not None and (len(said), sha256(said)) != listed.get("blocks.txt"):
            at = None if self.wrong else first_difference(said, self.right_sums())
            self.say("V2", "blocks.txt", "its bytes are not those that were sealed", at)
        elif said is not None and not self.wrong and said != self.right_sums():
            self.say("V2", "blocks.txt", "these are not the sums of the files that are here")

    def right_sums(self) -> bytes:
        paths = self.expected - {"manifest.json", "manifest.sha256", "blocks.txt"}
        lines = [" ".join([path, *blocks(self.read(path) or b"")]) + "\n" for path in sorted(paths)]
        return "".join(lines).encode()

    def unpacked(self, path: str, chunk: Tree, data: bytes) -> None:
        try:
            zstd = importlib.import_module("compression.zstd")  # from Python 3.14 on
        except ImportError:
            note = "chunks were not unpacked: this Python has no zstd (3.14 has)"
            self.notes += [note] if note not in self.notes else []
            return
        try:
            content = zstd.decompress(data)
        except zstd.ZstdError:
            content = None
        told = (chunk["content_sha256"], chunk["content_bytes"], chunk["items"])
        if content is None or (sha256(content), len(content), content.count(b"\n")) != told:
            self.say("V3", path, "it unpacks to something else than the manifest says")

    def signature(self, manifest: bytes) -> None:
        """V8."""
        if self.m["signature"] == "unsigned":
            self.notes.append("unsigned: compare the digest with one that was kept elsewhere")
            return
        self.expected.add("manifest.sig")
        armour = self.read("manifest.sig")
        if armour is None:
            self.say("V8", "manifest.sig", "missing")
            return
        if any(file == "manifest.sig" and byte is not None for _, file, _, byte in self.wrong):
            return
        try:
            blob = base64.b64decode(b"".join(armour.split(b"\n")[1:-2]), validate=True)
            key, namespace, reserved, hash_name, inner = strings(blob[10:])
            algorithm, value = strings(inner)
            fits = blob[:10] == b"SSHSIG\0\0\0\1" and armoured(blob) == armour and not reserved
            fits = fits and namespace.decode() == NAMESPACE and hash_name in (b"sha256", b"sha512")
            if not fits:
                raise ValueError(namespace)
            signed = hashlib.new(hash_name.decode(), manifest).digest()
            signed = b"SSHSIG" + b"".join(map(string, (namespace, b"", hash_name, signed)))
            if strings(key)[0] != b"ssh-ed25519":
                self.by_ssh_keygen(manifest)
            elif algorithm != b"ssh-ed25519" or not ed25519_holds(strings(key)[1], value, signed):
                raise ValueError(algorithm)
        except (ValueError, struct.error, UnicodeDecodeError, IndexError):
            self.say("V8", "manifest.sig", "not a signature for evidence that belongs to it")
            return
        self.signed_by = "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode()[:43]

    def by_ssh_keygen(self, manifest: bytes) -> None:
        program = shutil.which("ssh-keygen")
        if program is None:
            self.notes.append("the signature was NOT checked: no ssh-keygen for this kind of key")
            return
        signature = self.folder / "manifest.sig"
        command = [program, "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(signature)]
        if subprocess.run(command, input=manifest, capture_output=True, check=False).returncode:  # noqa: S603
            raise ValueError("ssh-keygen")

    def nothing_else(self) -> None:
        """V4."""
        folders = {str(parent) for path in self.expected for parent in Path(path).parents}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            known = name in (folders if path.is_dir() else self.expected)
            if path.is_symlink() or not known:
                self.say("V4", name, "not part of the bundle")

    def journal(self) -> None:
        """V5, V6, V7."""
        plan, data = self.held.get("plan.json"), self.held.get("journal.jsonl")
        if plan is not None and sha256(plan) != self.m["plan_sha256"]:
            self.say("V5", "plan.json", "not the plan that the manifest names")
        records = [] if data is None else self.records(data)
        if records is None:
            return
        captures: dict[str, str] = {}
        for record in records:
            facts = {fact["name"]: fact["value"] for fact in record["body"]}
            plan_of = facts.get("plan") or facts.get("plan_sha256") or self.m["plan_sha256"]
            if record["kind"] == "opened" and plan_of != self.m["plan_sha256"]:
                self.say("V5", "journal.jsonl", "it was opened for another plan")
            if record["kind"] == "evidence":
                found = {name.removeprefix("performed/"): value for name, value in facts.items()}
                if found.get("windows_sha256") is not None:
                    captures[found["windows_content_sha256"]] = found["windows_sha256"]
        if data is not None:
            self.captures(captures)

    def captures(self, captures: dict[str, str]) -> None:
        """V7."""
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
        if captures and set(held) - set(own) != told:
            self.say("V7", "manifest.json", "its windows are not those that the journal recorded")
        for path in sorted(self.held):
            if path.startswith("captures/") and path[9:-5] not in captures:
                self.say("V7", path, "a list that the journal does not name")

    def records(self, data: bytes) -> list[Tree] | None:
        """V6: the rules R1 to R6 of docs/reference/journal.md. None where they are broken."""
        heads: dict[str, tuple[int, str]] = {}
        grown: set[str] = set()
        last: str | None = None
        records: list[Tree] = []
        at = 0
        for line_number, line in enumerate(data.split(b"\n")[:-1], start=1):
            record: Tree = (read_json(line, RECORD) if len(line) < 2**20 else None) or {}
            problem: str | None = "R1: not a record in canonical form"
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
    ) -> str | None:
        stream = record["stream"]
        if record["run"] != self.m["run"] or not STREAM.fullmatch(stream):
            return "R2: another run, or no stream of one"
        if (record["sequence"], record["previous"]) != (
            (heads[stream][0] + 1, heads[stream][1]) if stream in heads else (0, FIRST)
        ):
            return "R3, R4: it does not follow the line before it in its stream"
        said = [fact["value"] for fact in record["body"] if fact["name"] == "anchors"][:1] or [[]]
        right = {f"{name} {number_} {sha}" for name, (number_, sha) in heads.items()}
        if type(said[0]) is not list or not set(said[0]) <= right:
            return "R5: an anchor is not the head of its stream"
        wanted = (grown if stream == "run" else set()) | ({last} if last else set())
        named = (f"{name} {heads[name][0]} {heads[name][1]}" for name in wanted - {stream})
        if not set(named) <= set(said[0]):
            return "R6: an anchor is missing"
        return None


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2) or not Path(arguments[0]).is_dir():
        sys.stderr.write(f"{__doc__}\n")
        return 2
    bundle = Bundle(Path(arguments[0]))
    bundle.verify(arguments[1].lower() if len(arguments) == 2 else "")
    for rule, file, what, byte in bundle.wrong:
        where = "" if byte is None else f" byte {byte}"
        sys.stdout.write(f"wrong: {ascii(file)[1:-1]}{where}: {ascii(what)[1:-1]} ({rule})\n")
    for note in bundle.notes:
        sys.stdout.write(f"note: {note}\n")
    manifest = bundle.read("manifest.json")
    digest_ = "" if manifest is None else f"; manifest {sha256(manifest)}"
    signed = f"; signed by {bundle.signed_by}" if bundle.signed_by else ""
    sys.stdout.write(f"{'does not hold' if bundle.wrong else 'holds'}{digest_}{signed}\n")
    return 8 if bundle.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
