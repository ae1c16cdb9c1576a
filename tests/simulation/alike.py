"""What a death leaves behind: two deaths that leave the same behind are one to all who come after.

A run that is resumed knows the world, the journal and the files. Of the journal it uses what the
fold makes of it, the permissions that were spent, and what was captured under which name; of times
nothing, as a new process looks again at all that can grow old. So times, digests of what was
captured and records of exchanges do not count here.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from rollback.model.record import RecordKind
from rollback.running.fold import fold
from rollback.running.state import ChangeStatus, StepStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.record import Record
    from tests.simulation.ground import Ground

_UNREAD = frozenset(
    {RecordKind.EXCHANGE, RecordKind.CANARIES, RecordKind.AUTHORITY, RecordKind.OBSERVED}
)
"""What a new process does not go by: it looks and proves again."""

_COUNTED = frozenset({RecordKind.INTENT, RecordKind.RETURNED, RecordKind.OUTCOME, RecordKind.SAID})
_TOLD = frozenset(
    {"step", "change", "effect", "outcome", "status", "code", "mode", "fence", "held", "holds"}
)

_CHANCE = re.compile(
    r'"\d{4}-\d\d-\d\dT[^"]*"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}'
)
"""Moments, identifiers and digests."""


def left_behind(ground: Ground) -> Iterator[tuple[str, str]]:
    """The ways to die here that leave different things behind, each with a name of those things."""
    disk = next(iter(ground.disks.get("A.1", ())[-1:]), None)
    records = () if ground.watch is None else ground.watch.records("A.1")
    around = _around(ground)
    yield "crash-before", _named(ground, records, around)
    if disk is None or disk.descriptor is None or not disk.open_here():
        return
    lost = disk.unsynced()
    if lost:
        whole = lost[: ground.fate.part(len(lost))]
        kept = len(records) - lost.count(b"\n") + whole.count(b"\n")
        torn = not whole.endswith(b"\n") and bool(whole)
        yield "power-cut", _named(ground, records[:kept], (*around, torn))


def _named(ground: Ground, records: tuple[Record, ...], around: tuple[object, ...]) -> str:
    assert ground.watch is not None
    plan = ground.watch.scene.plan.plan
    state = fold(plan, records)
    run = (
        sorted(name for name, one in state.steps.items() if one.status is StepStatus.DONE),
        sorted((key, one) for key, one in state.changes.items() if one is not ChangeStatus.NONE),
        sorted(state.said.items()),
        sorted(state.returned.items()),
        sorted(state.drifted),
        sorted(state.handed_over),
        sorted(state.attested),
        state.closed,
        state.moved_away,
        sorted(Counter(_in_words(one) for one in records if one.kind in _COUNTED).items()),
        sorted({_in_words(one) for one in records if one.kind not in _UNREAD | _COUNTED}),
    )
    return hashlib.sha256(_CHANCE.sub("-", repr((run, around))).encode()).hexdigest()


def _in_words(record: Record) -> str:
    """What a record says, without moments and reasons."""
    told = " ".join(f"{one.name}={one.value}" for one in record.body if one.name in _TOLD)
    return f"{record.kind.value} {told}"


def _around(ground: Ground) -> tuple[object, ...]:
    """The world and the files beside the journal."""
    assert ground.watch is not None
    watch, root = ground.watch, ground.watch.scene.directory
    folders = ("state/plans", "state/runs", "state/applied", "evidence-store", "leases")
    files = Counter(
        str(path.relative_to(root).parent)
        for name in folders
        for path in (root / name).rglob("*")
        if path.is_file()
    )
    leases = {one.document.scope: one.document for one in watch.leases}
    return (
        _CHANCE.sub("-", ground.world.model_dump_json()),
        sorted(files.items()),
        sorted((scope, one.held, one.fence) for scope, one in leases.items()),
        sorted(watch.received.items()),
        ground.baton.waiting,
        ground.halted,
    )
