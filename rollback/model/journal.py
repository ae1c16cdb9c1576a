"""The journal's format 1: pure functions between bytes and records. See docs/reference/journal.md.

A journal is lines; a line is the RFC 8785 form of a `Record` and one newline. The rules, cited by
number wherever they are kept or broken:

- R1 a line is UTF-8, at most `LINE_BYTES_MAX` long, and byte for byte the canonical form of its
  record.
- R2 every record has the journal's format and run; its stream is ``run`` or starts with ``run/``.
- R3 in each stream, sequence counts from 0 without gaps.
- R4 in each stream, `previous` is the SHA-256 of the previous line of that stream (without its
  newline), `FIRST` for the first.
- R5 an anchor (a text ``<stream> <sequence> <sha256>`` in the body's fact ``anchors``) names the
  head that its stream has at this point of the file, exactly.
- R6 a record anchors the line before it where that line belongs to another stream, and a record of
  stream ``run`` anchors every stream that grew since the last record of ``run``.

R4 and R6 together chain every line to the one before it: any line but the last that is edited,
moved or taken out is found. The last line, and a file cut after a whole line, can only be found by
a head kept elsewhere: `verify(..., anchors=...)`, and the head beside the file
(`rollback.model.kept_head`).

A torn tail is what a crash leaves: an unfinished last line, or NUL bytes, with no whole record
after it. It is told apart from damage, because it is recovered and damage is refused.
"""

import hashlib
import re
from dataclasses import dataclass

import orjson
from pydantic import ValidationError

from rollback.model.base import Fact, Facts, Value, rfc3339
from rollback.model.record import FIRST, Record

LINE_BYTES_MAX = 1 << 20
"""A record longer than this is a defect: large things are evidence, not records."""

ANCHORS = "anchors"
"""The fact that holds anchors; reserved, the journal itself puts it in."""

MAIN = "run"
_STREAM = re.compile(r"run(/[A-Za-z0-9][A-Za-z0-9._-]{0,79}){0,4}")


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of one stream: enough to notice that anything was cut after it."""

    stream: str
    sequence: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.stream} {self.sequence} {self.sha256}"


@dataclass(frozen=True, slots=True)
class JournalCheck:
    """What a journal's bytes say.

    records: those before the first bad line. heads: of every stream, in name order. head: SHA-256
    of the last good line, `FIRST` for none. problem: empty when all is well, otherwise what is
    wrong and by which rule; line: its number, from 1. good_bytes: length of the good part.
    torn_bytes: length of a torn tail after it, which is no problem. cut: whether the problem is
    that lines are lost at its end. remark: what could not be told of it, which is no problem.
    """

    run: str
    records: tuple[Record, ...]
    heads: tuple[Head, ...]
    head: str
    problem: str
    line: int | None
    good_bytes: int
    torn_bytes: int
    cut: bool = False
    remark: str = ""

    @property
    def holds(self) -> bool:
        """True when nothing is wrong."""
        return not self.problem


def line_of(record: Record) -> bytes:
    """The canonical line of a record, without newline.

    Orjson gives RFC 8785 here: every key is fixed, ASCII and in order, there are no floats, and
    both escape text alike (a property test holds it against the rfc8785 package). Raises ValueError
    for an integer out of range (from 2^53 up) or text that is not Unicode.
    """
    document = {
        "at": rfc3339(record.at),
        "body": [{"name": fact.name, "value": fact.value} for fact in record.body],
        "format": record.format,
        "kind": record.kind.value,
        "monotonic_ms": record.monotonic_ms,
        "previous": record.previous,
        "run": record.run,
        "sequence": record.sequence,
        "stream": record.stream,
    }
    try:
        return orjson.dumps(document, option=orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as error:
        msg = f"text or an integer out of range: {error}"
        raise ValueError(msg) from error


def speakable(body: Facts) -> Facts:
    """The facts with text that is not Unicode (lone surrogates) written as escapes.

    Text comes from the world; a strange byte in it must not keep a record from being written.
    """
    return tuple(
        fact
        if _is_plain(fact.name) and _is_plain(fact.value)  # nearly all: none is made anew
        else Fact(name=_clean(fact.name), value=_clean_value(fact.value))
        for fact in body
    )


def _is_plain(value: Value) -> bool:
    """Whether a value surely needs no escape."""
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, tuple):
        return all(not isinstance(part, str) or part.isascii() for part in value)
    return True


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _clean_value(value: Value) -> Value:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, tuple):
        return tuple(_clean(part) if isinstance(part, str) else part for part in value)
    return value


class Chain:
    """The heads of a journal while it is read or written; knows rules R2 to R6, not bytes."""

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.last: Head | None = None
        self._heads: dict[str, Head] = {}
        self._grown: set[str] = set()

    @property
    def heads(self) -> tuple[Head, ...]:
        """The head of every stream, in name order."""
        return tuple(self._heads[stream] for stream in sorted(self._heads))

    def head(self, stream: str) -> Head | None:
        """The head of one stream, None where it has no record."""
        return self._heads.get(stream)

    def position(self, stream: str) -> tuple[int, str]:
        """(sequence, previous) that the next record of `stream` must have (R3, R4)."""
        head = self._heads.get(stream)
        return (0, FIRST) if head is None else (head.sequence + 1, head.sha256)

    def anchors(self, stream: str) -> tuple[str, ...]:
        """The anchors that the next record of `stream` must hold at least (R6)."""
        if not self._grown and (self.last is None or self.last.stream == stream):
            return ()  # nearly always
        wanted = set(self._grown) if stream == MAIN else set()
        if self.last is not None and self.last.stream != stream:
            wanted.add(self.last.stream)
        wanted.discard(stream)
        return tuple(str(self._heads[name]) for name in sorted(wanted))

    def objection(self, record: Record) -> str:
        """Why this record may not come next; empty when it may."""
        if self.run and record.run != self.run:
            return f"R2: the record is of run {record.run}, the journal of {self.run}"
        if record.stream not in self._heads and _STREAM.fullmatch(record.stream) is None:
            return f"R2: no such stream name: {record.stream!r}"
        sequence, previous = self.position(record.stream)
        if record.sequence != sequence:
            return f"R3: stream {record.stream} has {record.sequence} where {sequence} must stand"
        if record.previous != previous:
            return f"R4: the line before it in stream {record.stream} is not the one it was after"
        return self._unanchored(record)

    def _unanchored(self, record: Record) -> str:
        """Where R5 or R6 is broken."""
        held = record.get(ANCHORS, ())
        if held == () and not self.anchors(record.stream):
            return ""  # nearly always
        if not isinstance(held, tuple):
            return "R5: anchors is not a list"
        for anchor in held:
            head = self._heads.get(str(anchor).partition(" ")[0])
            if head is None or str(head) != anchor:
                return f"R5: the lines before it do not end as its anchor says ({anchor})"
        missing = set(self.anchors(record.stream)).difference(held)
        return f"R6: an anchor is missing ({min(missing)})" if missing else ""

    def add(self, record: Record, line: bytes) -> None:
        """Take a record that has no objection."""
        self.run = record.run
        head = Head(record.stream, record.sequence, hashlib.sha256(line).hexdigest())
        self._heads[record.stream] = self.last = head
        if record.stream == MAIN:
            self._grown.clear()
        else:
            self._grown.add(record.stream)


def verify(data: bytes, *, anchors: tuple[Head, ...] = ()) -> JournalCheck:
    """Check a whole journal. anchors: heads known from elsewhere, which must be in it.

    Never raises; the answer names the first bad line.
    """
    chain = Chain()
    records: list[Record] = []
    wanted = {(head.stream, head.sequence): head.sha256 for head in anchors}
    good = 0
    problem = ""
    torn = 0
    for line in _lines(data):
        record, problem = _read(line)
        if record is None:
            if _is_torn(line, data[good + len(line) :]):
                torn, problem = len(data) - good, ""
            break
        problem = chain.objection(record)
        if not problem:
            problem = _against(wanted, record, line)
        if problem:
            break
        chain.add(record, line[:-1])
        records.append(record)
        good += len(line)
    bad_line = len(records) + 1 if problem else None
    cut = False
    if not problem:
        missing = [head for head in anchors if (head.stream, head.sequence) not in _seen(records)]
        if missing:
            problem = f"cut: {missing[0].stream} {missing[0].sequence} is known and is not here"
            bad_line = len(records) + 1
            cut = True
    return JournalCheck(
        run=chain.run,
        records=tuple(records),
        heads=chain.heads,
        head=FIRST if chain.last is None else chain.last.sha256,
        problem=problem,
        line=bad_line,
        good_bytes=good,
        torn_bytes=torn,
        cut=cut,
    )


def _lines(data: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _seen(records: list[Record]) -> set[tuple[str, int]]:
    return {(record.stream, record.sequence) for record in records}


def _against(wanted: dict[tuple[str, int], str], record: Record, line: bytes) -> str:
    known = wanted.get((record.stream, record.sequence))
    if known is not None and hashlib.sha256(line[:-1]).hexdigest() != known:
        return f"this is not the line known elsewhere as {record.stream} {record.sequence}"
    return ""


def _read(line: bytes) -> tuple[Record | None, str]:
    if not line.endswith(b"\n"):
        return None, "R1: the line is not finished"
    if len(line) > LINE_BYTES_MAX:
        return None, f"R1: the line is longer than {LINE_BYTES_MAX} bytes"
    try:
        record = Record.model_validate_json(line[:-1])
        canonical = line_of(record)
    except ValidationError as error:
        if any(problem["loc"] == ("format",) for problem in error.errors()):
            return None, "R2: the record is of another format than 1; a newer version reads it"
        return None, f"R1: not a record of format 1 ({error.error_count()} problems)"
    except ValueError as error:
        return None, f"R1: not a record of format 1 ({error})"
    if canonical != line[:-1]:
        return None, "R1: the line is not in canonical form"
    return record, ""


def _is_torn(line: bytes, rest: bytes) -> bool:
    if line.endswith(b"\n") and b"\0" not in line:
        return False
    _, *later = (line + rest).replace(b"\0", b"\n").split(b"\n")
    return all(_read(piece + b"\n")[0] is None for piece in later if piece)
