"""What is known of one simulated run while it goes on, for the checkers; and the checkers' doors.

Times here are the world's true seconds, whatever the clocks of the product's processes say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollback.model.journal import line_of
from rollback.model.record import RecordKind
from tests.simulation.conformance import Model

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.record import Record
    from rollback.rehearsal.simulator.exchange import Call
    from rollback.running.journal import FileJournal
    from rollback.running.lease.document import LeaseDocument
    from rollback.wiring.plan_document import PlanDocument
    from tests.simulation.ground import Ground
    from tests.simulation.scene import Scene


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it was appended: when, by which process."""

    at_s: float
    process: str
    record: Record


@dataclass(frozen=True, slots=True)
class Leased:
    """A lease document as it was written."""

    at_s: float
    document: LeaseDocument


def laptop(process: str) -> str:
    """Whose process it is: ``A`` of ``A.2``."""
    return process.partition(".")[0]


@dataclass
class Sitting:
    """One sitting: which process, what plan it applies, and how it ended."""

    process: str
    plan: PlanDocument
    state: str
    exit: int | None = None
    said: str = ""
    died: bool = False
    calm: bool = False
    running: bool = True


@dataclass
class Watch:
    """All of it. broken: a line a broken promise; the list grows while the run goes on."""

    scene: Scene
    ground: Ground
    log: list[Written] = field(default_factory=list)
    leases: list[Leased] = field(default_factory=list)
    sittings: list[Sitting] = field(default_factory=list)
    journals: dict[str, FileJournal] = field(default_factory=dict)
    asked: defaultdict[str, Counter[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    """Laptop -> what it asked, and how often, since it last knew that users moved."""
    received: dict[tuple[str, str], int] = field(default_factory=dict)
    """(state directory's run, effect) -> how often the world received it."""
    output: list[str] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    """Run -> the proof's model of its plan, where the run has brought it."""
    broken: list[str] = field(default_factory=list)
    window_s_max: float = 0.0

    def breaks(self, promise: str, why: str) -> None:
        """A promise is broken."""
        line = f"{promise}: {why}"
        if line not in self.broken:
            self.broken.append(line)
            self.ground.tell(f"BROKEN {line}")

    def sitting_of(self, process: str) -> Sitting:
        """The sitting of a process."""
        return next(one for one in self.sittings if one.process == process)

    def here(self) -> str:
        """The process that runs now."""
        return self.ground.baton.actor.process.name

    # --- what happens ----------------------------------------------------------------------

    def departs(self, call: Call) -> None:
        """A write is about to leave the process."""
        from tests.simulation import checkers

        checkers.on_departure(self, call)

    def request(self, call: Call, *, writes: bool) -> None:
        """A request is about to reach the world."""
        from tests.simulation import checkers

        self.asked[laptop(self.here())][call.host, call.path] += 1
        if writes:
            checkers.on_write(self, call)

    def recorded(self, journal: FileJournal, record: Record) -> None:
        """A record stands in a journal."""
        from tests.simulation import checkers

        who = self.here()
        self.journals[who] = journal
        model = self.models.get(record.run)
        if model is None or record.kind is RecordKind.OPENED:
            # A death may have left a record that nobody saw written, or lost one that was seen.
            plan = self.sitting_of(who).plan.plan
            model = self.models[record.run] = Model(plan, self.scene.environment)
            for one in journal.records()[:-1]:
                model.record(one)
        if why := model.record(record):
            self.breaks("proof", why)
        self.moved()
        self.log.append(Written(self.ground.baton.now_s, who, record))
        checkers.on_record(self, who, record)

    def moved(self) -> None:
        """The world may have moved: it has to be where the model of the run says it can be.

        A request that a gateway delivers after the quiet period is beyond the model, and beyond
        anybody who looks; what it may not do is make a second swap.
        """
        late = any(one.fault == "late" for one in self.ground.struck)
        if len(self.models) == 1 and not late:
            (model,) = self.models.values()
            if why := model.world(self.ground.world):
                self.breaks("proof", why)

    def leased(self, document: LeaseDocument) -> None:
        """A lease document was written."""
        self.leases.append(Leased(self.ground.baton.now_s, document))

    # --- what the checkers ask -----------------------------------------------------------------

    def records(self, process: str) -> tuple[Record, ...]:
        """The journal of a process's run, as that process sees it."""
        found = self.journals.get(process)
        return () if found is None else found.records()

    def at(self, record: Record) -> float | None:
        """When a record was written, in true seconds."""
        return next((one.at_s for one in reversed(self.log) if one.record is record), None)

    def durable(self, process: str, record: Record) -> bool:
        """Whether a record would survive a power cut now."""
        journal = self.journals[process]
        disk = self.ground.disks[process][-1]
        return line_of(record) in journal.path.read_bytes()[: disk.synced]

    def effect(self, process: str, effect_id: str) -> Effect | None:
        """An effect of the plan that a process applies."""
        plan = self.sitting_of(process).plan.plan
        return next((one for one in plan.effects if one.id == effect_id), None)
