"""Releases on hold: marked bad, kept beside the evidence, never in Cosmos.

A hold is a small object, created only; releasing it is another one. What stands is the one with the
highest number, so that nothing is ever replaced and the whole story is kept::

    holds/<surface>/<build>/held/0001.json
    holds/<surface>/<build>/released/0002.json

The name says all that a rollback decides by, so that one listing tells every hold.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rollback.errors import ConnectorError
from rollback.guard.rules.perimeter import store_folder, store_place
from rollback.model.base import rfc3339
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, FileWrite, HttpWrite, Purpose
from rollback.model.environment import BlobStore, FolderStore, S3Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rollback.model.effect import Effect
    from rollback.model.environment import Environment
    from rollback.model.ports import Clients

HOLDS: Final = "holds/"
HOLD_BYTES_MAX: Final = 4096
EXISTS: Final = 412
NUMBER_MAX: Final = 9999
SPOOL: Final = "/spool"
"""How the id of the local spool's permission ends."""

_NAME = re.compile(
    r"holds/(?P<surface>[a-z][a-z0-9-]{0,39})/(?P<build>[A-Za-z0-9][A-Za-z0-9._+-]{0,127})"
    r"/(?P<what>held|released)/(?P<number>\d{4})\.json"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of one release: on hold, or released; number: of the last word about it."""

    surface: str
    build: str
    number: int
    held: bool


def standing(names: Iterable[str]) -> tuple[Standing, ...]:
    """What the names of a store say, by surface and build. Names of another form say nothing."""
    last: dict[tuple[str, str], Standing] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        said = Standing(
            match["surface"], match["build"], int(match["number"]), match["what"] == "held"
        )
        known = last.get((said.surface, said.build))
        # Of a hold and a release with one number, made at once, the hold stands.
        if known is None or (said.number, said.held) > (known.number, known.held):
            last[said.surface, said.build] = said
    return tuple(last[key] for key in sorted(last))


def read_holds(environment: Environment, clients: Clients) -> tuple[Standing, ...]:
    """Every hold that was ever made here, with what stands. Raises ConnectorError."""
    store = environment.evidence.store
    if store is None:
        return ()
    if isinstance(store, FolderStore):
        return standing(_files(Path(environment.base) / store.path))
    found = clients.objects().keys(store.prefix + HOLDS)
    return standing(name.removeprefix(store.prefix) for name in found)


def _files(folder: Path) -> list[str]:
    try:
        root = folder / HOLDS
        try:
            root.stat()
        except FileNotFoundError:
            return []  # nobody was put on hold yet; a folder that is none, or denied, raises
        return [str(one.relative_to(folder)) for one in sorted(root.rglob("*.json"))]
    except OSError as error:
        raise ConnectorError(
            "holds.folder", f"{folder}: {error.strerror or type(error).__name__}", transient=False
        ) from error


def hold_effects(
    environment: Environment,
    *,
    id: str,
    surface: str,
    build: str,
    number: int,
    held: bool,
    evidence_path: str = "",
) -> tuple[Effect, ...]:
    """The permission to write one word about one release; for a hold also the local spool's."""
    what = "held" if held else "released"
    direction = Direction.TOWARD if held else Direction.AWAY
    folder = f"{HOLDS}{surface}/{build}/{what}"
    says = f"put {build} of {surface} on hold" if held else f"release the hold on {surface} {build}"
    undo = Undo(possible=True, by="releasing the hold" if held else "putting it on hold again")
    store = environment.evidence.store
    made: list[Effect] = []

    def files(name: str, root: Path) -> FileWrite:
        return FileWrite(
            id=name,
            path=str((root / folder).absolute()),
            bytes_max=HOLD_BYTES_MAX,
            times_max=1,
            direction=direction,
            purpose=Purpose.HOLD,
            undo=undo,
            says=says,
        )

    if isinstance(store, S3Store | BlobStore):
        host, root = store_place(store)
        made.append(
            HttpWrite(
                id=id,
                method="PUT",
                host=host,
                path=f"{root}{store.prefix}{folder}/{number:04d}.json",
                body=BoundedBody(bytes_max=HOLD_BYTES_MAX),
                condition="create-only",
                direction=direction,
                purpose=Purpose.HOLD,
                undo=undo,
                says=says,
            )
        )
    elif store is not None:
        made.append(files(id, Path(store_folder(environment))))
    if held and evidence_path:
        made.append(files(f"{id}{SPOOL}", Path(evidence_path)))
    return tuple(made)


def write_hold(
    environment: Environment,
    clients: Clients,
    effects: tuple[Effect, ...],
    number: int,
    data: bytes,
) -> bool:
    """Write one word where the effects permit it; True where only the local spool took it.

    Raises ConnectorError where nothing did.
    """
    problem: ConnectorError | None = None
    for effect in effects:
        try:
            if isinstance(effect, FileWrite):
                clients.keep(effect, f"{number:04d}.json", data)
            else:
                store = environment.evidence.store
                prefix = "" if store is None or isinstance(store, FolderStore) else store.prefix
                _, _, tail = effect.path.rpartition(f"/{prefix}{HOLDS}")
                clients.objects().create(effect, f"{prefix}{HOLDS}{tail}", data)
        except ConnectorError as error:
            if error.status == EXISTS:  # somebody said something meanwhile: looking tells what
                raise
            problem = problem or error
        else:
            return effect.id.endswith(SPOOL)
    raise problem or ConnectorError("holds.nowhere", "there is no place for holds", transient=False)


def hold_document(
    *, surface: str, build: str, number: int, held: bool, run: str, incident: str, at: datetime
) -> bytes:
    """What is written: names and a time, nothing of a person and no secret."""
    said = {
        "at": rfc3339(at),
        "build": build,
        "format": 1,
        "held": held,
        "incident": incident,
        "number": number,
        "run": run,
        "surface": surface,
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
