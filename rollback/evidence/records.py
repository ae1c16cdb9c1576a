"""Records of one line each, as most logs are: how one that was broken off began, and those alike.

Where a value was broken off, nobody knows where it ends, but this: two lines that are each a whole
object, one right after the other, are not both of a list, for then a comma would stand between
them. A comma may have been broken off too, where lines are cut at a size; so the first must not
have that size. Lines of others, which are no JSON, may stand between the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rollback.evidence.redaction import all_json
from rollback.evidence.value import TOKEN, Broken, Value

PREFIX_MAX: Final = 200
NAMES_MAX: Final = 2
"""So many of its first names tell how a record begins."""

_SPACES: Final = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a record begins: what stands before its JSON, and its first names."""

    before: re.Pattern[str]
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str, name: int) -> Beginning | None:
        """Of the record in which a name stands. None: it did not begin on this line."""
        for found in re.finditer(r"\{", text[: min(name, PREFIX_MAX)]):
            start = found.start()
            if (names := _names(text, start)) and _open(text[:name], start):
                return cls(re.compile(shape(text[:start])), names)
        return None

    def whole(self, text: str) -> bool:
        """Whether a line is one whole record that begins alike."""
        found = self.before.match(text)
        if found is None or text[found.end() : found.end() + 1] != "{":
            return False
        record = text[found.end() :].rstrip()
        names = _names(record, 0)[: len(self.names)]
        return names == self.names and all_json(record.encode("utf-8", "replace"))

    def foreign(self, text: str) -> bool:
        """Whether a line has nothing of a value's: it is empty, or begins as no JSON does."""
        before = self.before.match(text)
        at = _end(_SPACES, text, before.end() if before else 0)
        return at == len(text) or (text[at] not in '"\\' and TOKEN.match(text, at) is None)


def shape(before: str) -> str:
    """A pattern of texts like this one: other digits, other letters, other spaces."""
    made = ""
    for run in re.finditer(r"\d+|[^\W\d]+|\s+|.", before):
        text = run.group()
        letters = r"[^\W\d]+" if text.isalpha() else re.escape(text)
        made += r"\d+" if text.isdigit() else r"\s+" if text.isspace() else letters
    return made


def sizes(text: str) -> tuple[int, int]:
    """A line's, by which a logger may cut: in characters, and in bytes."""
    return len(text), len(text.encode("utf-8", "surrogatepass"))


def _names(text: str, start: int) -> tuple[str, ...]:
    """The first names of the object that begins there; fewer where it breaks off before."""
    names: list[str] = []
    at = start + 1
    while len(names) < NAMES_MAX:
        name = TOKEN.match(text, _end(_SPACES, text, at))
        if name is None or name.group()[0] != '"':
            break
        at = _end(_SPACES, text, name.end())
        if text[at : at + 1] != ":":
            break
        names.append(name.group())
        try:
            ends = Value().run(text, at + 1)
        except Broken:
            break
        at = len(text) if ends is None else _end(_SPACES, text, ends)
        if text[at : at + 1] != ",":
            break
        at += 1
    return tuple(names)


def _open(text: str, start: int) -> bool:
    """Whether the object that begins there goes on, perhaps within a text."""
    try:
        return Value().run(text, start) is None
    except Broken as broken:
        return broken.begins == '"'


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
