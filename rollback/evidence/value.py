"""One JSON value, followed token by token, as long as only its brackets are kept. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

DEPTH_MAX: Final = 1000

TOKEN: Final = re.compile(
    r'\s+|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)'
    r"|(?:true|false|null|NaN|-?Infinity)(?!\w)|[\[\]{},:]"
)


class _Wants(Enum):
    """What comes next."""

    VALUE = "a value"
    FIRST = "a value, or the end of an empty list"
    NAME = "a name, or the end of an object"
    COLON = "the colon after a name"
    COMMA = "a comma, or the end"


_PAIRS: Final = {"]": "[", "}": "{"}
_MAY_END: Final = {
    "]": frozenset({_Wants.COMMA, _Wants.FIRST, _Wants.VALUE}),
    "}": frozenset({_Wants.COMMA, _Wants.NAME}),
}
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


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
    wants: _Wants = _Wants.VALUE

    def copy(self) -> Value:
        """As it stands."""
        return Value(self.open, self.wants)

    def run(self, text: str, start: int) -> int | None:
        """Take tokens from `start` on: where the value ends, or None where it goes on.

        Raises Broken. A comma before the end of a list or object is taken: some write it.
        """
        at = start
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                raise Broken(text[at])
            at = found.end()
            token = found.group()
            if not token.isspace() and self._take(token, text, at):
                return at
        return None

    def _take(self, token: str, text: str, at: int) -> bool:
        """Whether the value ends with it. Raises Broken: with what is no token later, if any is."""
        try:
            return self._fits(token)
        except Broken:
            while found := TOKEN.match(text, at):
                at = found.end()
            raise Broken(text[at : at + 1]) from None

    def _fits(self, token: str) -> bool:
        kind = token[0]
        if kind in "[{":
            self._need(self.wants in {_Wants.VALUE, _Wants.FIRST} and len(self.open) < DEPTH_MAX)
            self.open += kind
            self.wants = _Wants.FIRST if kind == "[" else _Wants.NAME
            return False
        if kind in "]}":
            self._need(self.open[-1:] == _PAIRS[kind] and self.wants in _MAY_END[kind])
            self.open = self.open[:-1]
            self.wants = _Wants.COMMA
            return not self.open
        if kind == ",":
            self._need(self.wants is _Wants.COMMA and bool(self.open))
            self.wants = _Wants.NAME if self.open[-1] == "{" else _Wants.VALUE
            return False
        if kind == ":":
            self._need(self.wants is _Wants.COLON)
            self.wants = _Wants.VALUE
            return False
        if self.wants is _Wants.NAME:
            self._need(kind == '"')
            self.wants = _Wants.COLON
            return False
        self._need(self.wants in {_Wants.VALUE, _Wants.FIRST})
        self.wants = _Wants.COMMA
        return not self.open

    @staticmethod
    def _need(holds: bool) -> None:  # noqa: FBT001 - what must be
        if not holds:
            raise Broken("")


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
