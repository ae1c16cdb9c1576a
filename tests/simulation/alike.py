"""What a death leaves behind: two deaths that leave the same behind are one to all who come after.

A run that is resumed knows the world, the journal and the files. Of the journal it uses what the
fold makes of it once the run is opened again, the permissions that were spent, what a write in
doubt was answered, and what was noted; of times nothing, as a new process looks again at all that
can grow old. A step that was not done is begun again, and a capture that was not recorded as made
is made again, but for the sources that its notes say were asked. So it does the same whichever pieces
of evidence were stored or recorded by then, but for gaps that were noted: times, digests, exchanges
and pieces do not count here. That this is so is held against runs: `Left.pieces` tells states apart that `Left.state` takes as one, and of those a part is run, too.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollback.approval.sign import SKEW_S
from rollback.evidence.sinks import NOTES
from rollback.model.direction import Direction
from rollback.model.effect import Purpose
from rollback.model.kept_head import KeptHead
from rollback.model.record import Record, RecordKind
from rollback.running.fold import Folding
from rollback.running.head import read_head
from rollback.running.state import ChangeStatus, StepStatus
from tests.simulation.timeline import START

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rollback.model.plan import Plan
    from rollback.running.state import RunState
    from tests.simulation.ground import Ground

_NOTED = frozenset({RecordKind.NOTE, RecordKind.REFUSAL, RecordKind.ATTESTED, RecordKind.SAID})
_SPENT = frozenset({RecordKind.INTENT, RecordKind.RETURNED})
_PERFORMED = "performed"
_PIECES = "chunks"
"""The folder of what was captured, wherever it is."""

CHANCE = re.compile(
    r'\d{4}-\d\d-\d\dT[^"\s]*|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}'
    r"|(?<=&)[tcsh]=[\w-]+"
)
"""Moments, identifiers, digests, and what signs the address of an operation."""

_APPROVED = START - timedelta(seconds=SKEW_S)
"""When approvals that were signed as a run began are valid from."""

_SIZES = re.compile(r"performed/(?:chunks|items|windows_\w+)")
"""How much was captured and how well it packs: nobody who comes after asks."""


@dataclass(frozen=True, slots=True)
class Left:
    """A way to die, and what it leaves behind: a name of all that is read again.

    pieces: a name of that and of what was captured and recorded meanwhile.
    """

    fault: str
    state: str
    pieces: str


class Remains:
    """What a death leaves behind at each point of one run, as the run goes on."""

    def __init__(self) -> None:
        self._told: _Journal | None = None
        self._lines = (0, 0)
        self._runs: dict[int, tuple[str, str]] = {}
        self._world: tuple[object, str] = (None, "")

    def at(self, ground: Ground) -> Iterator[Left]:
        """The ways to die here that leave different things behind."""
        assert ground.watch is not None
        disk = next(iter(ground.disks.get("A.1", ())[-1:]), None)
        records = ground.watch.records("A.1")
        around, pieces = self._around(ground)
        around = (*around, *(_head_reads(one.path) for one in ground.watch.journals.values()))
        if disk is None or disk.descriptor is None or not disk.open_here():
            yield _left("crash-before", self._run(ground, records), (*around, False), pieces)
            return
        synced, lost = disk.covered(self._lines[0]), disk.unsynced()
        self._lines = (self._lines[0] + len(synced), self._lines[1] + synced.count(b"\n"))
        died = self._run(ground, _written(records, self._lines[1], lost))
        yield _left("crash-before", died, (*around, _torn(lost)), pieces)
        # Where a record is being written its bytes are not there yet; the next point has them.
        if lost:
            whole = lost[: ground.fate.part(len(lost))]
            cut = self._run(ground, _written(records, self._lines[1], whole))
            yield _left("power-cut", cut, (*around, _torn(whole)), pieces)

    def _run(self, ground: Ground, records: tuple[Record, ...]) -> tuple[str, str]:
        """Of a run with these records; asked for with ever more of them, mostly."""
        kept = len(records)
        if kept not in self._runs:
            assert ground.watch is not None
            if self._told is None or self._told.taken > kept:
                self._told = _Journal(ground.watch.scene.plan.plan)
            self._told.over(records)
            self._runs[kept] = self._told.again()
        return self._runs[kept]

    def _around(self, ground: Ground) -> tuple[tuple[object, ...], object]:
        """The world and the files beside the journal."""
        assert ground.watch is not None
        watch = ground.watch
        moment = ground.since()
        if self._world[0] != moment:
            self._world = (moment, CHANCE.sub("-", ground.world.model_dump_json()))
        leases = {one.document.scope: one.document for one in watch.leases}
        files, pieces = _files(watch.scene.directory)
        around = (
            self._world[1],
            files,
            sorted((scope, one.held, one.fence) for scope, one in leases.items()),
            sorted(watch.received.items()),
            ground.baton.waiting,
            ground.halted,
        )
        return around, pieces


def _written(records: tuple[Record, ...], lines: int, more: bytes) -> tuple[Record, ...]:
    """The records of a file: of so many lines, and of those that are whole in what follows.

    The last may be in the file, and not be known as recorded yet.
    """
    whole = more[: more.rfind(b"\n") + 1].splitlines()
    known = records[: lines + len(whole)]
    left = whole[len(known) - lines :]
    try:
        return (*known, *(Record.model_validate_json(one) for one in left))
    except ValueError:
        return known


def _head_reads(journal: Path) -> bool:
    """Whether the head beside a journal is one."""
    return KeptHead.of(read_head(journal) or b"") is not None


def _torn(tail: bytes) -> bool:
    """Whether a file that ends so ends badly."""
    return b"\0" in tail or (bool(tail) and not tail.endswith(b"\n"))


def _left(fault: str, run: tuple[str, str], around: tuple[object, ...], pieces: object) -> Left:
    state = hashlib.sha256(repr((run[0], around)).encode()).hexdigest()
    return Left(fault, state, hashlib.sha256(repr((state, run[1], pieces)).encode()).hexdigest())


class _Journal:
    """What a new process makes of the journal, up to some record; each record is taken once."""

    def __init__(self, plan: Plan) -> None:
        self.taken = 0
        self._folding = Folding(plan)
        self._counts = {
            effect.id: effect.purpose is not Purpose.EVIDENCE
            for _, change in plan.updates
            for effect in change.effects
        }
        self._captures = {
            (step.name, change.id)
            for step, change in plan.updates
            if step.action == "snapshot_audit_logs"
        }
        self._away = {one.id for one in plan.effects if one.direction is Direction.AWAY}
        self._moved = ""
        self._opened: Record | None = None
        self._spent: Counter[str] = Counter()
        self._noted: set[str] = set()
        self._performed: dict[tuple[str, str], str] = {}
        self._pieces: Counter[str] = Counter()
        self._records: tuple[Record, ...] = ()
        self._state: RunState

    def over(self, records: Sequence[Record]) -> None:
        for record in records[self.taken :]:
            self._take(record)
        self._records = tuple(records)
        self._state = self._folding.over(self._records)
        self.taken = len(records)

    def _take(self, record: Record) -> None:
        key = (record.text("step"), record.text("change"))
        if record.kind is RecordKind.OPENED and self._opened is None:
            self._opened = record
        elif record.text("code") == _PERFORMED:
            said = (one.name for one in record.body if not _SIZES.fullmatch(one.name))
            self._performed[key] = _in_words(record, *said)
        elif record.kind in _SPENT and self._counts.get(record.text("effect"), False):
            sent = "" if record.get("sent") is not False else " not sent"
            self._spent[f"{record.kind.value} {record.text('effect')}{sent}"] += 1
            if record.text("effect") in self._away and not self._moved:
                # Whether approvals were good then is asked again.
                self._moved = "early" if record.at < _APPROVED else "in time"
        elif record.kind in _NOTED:
            self._noted.add(_in_words(record, "code", "step", "change", "effect", "outcome"))
        if record.kind is not RecordKind.EXCHANGE:
            self._pieces[_in_words(record, "step", "status", "holds", "effect", "slot")] += 1

    def again(self) -> tuple[str, str]:
        """A name of what a process finds that opens the run again; and of what was recorded."""
        made = {
            key for key in self._captures if self._state.changes.get(key) is ChangeStatus.APPLIED
        }
        state = self._state
        if self._opened is not None:
            state = _twin(self._folding).over((*self._records, self._opened))
        doubt = {
            key: text
            for key, text in self._performed.items()
            if state.changes.get(key, ChangeStatus.NONE) is not ChangeStatus.NONE
            and state.step(key[0]).status is not StepStatus.DONE
        }
        found = (
            self._opened is not None,
            _plain(state),
            sorted(made),
            sorted(self._spent.items()),
            self._moved,
            sorted(self._noted),
            sorted(doubt.items()),
            sorted(text for text in self._performed.values() if "marker" in text),
        )
        return CHANCE.sub("-", repr(found)), repr(sorted(self._pieces.items()))


def _twin(folding: Folding) -> Folding:
    """A fold that goes on by itself from where another is."""
    made = copy.copy(folding)
    for name, value in vars(made).items():
        if isinstance(value, dict | set):
            setattr(made, name, value.copy())
    return made


def _plain(state: RunState) -> list[tuple[str, Any]]:
    """All of a state but reasons and moments, in one order."""
    found: list[tuple[str, Any]] = []
    for one in fields(state):
        value = getattr(state, one.name)
        if one.name == "steps":
            ended = {name: (step.status.value, step.code) for name, step in value.items()}
            value = sorted((name, how) for name, how in ended.items() if how[0] != "open")
        elif one.name == "changes":
            changes = ((key, change.value) for key, change in value.items())
            value = sorted((key, how) for key, how in changes if how != "none")
        elif isinstance(value, frozenset):
            value = sorted(value)
        elif hasattr(value, "items"):
            value = sorted(value.items())
        found.append((one.name, value))
    return found


def _in_words(record: Record, *names: str) -> str:
    """A record without its moment: those facts of it, or all."""
    told = (one for one in record.body if not names or one.name in names)
    return f"{record.kind.value} {' '.join(f'{one.name}={one.value}' for one in told)}"


def _files(root: Path) -> tuple[tuple[object, ...], int]:
    """Each folder and how many files it has, and noted gaps; how many pieces and notes there are."""
    found: list[object] = []
    pieces = 0
    for top in ("state", "evidence-store", "leases"):
        for folder, below, names in os.walk(root / top):
            below.sort()
            if _PIECES in below:
                below.remove(_PIECES)
                pieces += sum(len(one[2]) for one in os.walk(f"{folder}/{_PIECES}"))
            if folder.endswith(f"/{NOTES}"):
                gaps = ((name, _gaps(f"{folder}/{name}")) for name in sorted(names))
                found.extend(one for one in gaps if one[1])
                pieces += len(names)
            elif names:
                found.append((os.path.relpath(folder, root), len(names)))
    return tuple(found), pieces


def _gaps(notes: str) -> list[str]:
    """The sources that notes of a capture say were asked and did not give all."""
    with open(notes, encoding="utf-8") as lines:  # noqa: PTH123 - a path is made for each point
        told = (json.loads(line).get("window") for line in lines)
        return sorted(
            f"{one['source']} {one['completeness']}"
            for one in told
            if one is not None and one["completeness"] != "complete"
        )
