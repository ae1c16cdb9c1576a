"""Values that a rule names, followed over lines: each line on which one stands is left out.

JSON that is written over several lines, as files, logs and commands give it, cannot be opened line
by line. What is kept of a value is which of its brackets are open, so that memory is bounded
whatever its size. The rules, of a line that comes:

1. A line that is one JSON value is opened as such, later; where a text in it is a line of JSON
   itself (it ends with a newline: container logs are written so), that text is followed alike;
   so is what stands after the beginning of a line of CRI. What was cut into pieces is put together.
2. Else, where it names a field, the value after the colon is followed from there. What stands
   before the name is how lines begin here (a time, a level), and is looked for on the next ones.
3. Where it names a field that counts within another only, and a value of that other is spread over
   lines around it, the line is left out: alone it does not show where it stands.
4. While a value is followed, a line that is no JSON is another's: left out, and not counted. Where
   nothing of the value has come yet, so many of them say that there is none.
5. Where what comes cannot be of the value (a bracket that fits none, half a text, a line too long
   to be held), nobody knows where it ends: all that follows is left out, and `lost` says so.
6. Was it a record of one line that was broken off, two whole ones that begin alike, one right after
   the other, are not both of the value (see `records`): from the second on lines are kept again.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rollback.evidence.container_logs import PIECE_BYTES_MIN, JsonPath, cri, goes_on, texts_in
from rollback.evidence.records import PREFIX_MAX, Beginning, shape, sizes
from rollback.evidence.redaction import Redaction, all_json, plainly
from rollback.evidence.value import Broken, Value, balanced, only_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_BYTES_MAX: Final = 8 * 2**20
"""A longer line is not held; where it names a field, nobody knows what it ends with."""

TEXTS_BYTES_MAX: Final = 2**20
"""In a line of up to so many bytes, texts are followed."""

OVERLAP_BYTES: Final = 4096
WAITS_MAX: Final = 16
"""Lines that are no JSON, after a name of which no value has begun."""

BELOW_MAX: Final = 64

_TIME: Final = re.compile(r"(?:\d[\d:.,TZ+-]*\s+){0,2}")
"""What may stand before JSON in a log whose beginning is not there."""


class Spread:
    """The lines of one file, log or output, in order."""

    def __init__(self, fields: Redaction) -> None:
        """fields: the rules; without any, no line is left out."""
        self._fields = fields
        self._value: Value | None = None
        self._waits = 0
        self._named = False
        self._begins: tuple[re.Pattern[str], ...] = ()
        self._below: dict[JsonPath, Spread] = {}
        self._held = bytearray()
        self._long = False
        self._marked = False
        self._around = Spread(Redaction(fields.parents)) if fields.parents else None
        self._record: Beginning | None = None
        self._cut_at: tuple[int, int] = (0, 0)
        self._whole = False
        self.lost = False
        self.broken_off = False
        """Whether any value was broken off, and lines after it were left out that may be of it."""
        self.in_pieces = False
        """Whether a line came in pieces on lines of their own, which were left out."""

    @property
    def followed(self) -> bool:
        """Whether a value has begun that has not ended."""
        below = any(one.followed for one in self._below.values())
        return self.lost or self._value is not None or below

    @property
    def at_line(self) -> bool:
        """Whether what comes next begins a line."""
        return not (self._held or self._long)

    @property
    def plain(self) -> bool:
        """Whether nothing of what came before matters to what comes next."""
        if self._held or self._long or self.lost or self._value is not None:
            return False
        if self._named or self._below:
            return False
        return self._around is None or self._around.plain

    def hides(self, piece: bytes, *, cut: bool) -> bool:
        """Whether a line is to be left out. cut: a piece of a long line, which is left out anyway.

        The last piece of a long line ends with a newline, or is the last of all.
        """
        if not self._fields.rules:
            return False
        within = self._around is not None and self._around.hides(piece, cut=cut)
        if not cut:
            return self._line(piece) or (within and self._names(piece))
        self._hold(piece)
        if piece.endswith(b"\n"):
            line, long = bytes(self._held), self._long
            self._held.clear()
            self._long = False
            if not long:
                self._line(line)
            elif self.followed or self._named or self._marked:
                self._record = self._record if self._value is not None or self.lost else None
                self.lost, self._whole = True, False
            self._marked = False
        return True

    def _hold(self, piece: bytes) -> None:
        if self._long:
            self._marked = self._marked or self._fields.marked(bytes(self._held) + piece)
            self._held[:] = (self._held + piece)[-OVERLAP_BYTES:]
            return
        self._held += piece
        if len(self._held) > LINE_BYTES_MAX:
            self._long = True
            self._marked = self._fields.marked(bytes(self._held))
            del self._held[:-OVERLAP_BYTES]

    def _names(self, raw: bytes) -> bool:
        text = plainly(raw.decode("utf-8", "replace"))
        return self._fields.member.search(text) is not None

    def _line(self, raw: bytes) -> bool:
        if not (self.lost or self._value or self._named) and (found := cri(raw)) is not None:
            stream, text, more = found
            hidden = self._into((stream,), text, more=more)
            return hidden or self._stuck({(stream,)})
        if not (
            self.lost
            or self._value
            or self._named
            or self._below
            or len(raw) >= PIECE_BYTES_MIN
            or self._fields.marked(raw)
        ):
            return False
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        if self.lost:
            return not self._over(plainly(line.decode("utf-8", "replace"))) or self._judged(line)
        hidden = self._judged(line)
        if self.lost:
            self._cut_at, self._whole = sizes(line.decode("utf-8", "replace")), False
        return hidden

    def _over(self, text: str) -> bool:
        """Whether what was broken off is over before this line. See `records`."""
        if self._record is None:
            return False
        if not self._record.whole(text):
            self._whole = self._whole and self._record.foreign(text)
            return False
        if self._whole:
            self._value, self._record, self._named, self._below = None, None, False, {}
            self._whole = self.lost = False
            self.broken_off = True
            return True
        now = zip(sizes(text), self._cut_at, strict=True)
        self._whole = all(one != other for one, other in now)
        return False

    def _judged(self, line: bytes) -> bool:
        if self._value is None and line.lstrip()[:1] in {b"{", b"["} and all_json(line):
            self._named = False
            return self._texts(line)
        return self._foreign_or_part(line) or self._stuck(set())

    def _foreign_or_part(self, line: bytes) -> bool:
        text = plainly(line.decode("utf-8", "replace"))
        if self._value is not None:
            end = self._goes_on(text)
        elif self._named and text.strip():
            end = self._after_name(text)
        else:
            end = 0
        if end is None:
            return True
        return self._search(text, end) or end > 0

    # --- a value begins ------------------------------------------------------------------------

    def _search(self, text: str, start: int) -> bool:
        """Look for names; whether a value goes on beyond this line."""
        at = start
        while found := self._fields.member.search(text, at):
            end = self._begin(text, found.end())
            if end is None:
                self._learn(text, found.start())
                return True
            at = max(end, found.end())
        if last := self._fields.name_last.search(text, at):
            self._learn(text, last.start())
            self._named, self._waits = True, 0
        return False

    def _begin(self, text: str, at: int) -> int | None:
        """A value after its colon: where it ends, None where it does not on this line."""
        value = Value()
        try:
            end = value.run(text, at)
        except Broken as broken:
            if not value.open:
                return at  # no JSON comes after this colon
            if broken.begins == "\\":  # JSON in a text: it cannot go on beyond the line
                end = at if _ends(text[at:].replace(r"\"", '"').replace(r"\\", "\\")) else None
            else:  # like [FILTERED]
                end = balanced(text, at) if broken.foreign else None
            self.lost = end is None
            return end
        if end is None:
            self._value, self._waits = value, 0
        return end

    def _after_name(self, text: str) -> int | None:
        """A name ended the line before: 0 where no colon comes, else where its value ends."""
        starts = self._starts(text)
        if any(not text[start:].strip() for start in starts):
            return 0
        for start in starts:
            at = text.find(":", start) + 1
            if not at or text[start : at - 1].strip():
                continue
            end = self._begin(text, at)
            if end != at or text[at:].lstrip()[:1] == '"':  # half a text too is its value
                self._named = False
                return end if end != at else len(text)
        ours = any(only_tokens(text, start, len(text)) for start in starts)
        self._waits += 1
        self._named = not ours and self._waits <= WAITS_MAX  # else another's line stands between
        return 0

    # --- and goes on ---------------------------------------------------------------------------

    def _goes_on(self, text: str) -> int | None:
        """Where the value that is followed ends on this line; None where it does not."""
        if (before := self._value) is None:
            return 0
        for start in self._starts(text):
            value = before.copy()
            try:
                end = value.run(text, start)
            except Broken as broken:
                if broken.foreign:
                    continue  # no JSON: perhaps with another beginning
                if not value.open:  # nothing had begun; half a text is all there is of it
                    self._value = None
                    return len(text) if broken.begins == '"' else 0
                self.lost = True
                return None
            self._value = value if end is None else None
            return end
        if not before.open:
            self._waits += 1
            if self._waits > WAITS_MAX:
                self._value = None
        return None

    def _starts(self, text: str) -> Sequence[int]:
        """Where what belongs to a value may begin: after what lines begin with here, else at 0."""
        ends = [found.end() for one in self._begins if (found := one.match(text))]
        return ends or (0,)

    def _learn(self, text: str, name: int) -> None:
        """How lines begin: what stands before the JSON in which the name was found."""
        self._record = Beginning.of(text, name)
        spaces = [found.end() for found in re.finditer(r"\s+", text[: min(name, PREFIX_MAX)])]
        ends = [0, *(end for end in spaces if end <= name)]
        first = next((end for end in ends if only_tokens(text, end, name)), name)
        shown = [text[:end] for end in reversed(ends) if end <= first and text[:end].strip()]
        self._begins = tuple(re.compile(shape(one)) for one in shown)

    # --- texts in a line that is JSON itself ---------------------------------------------------

    def _texts(self, line: bytes) -> bool:
        texts: list[tuple[JsonPath, bytes, bool]] = []
        if len(line) <= TEXTS_BYTES_MAX and (
            self._below or rb'\n"' in line or len(line) >= PIECE_BYTES_MIN
        ):
            with suppress(ValueError, RecursionError):
                texts = [*texts_in(json.loads(line))]
        hidden = False
        fed: set[JsonPath] = set()
        for path, text, docker in texts:
            more = docker and goes_on(text)
            open_ = docker and path in self._below and not self._below[path].at_line
            if text.endswith(b"\n") or more or open_:
                fed.add(path)
                hidden = self._into(path, text, more=more) or hidden
        return hidden or self._stuck(fed)

    def _into(self, path: JsonPath, text: bytes, *, more: bool) -> bool:
        """Follow what stands there in a line of another form; whether it is to be left out.

        more: it is a piece of a line, and the next one comes on a line of its own.
        """
        inner = self._below.pop(path, None) or Spread(self._fields)
        if pieces := more or not inner.at_line:
            self.in_pieces = True
            ended = text if more or text.endswith(b"\n") else text + b"\n"
            hidden = inner.hides(ended, cut=True)
        else:
            hidden = False
            for one in text.splitlines(keepends=True):
                hidden = inner.hides(one, cut=False) or hidden
        self.broken_off = self.broken_off or inner.broken_off
        if not inner.plain:
            self._below[path] = inner
        if len(self._below) > BELOW_MAX:
            self.lost, self._record = True, None
        return hidden or pieces

    def _stuck(self, fed: set[JsonPath]) -> bool:
        """Whether a value below has no end that anybody knows, of which this line says nothing."""
        return any(one.lost for path, one in self._below.items() if path not in fed)


def may_go_on(raw: bytes) -> bool:
    """Whether a line may belong to a value that began before: JSON, but no whole object or list."""
    text = raw.decode("utf-8", "replace").strip() + " "
    if text[:1] in {"{", "["} and all_json(raw.strip()):
        return False
    time = _TIME.match(text)
    return any(only_tokens(text, at, len(text)) for at in (0, time.end() if time else 0))


def _ends(text: str) -> bool:
    try:
        return Value().run(text, 0) is not None
    except Broken:
        return False
