"""Notes of a capture on this machine, by which it goes on where it was interrupted.

One JSON value a line, appended after what it speaks of was kept: a note that was lost with a crash
costs reading again, and nothing is stored twice, because chunks are named by their content.

    {"until": T}                                      when the capture was begun
    {"parts": {SOURCE: [PART, ...]}}                  the parts a source is read by
    {"kept": {...}, "source", "part", "place", "gaps"}   a chunk, where reading stood after it, and
                                                      what had been left out up to there
    {"spent": [SOURCE, PART, NUMBER]}                 what reading cost, in hundredths of a unit
    {"anew": [SOURCE, PART]}                          that part is read from its beginning
    {"window": {...}, "passing": TRUTH}               a source ended; what it lacks may come later

A note holds nothing of what was read: only digests, sizes, places, and reasons of gaps.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rollback.evidence.source import Gap
from rollback.model.evidence import Chunk, SourceWindow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rollback.model.ports import Notes

    Redact = Callable[[bytes | memoryview], bytes | memoryview]


def _as_it_is(note: bytes | memoryview) -> bytes | memoryview:
    return note


class FileNotes:
    """Notes in a file that only its owner reads. Safe to use from several threads."""

    def __init__(self, path: Path, redact: Redact = _as_it_is) -> None:
        """Nothing is opened before it is needed. redact: blots secret values out."""
        self._path = path
        self._redact = redact
        self._lock = Lock()
        self._whole: int | None = None

    def read(self) -> tuple[bytes, ...]:
        """Every whole line; a torn last one is left out, and written over."""
        with self._lock:
            try:
                data = self._path.read_bytes()
            except OSError:
                data = b""
            self._whole = data.rfind(b"\n") + 1
            return tuple(data[: self._whole].splitlines())

    def add(self, note: bytes) -> None:
        """Append one line; where the disk does not take it, the capture would start over.

        So it would where a name holds a secret (a file may be called so): it is not noted.
        """
        if bytes(self._redact(note)) != note:
            return
        with self._lock, suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                if self._whole is not None:
                    os.ftruncate(handle, self._whole)
                    self._whole = None
                os.write(handle, note + b"\n")
            finally:
                os.close(handle)

    def close(self) -> None:
        """Remove the file, and the two folders over it where they hold nothing else."""
        with self._lock, suppress(OSError):
            self._path.unlink()
            self._path.parent.rmdir()
            self._path.parent.parent.rmdir()


class NoNotes:
    """Where there is no local folder: an interrupted capture starts over."""

    def read(self) -> tuple[bytes, ...]:
        """None."""
        return ()

    def add(self, note: bytes) -> None:
        """Forgotten."""

    def close(self) -> None:
        """Nothing to remove."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading stood when a chunk ended: after `done` lines from the page at `page` on.

    digest: keyed, over the last few of those lines. A page that has changed since then shows.
    """

    page: str
    done: int
    digest: str


@dataclass(slots=True)
class PartNotes:
    """What is known of one part: its chunks so far, where to go on, and what is missing before."""

    chunks: list[Chunk] = field(default_factory=list)
    place: Place | None = None
    gaps: tuple[Gap, ...] = ()


@dataclass(slots=True)
class Remembered:
    """The notes of a capture, read once and added to."""

    notes: Notes
    until: str = ""
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    read: dict[tuple[str, str], PartNotes] = field(default_factory=dict)
    windows: dict[str, SourceWindow] = field(default_factory=dict)
    passing: set[str] = field(default_factory=set)
    units: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, notes: Notes) -> Remembered:
        """What the notes say. A note that cannot be read ends them: what follows is read again."""
        made = cls(notes)
        for line in notes.read():
            try:
                made._take(json.loads(line))
            except (ValueError, KeyError, TypeError, ValidationError):
                break
        return made

    def begun(self, until: str) -> str:
        """When the capture was begun: at first now, later what it was then."""
        if not self.until:
            self.until = until
            self._add({"until": until})
        return self.until

    def parts_of(self, source: str, parts: tuple[str, ...]) -> None:
        """Note the parts of a source."""
        self.parts[source] = parts
        self._add({"parts": {source: parts}})

    def part(self, source: str, part: str) -> PartNotes:
        """What is known of a part."""
        return self.read.setdefault((source, part), PartNotes())

    def kept(
        self, source: str, part: str, chunk: Chunk, place: Place, gaps: tuple[Gap, ...] = ()
    ) -> None:
        """Note a chunk that was kept, the place after it, and what was left out before that."""
        self._add(
            {
                "kept": chunk.model_dump(mode="json"),
                "source": source,
                "part": part,
                "place": [place.page, place.done, place.digest],
                "gaps": [[gap.reason, gap.passing] for gap in gaps],
            }
        )

    def anew(self, source: str, part: str) -> None:
        """Note that a part is read from its beginning."""
        self.read[source, part] = PartNotes()
        self._add({"anew": [source, part]})

    def spent(self, source: str, part: str, hundredths: int) -> None:
        """Note what reading a part cost."""
        self._spent(source, part, hundredths)
        self._add({"spent": [source, part, hundredths]})

    def window(self, window: SourceWindow, *, passing: bool) -> None:
        """Note that a source came to its end. passing: what it lacks may be there later."""
        self._ended(window, passing=passing)
        self._add({"window": window.model_dump(mode="json"), "passing": passing})

    def _ended(self, window: SourceWindow, *, passing: bool) -> None:
        self.windows[window.source] = window
        (self.passing.add if passing else self.passing.discard)(window.source)

    def _spent(self, source: str, part: str, hundredths: int) -> None:
        self.units[source, part] = self.units.get((source, part), 0) + hundredths

    def _add(self, note: dict[str, Any]) -> None:
        self.notes.add(json.dumps(note, separators=(",", ":")).encode())

    def _take(self, note: dict[str, Any]) -> None:
        if "until" in note:
            self.until = str(note["until"])
        elif "parts" in note:
            self.parts |= {name: tuple(parts) for name, parts in note["parts"].items()}
        elif "kept" in note:
            part = self.part(str(note["source"]), str(note["part"]))
            page, done, digest = note["place"]
            place = Place(str(page), int(done), str(digest))
            part.chunks.append(Chunk.model_validate(note["kept"]))
            part.place = place
            gaps = note.get("gaps", ())
            part.gaps = tuple(Gap(str(reason), passing is True) for reason, passing in gaps)
        elif "spent" in note:
            source, name, hundredths = note["spent"]
            self._spent(str(source), str(name), int(hundredths))
        elif "anew" in note:
            source, name = note["anew"]
            self.read[str(source), str(name)] = PartNotes()
        elif "window" in note:
            window = SourceWindow.model_validate_json(json.dumps(note["window"]))
            self._ended(window, passing=note.get("passing") is True)
