"""A store of the application's own, held to the plan: asked before it is written, read back after.

Its code is not ours. What it raises that is no error of the product is told by its type alone, as
nobody knows what the words hold, and means that it did not take a chunk: the spool stands in.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from rollback.errors import RollbackError
from rollback.evidence.chunks import sha256
from rollback.evidence.stores import ChunkStore, not_written
from rollback.model.scope import Shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    OpenStore = Callable[[Path], ChunkStore]
    """Makes a store over the folder that the environment names. Writes nothing yet."""

T = TypeVar("T")


class OwnStore:
    """`ChunkStore` over the application's. Opened by its first use. Safe for several threads."""

    def __init__(
        self, name: str, folder: Path, open_: OpenStore | None, spend: Callable[[Shape], None]
    ) -> None:
        """name: as the environment calls it. open_: None where the application passed none.

        spend: spends the permission of one chunk before it is put.
        """
        self._name = name
        self._folder = folder
        self._open = open_
        self._spend = spend
        self._store: ChunkStore | None = None
        self._kept: set[str] = set()
        self._lock = Lock()

    def put(self, data: bytes) -> str:
        """Keep one chunk; one that is there already is not put again. Raises EvidenceNotWritten."""
        name = sha256(data)
        if name in self._kept:
            return name
        back = self.get(name)
        if back is None:
            self._spend(
                Shape(
                    method="CREATE",
                    host="",
                    path=str(self._folder / name),
                    body_bytes=len(data),
                    body_sha256=name,
                )
            )
            self._asked("put", lambda store: store.put(data))
            back = self.get(name)
        if back != data:
            reason = f"the store {self._name!r} gives back something else than was put: {name}"
            raise not_written("read-back", reason)
        self._kept.add(name)
        return name

    def get(self, name: str) -> bytes | None:
        """A chunk from it. Raises EvidenceNotWritten where it cannot be read."""
        return self._asked("get", lambda store: store.get(name))

    def _asked(self, what: str, ask: Callable[[ChunkStore], T]) -> T:
        return asked(self._name, what, lambda: ask(self._opened()), not_written)

    def _opened(self) -> ChunkStore:
        if self._open is None:
            reason = f"the environment keeps it in the application's own store {self._name!r}, and "
            raise not_written("own-missing", reason + "no Operator(stores=...) brought it here")
        with self._lock:
            if self._store is None:
                self._store = self._open(self._folder)
            return self._store


def asked(
    name: str, what: str, ask: Callable[[], T], failed: Callable[[str, str], RollbackError]
) -> T:
    """What code of the application's answers. Its errors become ours, told by their type alone.

    failed: makes an error of a code and a reason.
    """
    try:
        return ask()
    except RollbackError:
        raise
    except Exception as error:
        reason = f"{what} of the store {name!r} failed: {type(error).__name__}"
        raise failed("own", reason) from error
