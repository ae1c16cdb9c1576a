"""YAML text becomes plain values and marks: one pass over libyaml's events, no aliases, no tags.

What is read is a strict subset of YAML 1.2: text, whole numbers, decimal numbers, ``true`` and
``false``, ``null``, lists and mappings with text keys. Everything that lets two readers see two
different documents is refused: duplicate keys, anchors, aliases, tags, merge keys, several
documents. ``yes``, ``on`` and dates stay text.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import yaml

from rollback.errors import Complaint
from rollback.loading.files import decode, refused, with_article

DEPTH_MAX: Final = 64
"""Deepest nesting that is read. No file of ours needs ten."""

COMPLAINTS_MAX: Final = 200
"""A file that breaks this many rules is not worth reading further."""

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_TOO_LONG = re.compile(r"[-+]?[1-9][0-9]{18,}")
_WORDS: Final[dict[str, Any]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}

Tree = Any
"""Plain values: dict, list, str, int, float, bool or None."""


class Mark:
    """Where a value starts (line and column from 1), and the marks of what is inside it."""

    __slots__ = ("column", "inside", "keys", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.inside: dict[str, Mark] | list[Mark] | None = None
        self.keys: dict[str, Mark] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its value, its marks, the name of its file."""

    value: Tree
    mark: Mark
    file: str

    def where(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        """Line and column of the value at `path`, or of the nearest thing around it.

        The place of a mapping's entry is its key: that is what a person looks for.
        """
        mark = self.mark
        place = mark
        for part in path:
            inside = mark.inside
            if isinstance(inside, dict) and isinstance(part, str) and part in inside:
                place = (mark.keys or inside)[part]
                mark = inside[part]
            elif isinstance(inside, list) and isinstance(part, int) and part < len(inside):
                mark = place = inside[part]
            else:
                break
        return place.line, place.column

    def complaint(self, path: tuple[str | int, ...], problem: str, expected: str) -> Complaint:
        """A complaint about the value at `path`."""
        line, column = self.where(path)
        return Complaint(self.file, line, column, spell(path), problem, expected)


def spell(path: tuple[str | int, ...]) -> str:
    """A path as people read it: ``steps[2].revert-web.to``."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            out += f".{part}" if out else part
    return out


def read_document(data: bytes | str, file: str, *, what: str) -> Document:
    """Parse one YAML document. Raises InputError with every complaint, never anything else."""
    text = decode(data, file, what)
    builder = _Builder(file, what)
    # PyYAML built without libyaml has no CSafeLoader: the other is slower, its events the same.
    events: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        parser = events(text)
    except yaml.YAMLError as problem:
        raise refused(what, (_syntax(file, problem, text),)) from problem
    try:
        return builder.build(parser)
    except yaml.YAMLError as problem:
        raise refused(what, (*builder.complaints, _syntax(file, problem, text))) from problem
    finally:
        parser.dispose()


def _syntax(file: str, problem: yaml.YAMLError, text: str) -> Complaint:
    expected = "YAML"
    if isinstance(problem, yaml.MarkedYAMLError) and problem.problem_mark is not None:
        mark = problem.problem_mark
        words = problem.problem or problem.context or "not YAML"
        return Complaint(file, mark.line + 1, mark.column + 1, "", words, expected)
    if isinstance(problem, yaml.reader.ReaderError):
        before = text.encode()[: problem.position]
        words = f"holds a character YAML does not allow (U+{_ordinal(problem.character):04X})"
        return Complaint(file, before.count(b"\n") + 1, None, "", words, expected)
    return Complaint(file, None, None, "", "not YAML", expected)


def _ordinal(character: int | str | bytes) -> int:
    """Libyaml gives a number, the other reader the character itself."""
    return character if isinstance(character, int) else ord(character)


class _Frame:
    """A list or mapping that is being read; a mapping waits for a key, then for its value."""

    __slots__ = ("key", "mark", "value", "wants_key")

    def __init__(self, value: Tree, mark: Mark) -> None:
        self.value = value
        self.mark = mark
        self.key = ""
        self.wants_key = mark.keys is not None


class _Stop(Exception):
    """No use in reading further."""


class _Builder:
    """Events in, one document out."""

    def __init__(self, file: str, what: str) -> None:
        self.file = file
        self.what = what
        self.complaints: list[Complaint] = []

    def complain(self, mark: Mark, problem: str, expected: str) -> None:
        if len(self.complaints) >= COMPLAINTS_MAX:
            raise _Stop
        self.complaints.append(Complaint(self.file, mark.line, mark.column, "", problem, expected))

    def build(self, parser: Any) -> Document:
        found: tuple[Tree, Mark] | None = None
        with suppress(_Stop):
            found = self._read(parser)
        if self.complaints:
            raise refused(self.what, tuple(self.complaints))
        if found is None:
            raise refused(
                self.what, (Complaint(self.file, 1, None, "", "is empty", with_article(self.what)),)
            )
        return Document(found[0], found[1], self.file)

    def _read(self, parser: Any) -> tuple[Tree, Mark] | None:
        stack: list[_Frame] = []
        root: tuple[Tree, Mark] | None = None
        next_event = parser.get_event
        while True:
            event: Any = next_event()
            kind = type(event)
            if kind is yaml.SequenceEndEvent or kind is yaml.MappingEndEvent:
                stack.pop()
                continue
            if kind is yaml.StreamEndEvent:
                return root
            if kind is yaml.StreamStartEvent or kind is yaml.DocumentEndEvent:
                continue
            start = event.start_mark
            mark = Mark(start.line + 1, start.column + 1)
            if kind is yaml.DocumentStartEvent:
                if root is not None:
                    self.complain(mark, "a second document starts here", "one document a file")
                    raise _Stop
                continue
            frame = stack[-1] if stack else None
            if kind is yaml.ScalarEvent and frame is not None and frame.wants_key:
                self._decorated(event, mark)
                self._key(frame, event.value, mark, plain=event.implicit[0])
                continue
            value = self._value(kind, event, mark, len(stack))
            if frame is None:
                root = (value, mark)
            else:
                self._place(frame, value, mark)
            if mark.inside is not None:
                stack.append(_Frame(value, mark))

    def _value(self, kind: type, event: Any, mark: Mark, depth: int) -> Tree:
        """The value an event starts; lists and mappings start empty and are filled later."""
        if kind is yaml.AliasEvent:
            self.complain(mark, f"*{event.anchor} is an alias", "the value itself, written out")
            return None
        self._decorated(event, mark)
        if kind is yaml.ScalarEvent:
            return self._scalar(event.value, mark) if event.implicit[0] else event.value
        if depth >= DEPTH_MAX:
            self.complain(mark, f"nested deeper than {DEPTH_MAX} levels", "a flatter file")
            raise _Stop
        if kind is yaml.MappingStartEvent:
            mark.inside, mark.keys = {}, {}
            return {}
        mark.inside = []
        return []

    def _place(self, frame: _Frame, value: Tree, mark: Mark) -> None:
        """Put a value into the list or mapping around it."""
        inside = frame.mark.inside
        if isinstance(inside, list):
            frame.value.append(value)
            inside.append(mark)
        elif inside is None or frame.wants_key:
            self.complain(mark, "a list, mapping or alias as a key", "a key that is text")
            raise _Stop
        else:
            frame.value[frame.key] = value
            inside[frame.key] = mark
            frame.wants_key = True

    def _key(self, frame: _Frame, name: str, mark: Mark, *, plain: bool) -> None:
        keys = frame.mark.keys
        if keys is None:
            return
        if plain and name == "<<":
            self.complain(mark, "a merge key (<<)", "the fields themselves, written out")
        first = keys.setdefault(name, mark)
        if first is not mark:
            self.complain(
                mark, f"the key `{name}` is already on line {first.line}", "each key once"
            )
        frame.key = name
        frame.wants_key = False

    def _decorated(self, event: Any, mark: Mark) -> None:
        if event.anchor is not None:
            self.complain(mark, f"&{event.anchor} is an anchor", "a value without an anchor")
        if event.tag is not None:
            self.complain(mark, f"{event.tag} is a tag", "a value without a tag")

    def _scalar(self, text: str, mark: Mark) -> Tree:
        """A plain scalar's value: the first character decides for nearly all of them."""
        first = text[:1]
        if first in "tfnTFN~":
            return _WORDS.get(text, text)
        if first not in "+-.0123456789":
            return text
        if _WHOLE.fullmatch(text):
            return int(text)
        if _TOO_LONG.fullmatch(text):
            self.complain(mark, "a number of more than 18 digits", "a smaller one, or quotes")
            return 0
        if _DECIMAL.fullmatch(text) and not text.lstrip("+-").isdigit():
            return float(text)
        return text
