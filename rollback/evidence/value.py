"""One JSON value, followed token by token, as long as only its brackets are kept. Pure.

A list or an object that stands whole on a line is passed over where JSON's own reader takes it:
nearly all do, and it costs a fraction.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

DEPTH_MAX: Final = 1000

_TEXT = r'"(?:[^"\\]|\\.)*"'
_PLAIN = (
    rf"(?:{_TEXT}|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)"
    r"|(?:true|false|null|NaN|-?Infinity)(?!\w))"
)
TOKEN: Final = re.compile(rf"\s+|{_PLAIN}|[\[\]{{}},:]")

_NEXT: Final = re.compile(rf"\s*({_PLAIN}|[\[\]{{}},:])").match
_MEMBER: Final = re.compile(rf"\s*{_TEXT}\s*+:\s*+{_PLAIN}\s*+(,?)\s*+\Z").match
_ELEMENT: Final = re.compile(rf"\s*{_PLAIN}\s*+(,?)\s*+\Z").match
"""What most lines of a value are, taken at once. Spaces are taken for good: of a long row of them
each part would be tried else.
"""

_NOT_SPACE: Final = re.compile(r"\S").search
_PAIRS: Final = {"]": "[", "}": "{"}
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')

_VALUE, _FIRST, _NAME, _COLON, _COMMA = "vfnc,"
"""What comes next: a value; one, or the end of an empty list; a name, or the end of an object; the
colon after a name; a comma, or the end."""

_ALONE: Final = {_NAME: _MEMBER, _VALUE: _ELEMENT, _FIRST: _ELEMENT}

_WHOLE_MAX: Final = 2**16
"""On a longer line nothing is passed over: its values would be held at once."""

_TRIES: Final = 3
"""So often what a line holds is looked at whether it is whole there."""

_SCAN: Final = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


_SOON: Final = 256
"""Tokens after one that does not fit, among which another's line would show as such."""


class Broken(Exception):
    """What comes is not of this value. begins: as what; "" for a token that does not fit here."""

    def __init__(self, begins: str) -> None:
        super().__init__()
        self.begins = begins

    @property
    def foreign(self) -> bool:
        """Whether it is no JSON at all: another's line, it may be. Half a text is JSON."""
        return self.begins not in {"", '"'}


@dataclass(slots=True)
class Value:
    """A value of which some has come. open: the brackets that have not ended yet."""

    open: str = ""
    wants: str = _VALUE

    def copy(self) -> Value:
        """As it stands."""
        return Value(self.open, self.wants)

    def run(self, text: str, start: int) -> int | None:
        """Take tokens from `start` on: where the value ends, or None where it goes on.

        Raises Broken. A comma before the end of a list or object is taken: some write it.
        """
        if self.open and self.wants in _ALONE and (alone := _ALONE[self.wants](text, start)):
            more = _NAME if self.open[-1] == "{" else _VALUE
            self.wants = more if alone[1] else _COMMA
            return None
        at, tries = start, _TRIES if len(text) <= _WHOLE_MAX else 0
        while found := _NEXT(text, at):
            at = found.end()
            first = found.start(1)
            kind = text[first]
            if kind in "[{" and tries and self.wants in {_VALUE, _FIRST}:
                end = _whole(text, first, len(self.open))
                tries -= end is None
                if end is not None:
                    at, kind = end, '"'
            if not self._take(kind):
                raise Broken(_odd(text, at))
            if not self.open and self.wants == _COMMA:
                return at
        if rest := _NOT_SPACE(text, at):
            raise Broken(rest.group())
        return None

    def _take(self, kind: str) -> bool:
        """Take a token by its first letter; whether it fits here."""
        wants, shut = self.wants, self.open
        if kind in "[{":
            if wants not in {_VALUE, _FIRST} or len(shut) >= DEPTH_MAX:
                return False
            self.open = shut + kind
            self.wants = _FIRST if kind == "[" else _NAME
        elif kind in "]}":
            ends = (_COMMA, _FIRST, _VALUE) if kind == "]" else (_COMMA, _NAME)
            if shut[-1:] != _PAIRS[kind] or wants not in ends:
                return False
            self.open = shut[:-1]
            self.wants = _COMMA
        elif kind == ",":
            if wants != _COMMA or not shut:
                return False
            self.wants = _NAME if shut[-1] == "{" else _VALUE
        elif kind == ":":
            if wants != _COLON:
                return False
            self.wants = _VALUE
        elif wants == _NAME:
            if kind != '"':
                return False
            self.wants = _COLON
        elif wants in {_VALUE, _FIRST}:
            self.wants = _COMMA
        else:
            return False
        return True


def _whole(text: str, start: int, depth: int) -> int | None:
    """Where a list or object ends that is whole on this line. None: it is followed by token."""
    if _NOT_SPACE(text, start + 1) is None:
        return None
    try:
        _, end = _SCAN(text, start)
    except (StopIteration, ValueError, RecursionError):
        return None
    brackets = text.count("[", start, end) + text.count("{", start, end)
    return None if depth + brackets > DEPTH_MAX else end


def _odd(text: str, at: int) -> str:
    """After a token that does not fit: what is no token, if anything comes soon that is none.

    Soon: a line with a name and no value again and again would be gone through as often.
    """
    for _ in range(_SOON):
        found = TOKEN.match(text, at)
        if found is None:
            return text[at : at + 1]
        at = found.end()
    return ""


def only_tokens(text: str, start: int, end: int) -> bool:
    """Whether all between is tokens, in whatever order."""
    at = start
    while at < end:
        found = TOKEN.match(text, at, end)
        if found is None:
            return False
        at = found.end()
    return True


def balanced(text: str, start: int) -> int | None:
    """Where the brackets that open after `start` are all shut again, by count alone."""
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found.group(), 0)
        if depth <= 0 and found.group()[0] != '"':
            return found.end()
    return None
