"""Folders and files that are made for their owner, and last: whole after a crash, or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably. Raises OSError.

    `Path.mkdir` gives its mode to the last one only; those above would be as the umask leaves them.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
        sync_folder(each.parent)


def create_whole(path: Path, data: bytes, mode: int) -> None:
    """Create a file that must not exist: durable, with all of `data` in it, or not there at all.

    Folders above it are made. Raises OSError; FileExistsError where it exists.
    """
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.link(aside, path)
        finally:
            with suppress(OSError):
                aside.unlink()
    finally:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
