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
from typing import Any, Final, Protocol

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
_DECIDES: Final = "tfnTFN~+-.0123456789"
"""How a plain scalar that is not text starts."""

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


class Place(Protocol):
    """Where something starts: line and column from 0, as libyaml counts them."""

    @property
    def line(self) -> int:
        """Counted from 0."""
        ...

    @property
    def column(self) -> int:
        """Counted from 0."""
        ...


class Mark:
    """Where a list or mapping starts, and the places of what is inside it.

    Of anything else libyaml's own mark is kept: most of a file is scalars, and making one more
    object of each is a third of the reading.
    """

    __slots__ = ("column", "inside", "keys", "line")

    def __init__(self, start: Place) -> None:
        self.line = start.line
        self.column = start.column
        self.inside: dict[str, Place] | list[Place] | None = None
        self.keys: dict[str, Place] | None = None


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
        mark: Place = self.mark
        place = mark
        for part in path:
            if not isinstance(mark, Mark):
                break
            inside = mark.inside
            if isinstance(inside, dict) and isinstance(part, str) and part in inside:
                place = (mark.keys or inside)[part]
                mark = inside[part]
            elif isinstance(inside, list) and isinstance(part, int) and part < len(inside):
                mark = place = inside[part]
            else:
                break
        return place.line + 1, place.column + 1

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
        line = text.splitlines()[mark.line : mark.line + 1]
        if line and line[0][mark.column : mark.column + 1] == "\t":
            words = "a tab: YAML indents with spaces"
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

    __slots__ = ("inside", "key", "keys", "value", "wants_key")

    def __init__(self, value: Tree, mark: Mark) -> None:
        self.value = value
        self.inside: Any = mark.inside
        self.keys = mark.keys
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

    def complain(self, place: Place, problem: str, expected: str) -> None:
        if len(self.complaints) >= COMPLAINTS_MAX:
            raise _Stop
        self.complaints.append(
            Complaint(self.file, place.line + 1, place.column + 1, "", problem, expected)
        )

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

    def _read(self, parser: Any) -> tuple[Tree, Mark] | None:  # noqa: C901, PLR0912 - one loop, run for every word of a file
        stack: list[_Frame] = []
        frame: _Frame | None = None
        root: tuple[Tree, Mark] | None = None
        next_event = parser.get_event
        while True:
            event: Any = next_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                start = event.start_mark
                if event.anchor is not None or event.tag is not None:
                    self._decorated(event, start)
                value = event.value
                plain = event.implicit[0]
                if frame is None:
                    root = (self._scalar(value, start) if plain else value, Mark(start))
                elif frame.wants_key:
                    self._key(frame, value, start, plain=plain)
                else:
                    if plain and value[:1] in _DECIDES:
                        value = self._scalar(value, start)
                    self._place(frame, value, start)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                mark = Mark(event.start_mark)
                value = self._container(event, mark, len(stack))
                if frame is None:
                    root = (value, mark)
                else:
                    self._place(frame, value, mark)
                frame = _Frame(value, mark)
                stack.append(frame)
            elif kind is yaml.SequenceEndEvent or kind is yaml.MappingEndEvent:
                stack.pop()
                frame = stack[-1] if stack else None
            elif kind is yaml.AliasEvent:
                words = f"*{event.anchor} is an alias"
                self.complain(event.start_mark, words, "the value itself, written out")
                if frame is not None:
                    self._place(frame, None, event.start_mark)
            elif kind is yaml.DocumentStartEvent and root is not None:
                self.complain(
                    event.start_mark, "a second document starts here", "one document a file"
                )
                raise _Stop
            elif kind is yaml.StreamEndEvent:
                return root

    def _container(self, event: Any, mark: Mark, depth: int) -> Tree:
        """The list or mapping an event starts; it is filled later."""
        self._decorated(event, mark)
        if depth >= DEPTH_MAX:
            self.complain(mark, f"nested deeper than {DEPTH_MAX} levels", "a flatter file")
            raise _Stop
        if type(event) is yaml.MappingStartEvent:
            mark.inside, mark.keys = {}, {}
            return {}
        mark.inside = []
        return []

    def _place(self, frame: _Frame, value: Tree, place: Place) -> None:
        """Put a value into the list or mapping around it."""
        if frame.keys is None:
            frame.value.append(value)
            frame.inside.append(place)
        elif frame.wants_key:
            self.complain(place, "a list, mapping or alias as a key", "a key that is text")
            raise _Stop
        else:
            frame.value[frame.key] = value
            frame.inside[frame.key] = place
            frame.wants_key = True

    def _key(self, frame: _Frame, name: str, place: Place, *, plain: bool) -> None:
        if frame.keys is None:
            return
        if plain and name == "<<":
            self.complain(place, "a merge key (<<)", "the fields themselves, written out")
        first = frame.keys.setdefault(name, place)
        if first is not place:
            self.complain(
                place, f"the key `{name}` is already on line {first.line + 1}", "each key once"
            )
        frame.key = name
        frame.wants_key = False

    def _decorated(self, event: Any, place: Place) -> None:
        if event.anchor is not None:
            self.complain(place, f"&{event.anchor} is an anchor", "a value without an anchor")
        if event.tag is not None:
            self.complain(place, f"{event.tag} is a tag", "a value without a tag")

    def _scalar(self, text: str, place: Place) -> Tree:
        """A plain scalar's value: the first character decides for nearly all of them."""
        first = text[:1]
        if first in "tfnTFN~":
            return _WORDS.get(text, text)
        if first not in "+-.0123456789":
            return text
        if _WHOLE.fullmatch(text):
            return int(text)
        if _TOO_LONG.fullmatch(text):
            self.complain(place, "a number of more than 18 digits", "a smaller one, or quotes")
            return 0
        if _DECIMAL.fullmatch(text) and not text.lstrip("+-").isdigit():
            return float(text)
        return text
