"""Where a journal's copy is kept: a store that machines share, or a second folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.evidence.stores import create
from rollback.model.scope import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.effect import HttpWrite
    from rollback.model.ports import MirrorPlace, ObjectPort

EXISTS = 412


class ObjectMirror:
    """Objects under a prefix, created only."""

    def __init__(self, objects: ObjectPort, prefix: str, effect: HttpWrite | None) -> None:
        """effect: the permission that every object spends on the wire; None where only read."""
        self._objects = objects
        self._prefix = prefix
        self._effect = effect

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names that start so, in order."""
        found = self._objects.keys(self._prefix + prefix)
        return tuple(name.removeprefix(self._prefix) for name in found)

    def get(self, name: str) -> bytes | None:
        """An object's bytes."""
        found = self._objects.get(self._prefix + name)
        return None if found is None else found[0]

    def create(self, name: str, data: bytes) -> bool:
        """Create; False where it is there."""
        if self._effect is None:
            msg = "this mirror is only read"
            raise ConnectorError("mirror.read-only", msg, transient=False)
        try:
            self._objects.create(self._effect, self._prefix + name, data)
        except ConnectorError as error:
            if error.status == EXISTS:
                return False
            raise
        return True


class FolderMirror:
    """Files in a folder, read-only once written."""

    def __init__(self, folder: Path, spend: Callable[[Shape], None]) -> None:
        """spend: spends the permission of one file before it is created."""
        self._folder = folder
        self._spend = spend

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names that start so, in order."""
        try:
            parent = (self._folder / prefix).parent
            files = parent.iterdir() if parent.is_dir() else iter(())
            found = [str(one.relative_to(self._folder)) for one in files]
        except OSError as error:
            raise _failed(self._folder, error) from error
        return tuple(sorted(name for name in found if name.startswith(prefix)))

    def get(self, name: str) -> bytes | None:
        """A file's bytes."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(self._folder, error) from error

    def create(self, name: str, data: bytes) -> bool:
        """Create; False where it is there."""
        path = self._folder / name
        try:
            if path.exists():
                return False
            self._spend(
                Shape(
                    method="CREATE",
                    host="",
                    path=str(path),
                    body_bytes=len(data),
                    body_sha256=hashlib.sha256(data).hexdigest(),
                )
            )
            create(path, data)
        except FileExistsError:
            return False
        except OSError as error:
            raise _failed(self._folder, error) from error
        return True


class OpenedWhenUsed:
    """A place that is opened when it is first used, by whoever uses it: nobody waits for it before.

    What opening raises is raised by the use, each time.
    """

    def __init__(self, open_: Callable[[], MirrorPlace]) -> None:
        """open_: makes the place."""
        self._open = open_
        self._place: MirrorPlace | None = None

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names that start so, in order."""
        return self._opened().names(prefix)

    def get(self, name: str) -> bytes | None:
        """An object's bytes."""
        return self._opened().get(name)

    def create(self, name: str, data: bytes) -> bool:
        """Create; False where it is there."""
        return self._opened().create(name, data)

    def _opened(self) -> MirrorPlace:
        if self._place is None:
            self._place = self._open()
        return self._place


def _failed(folder: Path, error: OSError) -> ConnectorError:
    return ConnectorError(
        "mirror.folder",
        f"{folder}: {error.strerror or type(error).__name__}",
        transient=False,
        hint="see the folder and its rights",
    )
