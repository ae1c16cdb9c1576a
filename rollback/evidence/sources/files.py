"""Files of this machine: one, or everything under a folder, line by line, from any offset.

{"at": OFFSET, "file": NAME, "text": TEXT}       a line, or a piece of a long one
{"at": OFFSET, "base64": BYTES, "file": NAME}    where it is not UTF-8
"""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rollback.evidence.source import Gap, Lines, PagedSource, Read
from rollback.evidence.sources.lines import line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment, EvidenceFile
    from rollback.model.ports import Clients

PAGE_BYTES: Final = 256 * 1024
PIECE_BYTES: Final = 64 * 1024
"""A longer line is cut into pieces."""

FILES_MAX: Final = 10_000
_ONE_MORE: Final = "."
"""The part that stands for the files left out."""


def files(environment: Environment, seconds_max: int) -> tuple[PagedSource, ...]:
    """One source a file or folder. A link is not followed: it is a gap."""
    return tuple(_one(environment, named, seconds_max) for named in environment.evidence.files)


def _one(environment: Environment, named: EvidenceFile, seconds_max: int) -> PagedSource:
    root = Path(environment.base) / named.path

    def parts(clients: Clients) -> tuple[str, ...]:
        del clients
        return tuple(_under(root)) if root.is_dir() else ("",)

    def read_part(clients: Clients, part: str, place: str) -> Iterator[Read]:
        del clients
        path = root / part if part else root
        try:
            yield from _pages(path, part or path.name, int(place or "0"))
        except OSError as error:
            yield Gap(f"{path}: {error.strerror or type(error).__name__}")
        if part == _ONE_MORE:
            yield Gap(f"{root}: more than {FILES_MAX} files; the rest was left out")

    return PagedSource(f"files/{named.name}", read_part, seconds_max, parts)


def _under(root: Path) -> Iterator[str]:
    count = 0
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > FILES_MAX:
                yield _ONE_MORE
                return
            yield (Path(folder) / name).relative_to(root).as_posix()


def _pages(path: Path, name: str, start: int) -> Iterator[Read]:
    """Lines from `start` on, some at a time; a page begins at a line or a piece of one."""
    if path.is_dir():
        return
    with _opened(path) as file:
        file.seek(start)
        at, page, held = start, start, 0
        items: list[bytes] = []
        while piece := file.readline(PIECE_BYTES):
            items.append(_item(name, at, piece))
            at += len(piece)
            held += len(piece)
            if held >= PAGE_BYTES:
                yield Lines.of(items, str(page))
                items, page, held = [], at, 0
        if items:
            yield Lines.of(items, str(page))


def _opened(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "not a plain file")
    return os.fdopen(handle, "rb")


def _item(name: str, at: int, piece: bytes) -> bytes:
    ended = piece.removesuffix(b"\n")
    try:
        return line({"at": at, "file": name, "text": ended.decode()})
    except UnicodeDecodeError:
        return line({"at": at, "base64": base64.b64encode(ended).decode(), "file": name})
