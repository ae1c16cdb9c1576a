"""Where chunks are kept: a local folder, or a shared store. Both create and never replace.

A chunk that is there already is read back and not sent again; one that is there and is not what its
name says is damage, and is told.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from rollback.connectors.folders import create_whole
from rollback.errors import ConnectorError, EvidenceNotWritten
from rollback.evidence.chunks import sha256
from rollback.model.scope import Shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rollback.model.effect import HttpWrite
    from rollback.model.ports import ObjectPort

CHUNKS = "chunks"
LISTED_MAX = 10_000
EXISTS = 412
READ_ONLY = 0o444


class ChunkStore(Protocol):
    """Keeps chunks by name. Raises EvidenceNotWritten; a refusal of the guard comes through."""

    def put(self, data: bytes) -> str:
        """Keep one chunk; return its name."""
        ...

    def get(self, name: str) -> bytes | None:
        """A chunk, or None where there is none of that name."""
        ...


def not_written(code: str, reason: str) -> EvidenceNotWritten:
    """The error of a store that did not take a chunk."""
    return EvidenceNotWritten(
        f"evidence.{code}",
        reason,
        hint="make room, or name another evidence store; moves toward safety still go",
        promise="evidence-first",
    )


class FolderStore:
    """Chunks as files: written aside, fsynced, made read-only, then linked under their name."""

    def __init__(self, folder: Path, spend: Callable[[Shape], None]) -> None:
        """spend: spends the permission of one file before it is created."""
        self._folder = folder / CHUNKS
        self._spend = spend
        self._kept: set[str] = set()

    def put(self, data: bytes) -> str:
        """Keep one chunk as a file."""
        name = sha256(data)
        if name in self._kept:
            return name
        path = self._folder / name
        try:
            if not _is_there(path, name):
                self._spend(
                    Shape(
                        method="CREATE",
                        host="",
                        path=str(path),
                        body_bytes=len(data),
                        body_sha256=name,
                    )
                )
                with suppress(FileExistsError):  # another capture kept the same chunk just now
                    create(path, data)
        except OSError as error:
            reason = f"{self._folder}: {error.strerror or type(error).__name__}"
            raise not_written("folder", reason) from error
        self._kept.add(name)
        return name

    def get(self, name: str) -> bytes | None:
        """A chunk from its file."""
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None


class BucketStore:
    """Chunks as objects under ``<prefix>chunks/``, created only, read back after."""

    def __init__(self, port: ObjectPort, effect: HttpWrite, prefix: str) -> None:
        """effect: the permission that every chunk spends on the wire."""
        self._port = port
        self._effect = effect
        self._prefix = f"{prefix}{CHUNKS}/"
        self._kept: set[str] = set()
        self._known: frozenset[str] | None = None
        self._whole = False
        self._lock = Lock()

    def put(self, data: bytes) -> str:
        """Keep one chunk as an object."""
        name = sha256(data)
        if name in self._kept:
            return name
        key = f"{self._prefix}{name}"
        try:
            back = self._port.get(key) if self._may_hold(key) else None
            if back is None:
                self._create(key, data)
                back = self._port.get(key)
        except ConnectorError as error:
            raise not_written("bucket", error.reason) from error
        if back is None or back[0] != data:  # equal bytes have equal digests
            reason = f"object {key} reads back as something else than was written"
            raise not_written("read-back", reason)
        self._kept.add(name)
        return name

    def get(self, name: str) -> bytes | None:
        """A chunk from its object. Raises ConnectorError where the bucket cannot be read."""
        found = self._port.get(f"{self._prefix}{name}")
        return None if found is None else found[0]

    def _may_hold(self, key: str) -> bool:
        """Whether to look for a chunk before it is sent.

        What the store holds is listed once, while it is not too much: that is one request for
        many, and every chunk that is new would be looked for in vain.
        """
        with self._lock:
            if self._known is None:
                found = self._port.keys(self._prefix, LISTED_MAX)
                self._known, self._whole = frozenset(found), len(found) < LISTED_MAX
        return not self._whole or key in self._known

    def _create(self, key: str, data: bytes) -> None:
        try:
            self._port.create(self._effect, key, data)
        except ConnectorError as error:
            # An answer that was lost is told by reading back, like one that was beaten to it.
            if error.status != EXISTS and not error.transient:
                raise


def _is_there(path: Path, name: str) -> bool:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    if sha256(data) != name:
        reason = f"{path} is not what its name says; it was changed after it was written"
        raise not_written("damaged", reason)
    return True


def create(path: Path, data: bytes) -> None:
    """Create a piece of evidence that must not exist: read-only, whole or not there at all.

    Raises OSError; FileExistsError where it exists.
    """
    create_whole(path, data, READ_ONLY)
