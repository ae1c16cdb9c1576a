"""Files of this machine: one, or everything under a folder, line by line, from any offset.

{"at": OFFSET, "file": NAME, "text": TEXT}       a line, or a piece of a long one
{"at": OFFSET, "base64": BYTES, "file": NAME}    where it is not UTF-8
{"at": OFFSET, "file": NAME, "left_out_bytes": N}
{"at": OFFSET, "file": NAME, "redacted_bytes": N}

The third stands where the environment names fields to be redacted and these cannot be looked for: a
piece of a long line, and what is not UTF-8; and for a last line without an end, of a file that is
being written. It is a gap then. The last is a line on which a value stands that a rule names, and
that is spread over lines; where its end is not found, that is a gap, and what may be of it is left
out: all the rest, or up to where records are whole again.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rollback.evidence.redaction import Redaction
from rollback.evidence.source import Gap, Lines, PagedSource, Read
from rollback.evidence.sources.lines import line, text_line
from rollback.evidence.sources.pieces import BROKEN_OFF, END_UNKNOWN, IN_PIECES, pieces
from rollback.evidence.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.evidence.sources.pieces import Redact
    from rollback.model.environment import Environment, EvidenceFile
    from rollback.model.ports import Clients

PAGE_BYTES: Final = 256 * 1024
FILES_MAX: Final = 10_000
_LEFT_OUT: Final = "./more"
"""The part that stands for the files left out."""

_AGAIN: Final = "./again/"
"""The last part of a folder, with a digest of its names: they are listed again, and compared."""


def files(environment: Environment, seconds_max: int) -> tuple[PagedSource, ...]:
    """One source a file or folder. A link is not followed: it is a gap."""
    return tuple(_one(environment, named, seconds_max) for named in environment.evidence.files)


def _one(environment: Environment, named: EvidenceFile, seconds_max: int) -> PagedSource:
    root = Path(environment.base) / named.path
    fields = Redaction(environment.evidence.redact)

    def parts(clients: Clients) -> tuple[str, ...]:
        del clients
        return _listed(root) if root.is_dir() else ("",)

    def read_part(clients: Clients, part: str, place: str) -> Iterator[Read]:
        if part == _LEFT_OUT:
            yield Gap(f"{root}: more than {FILES_MAX} files; the rest was left out")
            return
        if part.startswith(_AGAIN):
            if _listed(root)[-1] != part:
                yield Gap(f"{root}: files came, went or were renamed while it was read")
            return
        path = root / part if part else root
        name = (part or path.name).encode("utf-8", "backslashreplace").decode()
        reading = _Reading(path, name, clients.evidence().redact_bytes, fields)
        start, _, since = place.partition(":")
        try:
            yield from reading.pages(int(start or "0"), int(since or start or "0"))
        except (OSError, ValueError) as error:  # the second: of a name with a zero in it
            linked = getattr(error, "errno", None) == errno.ELOOP
            why = "a link, which is not followed" if linked else getattr(error, "strerror", None)
            yield Gap(f"{path}: {why or error}")

    return PagedSource(f"files/{named.name}", read_part, seconds_max, parts)


def _listed(root: Path) -> tuple[str, ...]:
    """Every part of a folder; what cannot be listed is a part too, and cannot be read either."""
    found: list[str] = []
    seen = hashlib.sha256()
    for name in _under(root):
        if len(found) == FILES_MAX:
            found.append(_LEFT_OUT)
            break
        found.append(name)
        seen.update(f"{name}\0".encode("utf-8", "surrogateescape"))
    return (*found, f"{_AGAIN}{seen.hexdigest()}")


def _under(root: Path) -> Iterator[str]:
    failed: list[Path] = []

    def note(error: OSError) -> None:
        failed.append(Path(str(error.filename)))

    for folder, folders, names in os.walk(root, onerror=note):
        folders.sort()
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*names, *links]):
            yield (Path(folder) / name).relative_to(root).as_posix()
    yield from (path.relative_to(root).as_posix() for path in failed)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file. name: as it is called in its lines (named: as JSON). fields: what rules name."""

    path: Path
    name: str
    redact: Redact
    fields: Redaction
    named: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "named", json.dumps(self.name, ensure_ascii=False))

    def pages(self, start: int, since: int) -> Iterator[Read]:
        """Lines from `start` on, some at a time; a page begins at a line or a piece of one.

        since: where the line begins, or the value over several, that `start` stands in. The place
        of a page names both, so that what is to be left out is known after an interruption too.
        """
        with _opened(self.path) as file:
            inside = start > 0 and os.pread(file.fileno(), 1, start - 1) != b"\n"
            written_ns = os.fstat(file.fileno()).st_mtime_ns
            spread = self._followed(file, since, start)
            file.seek(start)
            at, place, held, told = start, _place(start, since), 0, False
            odd: set[str] = set()
            items: list[bytes] = []
            piece = b"\n"
            for piece, cut in pieces(file, self.redact, inside=inside):
                if held >= PAGE_BYTES:
                    yield Lines.of(items, place)
                    items, place, held = [], _place(at, at if spread.plain else since), 0
                if spread.plain:
                    since = at
                hidden = spread.hides(piece, cut=cut)
                item = self._item(at, piece, cut=cut, hidden=hidden)
                if item is None and not told:
                    told = True  # before the page that shows it: a place after that would forget it
                    what = "lines too long, or no text in UTF-8,"
                    yield Gap(f"{self.path}: {what} were left out: no field can be redacted there")
                for reason in self._odd(spread) - odd:
                    odd.add(reason)
                    yield Gap(f"{self.path}: {reason}")
                items.append(item or self._left_out(at, piece))
                at += len(piece)
                held += len(piece)
            moved = os.fstat(file.fileno()).st_mtime_ns != written_ns
            if half := moved and not piece.endswith(b"\n"):  # it may hold half a secret
                items[-1] = self._left_out(at - len(piece), piece)
            if items:
                yield Lines.of(items, place)
            if spread.followed:
                yield Gap(f"{self.path}: {END_UNKNOWN} (from byte {since:,} on)")
            if half:
                yield Gap(f"{self.path}: its last line was being written, and was left out")
            if changed := self._changed(file, at):
                yield Gap(f"{self.path}: {changed}")

    def _odd(self, spread: Spread) -> set[str]:
        found = ((spread.broken_off, BROKEN_OFF), (spread.in_pieces, IN_PIECES))
        return {reason for holds, reason in found if holds}

    def _followed(self, file: BinaryIO, since: int, start: int) -> Spread:
        """What is known at `start` of the value that began at `since`."""
        spread = Spread(self.fields)
        file.seek(since)
        while since < start:
            piece = file.readline(min(start - since, PAGE_BYTES))
            if not piece:
                break
            whole = piece.endswith(b"\n") and spread.at_line
            spread.hides(piece, cut=not whole)
            since += len(piece)
        return spread

    def _left_out(self, at: int, piece: bytes) -> bytes:
        return line({"at": at, "file": self.name, "left_out_bytes": len(piece)})

    def _item(self, at: int, piece: bytes, *, cut: bool, hidden: bool) -> bytes | None:
        ended = piece.removesuffix(b"\n")
        ruled = bool(self.fields.rules)
        if ruled and (cut or b"\0" in ended):  # with zeros it may be UTF-16
            return None
        if hidden:
            told = f'{{"at":{at},"file":{self.named},"redacted_bytes":{len(piece)}}}'
            return told.encode("utf-8", "backslashreplace")
        try:
            return text_line(f'"at":{at},"file":{self.named}', ended.decode())
        except UnicodeDecodeError:
            data = base64.b64encode(ended).decode()
            return None if ruled else line({"at": at, "base64": data, "file": self.name})

    def _changed(self, file: BinaryIO, at: int) -> str:
        """What became of the file meanwhile, where some of it may be missing for it."""
        now = os.fstat(file.fileno())
        if now.st_size < at:
            return "it was cut shorter while it was read"
        try:
            there = self.path.lstat()
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (now.st_dev, now.st_ino):
            return "it was renamed, removed or replaced while it was read"
        return ""


def _place(at: int, since: int) -> str:
    return str(at) if at == since else f"{at}:{since}"


def _opened(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "not a plain file")
    return os.fdopen(handle, "rb")
