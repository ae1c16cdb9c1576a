"""The mirror of an environment's runs: beside its evidence, where other machines can reach it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError, InputError
from rollback.model.effect import FileWrite, HttpWrite
from rollback.model.environment import Kind
from rollback.model.scope import Phase, Scope, Shape
from rollback.running.mirror import STEP, Mirror
from rollback.running.mirror_places import FolderMirror, ObjectMirror, OpenedWhenUsed
from rollback.running.take_up import take_up
from rollback.wiring.lost_run import part_of
from rollback.wiring.own_stores import OwnMirror, own_name
from rollback.wiring.setting import planning_opener
from rollback.wiring.upkeep import MIRROR, mirror_folder, mirror_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.ports import MirrorPlace
    from rollback.running.store import RunDirectory
    from rollback.wiring.setting import Setting
    from rollback.wiring.sitting import Sitting

INTERVAL_S = 5.0
"""How far the mirror may be behind, where no move away from safety asked for it at once."""


def mirror_of(sitting: Sitting, directory: RunDirectory) -> Mirror | None:
    """The mirror of one sitting; None where the plan permits none."""
    effect = next((one for one in sitting.document.plan.upkeep if one.id == MIRROR), None)
    if effect is None:
        return None
    approvals = enumerate(directory.approvals(), start=1)
    files = [(f"approval-{number}.json", data) for number, data in approvals]
    rehearsing = sitting.setting.environment.kind is Kind.REHEARSAL

    def place() -> MirrorPlace:
        if not isinstance(effect, HttpWrite):
            return _in_folder(sitting.setting, effect.path, _spender(sitting, effect))
        scope = Scope(run=sitting.run, step=STEP, phase=Phase.APPLY, permissions=(effect,))
        prefix = mirror_prefix(sitting.setting.environment)
        return ObjectMirror(sitting.opener(scope).objects(), prefix, effect)

    return Mirror(
        OpenedWhenUsed(place),
        sitting.journal,
        run=sitting.run,
        plan=sitting.document.digest,
        part=part_of(
            sitting.setting.state,
            sitting.document,
            sitting.run,
            only_safe=sitting.asked.only_safe,
        ),
        files=(("plan.json", sitting.document.canonical), *files),
        interval_s=INTERVAL_S / 5 if rehearsing else INTERVAL_S,
        say=lambda text: sitting.say("mirror", "run", text),
    )


def _in_folder(setting: Setting, folder: str, spend: Callable[[Shape], None]) -> MirrorPlace:
    if own_name(setting.environment):
        return OwnMirror(setting.environment, Path(folder), setting.stores, spend)
    return FolderMirror(Path(folder), spend)


def _spender(sitting: Sitting, effect: FileWrite) -> Callable[[Shape], None]:
    def spend(shape: Shape) -> None:
        sitting.ledger.spend(effect.id, shape)

    return spend


def taken_up(setting: Setting, name: str) -> RunDirectory:
    """The folder of a run to go on with: this machine's, levelled with what is mirrored of it.

    A run that this machine does not know is taken from the mirror, by its whole name. Raises
    InputError where it is in neither, JournalBroken where the two disagree, ConnectorError where
    the mirror is needed and cannot be read.
    """
    known: RunDirectory | None = None
    try:
        known = setting.state.find(name)
    except InputError:
        if not setting.environment.journal_mirror:
            raise
    if not setting.environment.journal_mirror:
        return setting.state.find(name)
    opener = planning_opener(setting)
    clients = opener(Scope(run=f"take-up-{name}"[:60], step=STEP, phase=Phase.OBSERVE))
    try:
        folder = mirror_folder(setting.environment)
        place: MirrorPlace = (
            _in_folder(setting, folder, _never)
            if folder
            else ObjectMirror(clients.objects(), mirror_prefix(setting.environment), None)
        )
        return take_up(place, setting.state, name if known is None else known.run)
    except ConnectorError:
        if known is None:
            raise
        return known  # what is here is whole by itself; the run's own mirroring says what fails
    finally:
        opener.close(clients)


def _never(shape: Shape) -> None:
    raise ConnectorError("mirror.read-only", f"{shape.path} is only read", transient=False)
