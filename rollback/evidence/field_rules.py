"""Rules for fields as an environment writes them, and what they look for in bytes. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY: Final = "*"
_BY_NUMBER: Final = rb"\u"
_PLAIN: Final = re.compile(r"[A-Za-z0-9 _@.:$+-]+")
"""Names that JSON writes without an escape, or with nothing but an escape by number."""


_PLACES: Final = re.compile(r"\[(?:\*|\d*)\]")
"""Places of a list: all of it is passed through, whichever is written."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The last of `names` is the field's, the others stand around it. anchored: from the top."""

    names: tuple[str, ...]
    anchored: bool

    def fits(self, path: tuple[str, ...]) -> bool:
        """Whether it applies to the field at this path of names."""
        if len(path) < len(self.names) or (self.anchored and len(path) != len(self.names)):
            return False
        ending = path[len(path) - len(self.names) :]
        pairs = zip(self.names, ending, strict=True)
        return all(wanted in (ANY, name.lower()) for wanted, name in pairs)


def rule_of(written: str) -> Rule:
    """What a rule says; without a name where it says nothing."""
    plain = _PLACES.sub("", written.strip())
    anchored = plain.startswith("$")
    names = tuple(name.lower() for name in plain.removeprefix("$").split(".") if name)
    return Rule(names, anchored)


def marks_of(rules: Iterable[tuple[str, ...]]) -> tuple[bytes, ...]:
    """One of these is in the bytes of every value in which a rule may apply.

    A name stands in JSON as it is, or with an escape in it, which plain names have by number only.
    Of a rule that ends with any name, the name before counts; where that is any too, all fit.
    """
    found = {_BY_NUMBER}
    for names in rules:
        name = names[-2:][0] if names[-1] == ANY else names[-1]
        if name == ANY or not _PLAIN.fullmatch(name):
            return (b"",)
        found |= {b'"%b"' % name.encode(), b'\\"%b\\' % name.encode()}  # the second: in a text
    return tuple(sorted(found))


def names_of(rules: Iterable[tuple[str, ...]]) -> str:
    """A pattern of the names that `marks_of` looks for, in quotation marks that may be escaped."""
    looked: set[str] = set()
    for names in rules:
        name = names[-2:][0] if names[-1] == ANY else names[-1]
        if names == (ANY,):  # every text is such a field itself
            continue
        written = json.dumps(name)[1:-1]
        looked |= {r'[^"\\]*'} if name == ANY else {re.escape(name), re.escape(written)}
    return rf'["\\](?:{"|".join(sorted(looked))})\\*"' if looked else r"(?!)"
