"""Secrets from a mapping of variables (the process's own, where the caller says so).

Resolved late, never kept in a model. What is blotted from texts is every value given out, and every
value that the environment refers to: the world may say one before anybody here has asked for it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from rollback.errors import InputError
from rollback.model.base import BLOT, Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rollback.model.base import Facts, Scalar, Value
    from rollback.model.environment import Secret

_BLOT = BLOT.encode()
_AT_ONCE = 48
_DECOYS = tuple(bytes([number]) * 8 for number in range(1, 9))
"""Searched for beside the secrets, and found in no text.

With few patterns the library looks for their rarest letters first; where those letters are common
in the text (a key written in hex), that is eighty times slower than looking for all at once, which
it does for about ten to sixty patterns that have no letters in common.
"""
_TABLE_WORK_MAX = 2**20
"""Letters of all forms, times those of the longest: above it no table of every next state is made.

For each state the library goes back through every shorter beginning that ends alike. Of a value
that repeats itself there are as many as letters: four thousand took half a minute. The other kind
of search is built in one pass, asks whether there is any as fast, and is half as fast where one is.
"""
_BY_NUMBER = (rb"\u00", rb"\/")
_ESCAPED = re.compile(rb"\\+(?:u00([2-7][0-9A-Fa-f])|/)")
_KEPT_ESCAPED = frozenset((b'"', b"\\", b"\x7f"))
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_NUMBER = re.compile(rb"[0-9.eE+-]+")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
"""A text or a number of JSON."""
_LINE_CHARACTERS = 16
"""A line of a value that has several stands alone in a log: from this length on it is blotted."""

_PIECE_BYTES = 2**19
_SHORTEST = 4
SHORTEST = 8
"""Characters that a secret has at least.

What is shorter stands in names, words and digests by chance: left there it is told, and blotted it
takes the sense out of every text. So nothing is planned with it (`refuse_short`). What is planned
already goes on: a halt waits for no better password. It is then blotted from texts and bytes, and
not from facts, which are decided by.
"""


@dataclass(slots=True)
class VariableSecrets:
    """The implementation of `SecretSource`. Safe to use from several threads."""

    variables: Mapping[str, str] = field(repr=False)
    _forms: frozenset[str] = field(default=frozenset(), repr=False)
    _search: _Search | None = field(default=None, repr=False)
    _values: set[str] = field(default_factory=set, repr=False)
    _of_facts: _Search | None = field(default=None, repr=False)
    _expected: tuple[Secret, ...] = field(default=(), repr=False)
    _referred: tuple[Secret, ...] = field(default=(), repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def get(self, secret: Secret) -> str:
        """The value. Raises InputError naming the variable where it is not set or empty."""
        value = self.variables.get(secret.variable, "")
        if not value:
            code, reason = "secret.missing", f"the variable {secret.variable} is not set"
            others = [name for name in self._missing() if name != secret.variable]
            if others:
                reason += f"; nor {'are' if len(others) > 1 else 'is'} {', '.join(others)}"
            reason += "; what needs it was not sent"
            hint = f"set {', '.join((secret.variable, *others))} and try again"
            raise InputError(code, reason, hint=hint)
        self.know(value)
        return value

    def expect(self, secrets: Iterable[Secret]) -> None:
        """Blot these too, from the first text on; those whose variable is not set have no value."""
        more = tuple(secrets)
        self._expected += more
        self._referred += more

    def _missing(self) -> list[str]:
        """Every variable that the environment refers to and that is not set."""
        names = dict.fromkeys(secret.variable for secret in self._referred)
        return [name for name in names if not self.variables.get(name)]

    def refuse_short(self) -> None:
        """Raise InputError where an expected value has fewer than `SHORTEST` characters."""
        values = {one.variable: self.variables.get(one.variable, "") for one in self._referred}
        short = sorted(name for name, value in values.items() if 0 < len(value) < SHORTEST)
        if short:
            raise InputError(
                "secret.too-short",
                f"what {' and '.join(short)} {'hold' if len(short) > 1 else 'holds'} has fewer "
                f"than {SHORTEST} characters: too few to keep it out of what is written",
                hint="give it a longer value, or unset the variable: what does not need it goes on",
                promise="no-secret-leaves",
            )

    def know(self, *values: str) -> None:
        """Blot these values."""
        with self._lock:
            forms = self._forms.union(*(_forms(value) for value in values))
            if forms != self._forms:
                self._forms, self._search = forms, _Search(forms)
                self._values |= {value for value in values if len(value) >= SHORTEST}
                long = frozenset[str]().union(*map(_forms, self._values))
                self._of_facts = _Search(long) if long else None

    def redact(self, text: str) -> str:
        """The text with every value given out, in any of its written forms, blotted out."""
        data = text.encode("utf-8", "surrogatepass")
        return bytes(self.redact_bytes(data)).decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes | memoryview) -> bytes | memoryview:
        """The same for bytes: one search for all forms; `data` itself where none is in it."""
        self._know_expected()
        search = self._search
        if search is None or search.nothing_in(data):
            return data
        return _blotted_escaped(_without_numbers(data, search) if search.numbers else data, search)

    def redact_facts(self, told: Facts) -> Facts:
        """Facts without the values of secrets (see `SHORTEST`); itself where there are none."""
        self._know_expected()
        search = self._of_facts
        if search is None or not search.places(_together(told)):
            return told

        def plain(value: Scalar) -> Scalar:
            if not isinstance(value, str):
                return BLOT if search.places(_said(value).encode()) else value
            data = bytes(_blotted(value.encode("utf-8", "surrogatepass"), search))
            return data.decode("utf-8", "surrogatepass")

        return tuple(
            Fact(
                one.name,
                tuple(plain(part) for part in one.value)
                if isinstance(one.value, tuple)
                else plain(one.value),
            )
            for one in told
        )

    def _know_expected(self) -> None:
        if expected := self._expected:
            values = (self.variables.get(secret.variable, "") for secret in expected)
            self.know(*(value for value in values if value))
            self._expected = ()


def _together(told: Facts) -> bytes:
    """All that some facts say, to be searched in one go."""
    texts = (_said(part) for one in told for part in _parts(one.value))
    return "\0".join(texts).encode("utf-8", "surrogatepass")


def _said(value: Scalar) -> str:
    return "" if value is None or isinstance(value, bool) else str(value)


def _parts(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def _blotted(data: bytes | memoryview, search: _Search) -> bytes | memoryview:
    """`data` itself where nothing of what is searched for is in it."""
    kept: list[bytes | memoryview] = []
    end = 0
    for begins, ends in search.places(data):
        kept += [data[end:begins], _BLOT]
        end = ends
    return b"".join([*kept, data[end:]]) if kept else data


def _without_numbers(data: bytes | memoryview, search: _Search) -> bytes | memoryview:
    """A number of a line of JSON that holds a value is a text then: the line stays JSON."""
    if not search.places(data):
        return data
    lines = bytes(data).split(b"\n")
    for at, line in enumerate(lines):
        if line[:1] in (b"{", b"[") and search.places(line):
            lines[at] = _TOKEN.sub(lambda found: _as_text(found[0], search), line)
    return b"\n".join(lines)


def _as_text(token: bytes, search: _Search) -> bytes:
    number = token[:1] != b'"'
    return b'"' + _BLOT + b'"' if number and search.places(token) else token


def _blotted_escaped(data: bytes | memoryview, search: _Search) -> bytes | memoryview:
    """Also where JSON wrote letters of it by number, as some libraries do with + and & and <.

    Such a line is written anew, without these escapes, where it holds a value then.
    """
    made = _blotted(data, search)
    if not search.escaped(made):
        return made
    lines = bytes(made).split(b"\n")
    for at, line in enumerate(lines):
        plain = _ESCAPED.sub(_letter, line)
        if plain != line and (blotted := _blotted(plain, search)) is not plain:
            lines[at] = bytes(blotted)
    return b"\n".join(lines)


def _letter(escape: re.Match[bytes]) -> bytes:
    letter = b"/" if escape[1] is None else bytes([int(escape[1], 16)])
    return escape[0] if letter in _KEPT_ESCAPED else letter


class _Search:
    """Finds every form at once.

    Whether there is any at all is asked first, in a way that the library answers at memory speed;
    where values overlap is asked only of data that holds one.
    """

    def __init__(self, forms: frozenset[str]) -> None:
        from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

        patterns = [form.encode("utf-8", "surrogatepass") for form in sorted(forms)]
        self.numbers = any(_NUMBER.fullmatch(form) for form in patterns)
        work = sum(map(len, patterns)) * max(map(len, patterns), default=0)
        kind = Implementation.ContiguousNFA if work > _TABLE_WORK_MAX else None
        self._any = tuple(
            BytesAhoCorasick(
                [*patterns[at : at + _AT_ONCE], *_DECOYS],
                matchkind=MatchKind.LeftmostFirst,
                implementation=kind,
            )
            for at in range(0, len(patterns), _AT_ONCE)
        )
        self._all = BytesAhoCorasick(patterns, implementation=kind)
        self._overlap = max(map(len, (*patterns, *_BY_NUMBER))) - 1
        self._escaped = BytesAhoCorasick([*_BY_NUMBER, *_DECOYS], matchkind=MatchKind.LeftmostFirst)

    def nothing_in(self, data: bytes | memoryview) -> bool:
        """Whether there is no form in it, and no letter written by number.

        Asked of one piece after the other, each as large as a core keeps at hand, and of each for
        letters by number first. That search is so short that it runs ahead of the memory; the
        other one waits for it, and takes three times as long where it goes first.
        """
        with memoryview(data) as whole:
            for at in range(0, len(whole), _PIECE_BYTES):
                piece = whole[at : at + _PIECE_BYTES + self._overlap]
                if self.escaped(piece) or self._has_any(piece):
                    return False
        return True

    def escaped(self, data: bytes | memoryview) -> bool:
        """Whether any letter is written by number, which is told at memory speed too."""
        return bool(self._escaped.find_matches_as_indexes(data))

    def places(self, data: bytes | memoryview) -> list[tuple[int, int]]:
        """(start, end) of what must go, in order; overlapping forms are one place."""
        if not self._has_any(data):
            return []
        merged: list[tuple[int, int]] = []
        found = self._all.find_matches_as_indexes(data, overlapping=True)
        for begins, ends in sorted((begins, ends) for _, begins, ends in found):
            if merged and begins < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], ends))
            else:
                merged.append((begins, ends))
        return merged

    def _has_any(self, data: bytes | memoryview) -> bool:
        return any(search.find_matches_as_indexes(data) for search in self._any)


def _forms(value: str) -> Iterator[str]:
    """The ways a value may stand in a text: raw, URL, JSON, base64 at each of three offsets."""
    raw = value.encode()
    seen = {value, quote(value), quote(value, safe=""), quote_plus(value)}
    for ascii_ in (True, False):  # also where JSON stands in a text of JSON
        once = json.dumps(value, ensure_ascii=ascii_)[1:-1]
        seen |= {once, json.dumps(once, ensure_ascii=ascii_)[1:-1]}
    seen |= {_PERCENT.sub(lambda found: found[0].lower(), form) for form in seen}
    seen |= {repr(value)[1:-1], raw.hex(), raw.hex().upper()}
    lines = value.splitlines() if "\n" in value else []
    seen |= {line for line in lines if len(line) >= _LINE_CHARACTERS and line[:5] != "-----"}
    for offset in range(3):
        seen |= set(_in_base64(raw, offset))
    yield from (form for form in seen if len(form) >= _SHORTEST or form == value)


def _in_base64(raw: bytes, offset: int) -> Iterator[str]:
    """The part of base64 that only the value decides, wherever in a longer text it began."""
    encoded = base64.b64encode(b"\0" * offset + raw)
    start = (0, 2, 3)[offset]
    end = (offset + len(raw)) * 8 // 6
    for whole in (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))):
        part = whole[start:end].decode()
        if len(part) >= 2 * _SHORTEST:
            yield part
