"""Stores that an application brings along: passed to its operator, used where the file says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from rollback.errors import ConnectorError, InputError
from rollback.evidence.chunks import sha256
from rollback.evidence.own_store import OwnStore, asked
from rollback.guard.rules.perimeter import store_folder
from rollback.model.environment import FolderStore
from rollback.model.scope import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.evidence.stores import ChunkStore
    from rollback.model.environment import Environment
    from rollback.model.ports import MirrorPlace

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    """Stores of one's own, for an environment whose evidence store says `own`.

    Each is a function of a folder, which need not be there yet. It is called when the store is
    first used in a scope, so several times in a run, and in any thread; it writes nothing.
    evidence: keeps chunks (`rollback.evidence.stores.ChunkStore`), under the folder that the
    environment names. mirror: keeps the journal's copy (`rollback.model.ports.MirrorPlace`) under
    ``journals`` in it, where the environment says `journal_mirror`.
    """

    evidence: Callable[[Path], ChunkStore] | None = None
    mirror: Callable[[Path], MirrorPlace] | None = None


NO_STORES: Final = Stores()


def own_name(environment: Environment) -> str:
    """How the environment calls the application's own store; empty where it names none."""
    store = environment.evidence.store
    return (store.own or "") if isinstance(store, FolderStore) else ""


def refuse_unnamed(environment: Environment, stores: Stores) -> None:
    """A store that is passed and would never be used is an error of whoever passed it.

    The other way round is none: a laptop that lacks the application's store must be able to halt.
    """
    if own_name(environment) or stores == NO_STORES:
        return
    raise InputError(
        "stores.unnamed",
        f"{environment.environment} names no store of the application's own",
        hint="say `own: NAME` of a store of kind folder, under `evidence`, or pass no stores",
    )


def chunks_of(
    environment: Environment, stores: Stores, spend: Callable[[Shape], None]
) -> OwnStore | None:
    """The application's own store of chunks; None where the environment names none."""
    name = own_name(environment)
    if not name:
        return None
    return OwnStore(name, Path(store_folder(environment)), stores.evidence, spend)


def reads_only(shape: Shape) -> None:
    """Spends nothing, as nothing is put."""
    raise ConnectorError("stores.read-only", f"{shape.path} is only read", transient=False)


class OwnMirror:
    """`MirrorPlace` over the application's: asked before it is written, never trusted to replace.

    What it raises that is no error of the product is told by its type alone.
    """

    def __init__(
        self, environment: Environment, folder: Path, stores: Stores, spend: Callable[[Shape], None]
    ) -> None:
        """Open it. spend: spends the permission of one object before it is created.

        Raises ConnectorError where the application passed none, or it cannot be opened.
        """
        self._name = own_name(environment)
        self._folder = folder
        self._spend = spend
        opened = stores.mirror
        if opened is None:
            reason = f"the environment keeps it in the application's own store {self._name!r}, and "
            raise _failed("own-missing", reason + "no Operator(stores=...) brought it here")
        self._place = self._asked("opening", lambda: opened(folder))

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names that start so, in order."""
        return self._asked("names", lambda: tuple(sorted(self._place.names(prefix))))

    def get(self, name: str) -> bytes | None:
        """An object's bytes."""
        return self._asked("get", lambda: self._place.get(name))

    def create(self, name: str, data: bytes) -> bool:
        """Create; False where it is there. Raises ConnectorError, also where it reads otherwise."""
        if self.get(name) is not None:
            return False
        self._spend(
            Shape(
                method="CREATE",
                host="",
                path=str(self._folder / name),
                body_bytes=len(data),
                body_sha256=sha256(data),
            )
        )
        made = self._asked("create", lambda: self._place.create(name, data))
        if made and self.get(name) != data:
            reason = f"the store {self._name!r} gives back something else than was put: {name}"
            raise _failed("read-back", reason)
        return made

    def _asked(self, what: str, ask: Callable[[], T]) -> T:
        return asked(self._name, what, ask, _failed)


def _failed(code: str, reason: str) -> ConnectorError:
    return ConnectorError(
        f"mirror.{code}",
        reason,
        transient=False,
        hint="see the application's own store, or apply from the application that has it",
    )
