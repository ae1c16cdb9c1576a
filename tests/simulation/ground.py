"""What all of one simulated run stand on: the baton, the world, the points, and what happened."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollback.model.record import RecordKind
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.app import answer
from tests.simulation.baton import Baton, Crashed, Process
from tests.simulation.fate import Point, Struck
from tests.simulation.timeline import VirtualClock, VirtualSimulation

if TYPE_CHECKING:
    from rollback.model.record import Record
    from rollback.rehearsal.simulator.exchange import Call, Reply
    from rollback.rehearsal.simulator.world import World
    from rollback.running.journal import FileJournal
    from tests.simulation.disk import SimulatedDisk
    from tests.simulation.fate import Fate
    from tests.simulation.watch import Watch

_QUIET = frozenset({RecordKind.EXCHANGE, RecordKind.CANARIES, RecordKind.NOTE})
ALIASES = {"www.trading.example": names.slot_host(names.WEB, names.PRODUCTION)}
"""Hosts users know, and the host of the platform that answers there."""

SLOW_S = 40.0
PAUSE_S = 25.0
"""Longer than a lease lasts here, shorter than a proof of authority does."""
LONG_PAUSE_S = 45.0
"""Longer than both."""
LATE_S = 25.0
JUMP_S = 600.0
NUDGE_S = 25.0


class NoAnswerError(Exception):
    """A call that was not answered. sent: the request had left."""

    def __init__(self, what: str, *, sent: bool) -> None:
        super().__init__(what)
        self.sent = sent


@dataclass
class Ground:
    """One simulated run."""

    world: World
    fate: Fate
    points: list[Point] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    disks: dict[str, list[SimulatedDisk]] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    calm: bool = False
    """Nothing goes wrong any more."""
    halted: bool = False
    """An operator halted trading while the run went on."""
    lost_at_s: float | None = None
    """When every instance began to deny halting, on every slot; None: none ever did."""
    watch: Watch | None = None
    seals: bool = False
    """Whether the bundle is sealed at the end; it sends nothing, and costs a fifth of a run."""
    changed: int = 0
    """How often something changed on disk that a resumed run may look at."""

    def __post_init__(self) -> None:
        self.baton = Baton(self.fate.choose)
        self.simulation = VirtualSimulation(self.world, self.baton)

    # --- processes -----------------------------------------------------------------------------

    def process(self, name: str) -> Process:
        """A new process, alive."""
        made = Process(name)
        self.processes.append(made)
        return made

    def clock(self, process: Process) -> VirtualClock:
        """The clock of a process."""
        return VirtualClock(self.baton, process, self._asleep)

    def kill(self, process: Process) -> None:
        """The process dies here and now. Raises Crashed."""
        process.dead = True
        self.tell(f"{process.name} DIES")
        raise Crashed

    def tell(self, text: str) -> None:
        """One line of the story."""
        self.story.append(f"{self.baton.now_s:8.2f} s  {text}")

    def recorded(self, journal: FileJournal, record: Record) -> None:
        """A record stands in a journal."""
        if self.watch is not None:
            self.watch.recorded(journal, record)
        if record.kind not in _QUIET and record.text("purpose") != "evidence":
            self.changed += 1
            self.tell(f"{self.baton.actor.process.name} records {said(record)}")

    # --- points --------------------------------------------------------------------------------

    def point(self, kind: str, what: str) -> str:
        """A port call begins: its number is given, and what goes wrong is decided."""
        who = self.baton.actor.process
        if who.dead:
            raise Crashed
        one = Point(len(self.points), kind, who.name, what, self.since())
        self.points.append(one)
        fault = "" if self.calm else self.fate.strike(one)
        if fault:
            self.struck.append(Struck(one, fault, self.baton.now_s))
            self.tell(f"{who.name} point {one.number}: {fault.upper()} at {what}")
        return fault

    def since(self) -> int:
        """How much has changed so far that a resumed run may look at."""
        world = self.world
        moved = sum(one.moved + (one.state != "running") for one in world.operations.values())
        return self.changed + moved + len(world.operations)

    def common(self, fault: str) -> None:
        """What every kind of call has in common, before it does anything."""
        who = self.baton.actor.process
        if fault in {"crash-before", "torn"}:
            self.kill(who)
        if fault == "power-cut":
            self.cut_power(who)
        if fault in {"pause", "long-pause"}:
            process_s = PAUSE_S if fault == "pause" else LONG_PAUSE_S
            self.pause(who, process_s)
        if fault == "jump-ahead":
            who.skew_s += JUMP_S
        if fault == "jump-back":
            who.skew_s -= JUMP_S
        if fault == "nudge-back":
            who.skew_s -= NUDGE_S
        if fault == "slow":
            self.baton.sleep(SLOW_S)

    def cut_power(self, process: Process) -> None:
        """The machine goes dark: what no sync covered is lost. Raises Crashed."""
        for disk in self.disks.get(process.name, ())[-1:]:
            if disk.descriptor is not None:
                disk.lose_power(disk.descriptor)
        self.kill(process)

    def pause(self, process: Process, seconds: float) -> None:
        """Every thread of the process stands still, as on a laptop that was closed."""
        process.paused_until_s = self.baton.now_s + seconds
        self.baton.step()

    def _asleep(self, seconds: float) -> None:
        process = self.baton.actor.process
        fault = self.point("sleep", f"sleep {seconds:.2f} s")
        self.common(fault)
        self.baton.sleep(seconds)
        if fault == "crash-after":
            self.kill(process)

    # --- the network ---------------------------------------------------------------------------

    def exchange(self, call: Call, *, writes: bool) -> Reply:
        """One request to the world. Raises NoAnswerError."""
        who = self.baton.actor.process
        kind = "write" if writes else "read"
        fault = self.point(kind, f"{call.method} {_short(call)}")
        if writes and self.watch is not None:
            self.watch.departs(call)
        self.common(fault)
        if fault == "refused":
            self.baton.step()
            msg = "the connection was refused"
            raise NoAnswerError(msg, sent=False)
        self.baton.sleep(self.fate.latency_s())
        if fault == "failed":
            return _unavailable()
        if fault == "late":
            self._later(call)
            msg = "the connection broke, and the request is still on its way"
            raise NoAnswerError(msg, sent=True)
        reply = self._answered(call, writes=writes)
        if fault == "duplicated":
            reply = self._answered(call, writes=writes, doubled=True)
        if fault == "crash-after":
            self.kill(who)
        self.baton.sleep(SLOW_S if fault == "slow-answer" else self.fate.latency_s())
        if fault == "lost" or reply.dropped:
            msg = "the connection broke before the answer"
            raise NoAnswerError(msg, sent=True)
        if fault == "failed-after":
            return _unavailable()
        return reply

    def _later(self, call: Call) -> None:
        """A gateway holds the request, and delivers it when nobody waits for it any more."""
        if self.watch is not None:
            self.watch.request(call, writes=True)

        def deliver() -> None:
            self.changed += 1
            reply, _ = answer(self.simulation, call)
            self.tell(f"the world answers {reply.status} late to {call.method} {_short(call)}")

        self.baton.at(self.baton.now_s + LATE_S, deliver)

    def _answered(self, call: Call, *, writes: bool, doubled: bool = False) -> Reply:
        if self.watch is not None:
            self.watch.request(call, writes=writes and not doubled)
            self.watch.moved()
        call.host = ALIASES.get(call.host, call.host)
        reply, _ = answer(self.simulation, call)
        if writes:
            self.changed += 1
            self.tell(
                f"the world answers {reply.status or 'nothing'} to {call.method} {_short(call)}"
            )
        return reply


_RESOURCE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web")


def _short(call: Call) -> str:
    """A request's host and path as people say them."""
    return f"{call.host}{_RESOURCE.sub('', call.path)}"


def _unavailable() -> Reply:
    from rollback.rehearsal.simulator.exchange import json_reply

    error = {"code": "ServiceUnavailable", "message": "The service is unavailable."}
    return json_reply({"error": error}, 503)


def said(record: Record) -> str:
    """A record in a few words."""
    told = [
        str(fact.value)
        for fact in record.body
        if fact.name in _TOLD and fact.value not in {"", None}
    ]
    return f"{record.kind.value} {' '.join(told)}".rstrip()


_TOLD = frozenset(
    {
        "step",
        "change",
        "outcome",
        "reason",
        "effect",
        "attempt",
        "slot",
        "verdict",
        "held",
        "problem",
        "mode",
        "exit",
        "status",
        "holds",
        "fence",
        "rule",
    }
)
