"""How fast users are safe: ``python -m benchmarks.safety``.

The shipped full rollback, applied against the rehearsal's platform with its latencies scaled down
ten times: a swap of 50 s takes 5, an answer of 200 ms takes 20. Waits by choice (settling, baking)
are set to none. Three times are held against each other:

- the clock, from the run's first record to its last
- waiting: while at least one answer, swap or sync is awaited, watching and renewing left out. What
  the clock shows beyond it is spent by this process
- the critical path: along the plan's order, each step by its swap and the slowest answer of each
  of its phases (read again, send, look, verify), as if the rest of a phase were free; and the
  syncs. At most 1.05 times it is the aim

Exits 1 where the aim is missed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollback.model.record import RecordKind
from rollback.rehearsal.scenario import Play, Scenario, staged
from rollback.running.journal import check_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.model.plan import Plan
    from rollback.model.record import Record
    from rollback.rehearsal.simulator.world import World

SWAP_S = 5.0
ANSWER_S = 0.02
TIMES_MAX = 1.05
ASIDE = ("authority-watch", "lease", "mirror")
"""Steps of exchanges that nothing waits for."""

Interval = tuple[float, float]
PHASE_ENDS = (RecordKind.OBSERVED, RecordKind.INTENT, RecordKind.OUTCOME, RecordKind.VERIFIED)


def scaled(world: World) -> World:
    """Swaps as long as a tenth of the real ones."""
    timings = world.timings.model_copy(update={"swap_s": SWAP_S})
    return world.model_copy(update={"timings": timings})


def unhurried(content: dict[str, Any]) -> dict[str, Any]:
    """No wait by choice, and a bound on swaps that ten times slower ones keep."""
    return {**content, "policy": {**content["policy"], "settle_s": 0, "swap_s_max": 60}}


@contextmanager
def syncs() -> Iterator[list[Interval]]:
    """When this process waited for the disk."""
    seen: list[Interval] = []
    real = (os.fsync, os.fdatasync)

    def timed(sync: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            began = time.clock_gettime(time.CLOCK_BOOTTIME)
            sync(descriptor)
            seen.append((began, time.clock_gettime(time.CLOCK_BOOTTIME)))

        return call

    os.fsync, os.fdatasync = (timed(one) for one in real)  # type: ignore[assignment]
    try:
        yield seen
    finally:
        os.fsync, os.fdatasync = real  # type: ignore[assignment]


def length(intervals: list[Interval]) -> float:
    """How much time at least one of them covers."""
    covered, until = 0.0, 0.0
    for start, end in sorted(intervals):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def asked(record: Record) -> Interval:
    """From when to when an answer was awaited, in seconds of the run's own clock."""
    elapsed = record.get("elapsed_ms")
    end = record.monotonic_ms / 1000
    return end - (elapsed if isinstance(elapsed, int) else 0) / 1000, end


def path_of(plan: Plan, records: tuple[Record, ...], swaps: dict[str, Interval]) -> float:
    """The critical path, syncs left out."""
    phases: dict[str, list[float]] = defaultdict(lambda: [0.0])
    for record in records:
        name = record.text("step")
        if record.kind is RecordKind.EXCHANGE:
            start, end = asked(record)
            held = swaps.get(name)
            polled = held is not None and start < held[1] and end > held[0]
            if not polled:  # what is asked while a swap runs costs nothing beyond it
                phases[name][-1] = max(phases[name][-1], end - start)
        elif record.kind in PHASE_ENDS and name:
            phases[name].append(0.0)
    ends: dict[str, float] = {}
    for step in plan.steps:
        before = max((ends.get(name, 0.0) for name in step.after), default=0.0)
        own = sum(phases[step.name])
        if step.name in swaps:
            own += swaps[step.name][1] - swaps[step.name][0]
        ends[step.name] = before + own
    between = [asked(one) for one in records if one.text("step") == "authority-between"]
    return max(ends.values()) + max((end - start for start, end in between), default=0.0)


def swaps_of(play: Play, records: tuple[Record, ...]) -> dict[str, Interval]:
    """From when to when each step's swap ran, by the platform's activity log."""
    first = records[0]
    zero = first.at.timestamp() - first.monotonic_ms / 1000
    ran: dict[str, list[float]] = defaultdict(list)
    for entry in play.sim.control.world().activity:
        if entry.operation.endswith("slotsswap/action"):
            site = entry.resource.partition("/sites/")[2].partition("/")[0]
            at = entry.at.timestamp() - zero
            if at >= first.monotonic_ms / 1000:
                ran[f"revert/{site.removeprefix('trading-')}"].append(at)
    return {name: (min(times), max(times)) for name, times in ran.items()}


def main() -> int:
    """Plan, apply, compute."""
    from playbooks import full_rollback

    scenario = Scenario(
        "speed", "", (0,), world=scaled, settings=unhurried, parameters={"bake": "0s"}
    )
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        play = staged(stack, scenario, full_rollback, Path(name), lambda *_: None)
        play.sim.control.fault("latency", seconds=ANSWER_S, count=0)
        plan = play.plan()
        with syncs() as synced:
            result = play.apply(plan)
        records = check_file(Path(result.journal_path)).records
        swaps = swaps_of(play, records)
    if result.exit_status != 0:
        sys.exit(f"the rollback ended with {result.exit_status}")
    start, end = (records[at].monotonic_ms / 1000 for at in (0, -1))
    waited = [
        asked(one)
        for one in records
        if one.kind is RecordKind.EXCHANGE and one.text("step") not in ASIDE
    ]
    disk = [one for one in synced if start <= one[0] <= end]
    clock = end - start
    waiting = length([*waited, *disk, *swaps.values()])
    path = path_of(plan.plan, records, swaps) + length(disk)
    sys.stdout.write(
        f"the clock: {clock:.2f} s; {len(waited)} answers, {len(disk)} syncs of "
        f"{length(disk):.2f} s, {threading.active_count()} thread left\n"
        f"waiting: {waiting:.2f} s; the clock is {clock / waiting:.2f} times that\n"
        f"critical path with syncs: {path:.2f} s; the clock is {clock / path:.2f} times that "
        f"(at most {TIMES_MAX:g})\n"
    )
    _steps(records, start)
    return int(clock / path > TIMES_MAX)


def _steps(records: tuple[Record, ...], start: float) -> None:
    """When each step began to ask and ended, how many answers it had and for how long it waited."""
    began: dict[str, float] = {}
    waits: dict[str, list[Interval]] = defaultdict(list)
    for record in records:
        name = record.text("step")
        if record.kind is RecordKind.EXCHANGE:
            began.setdefault(name, asked(record)[0] - start)
            waits[name].append(asked(record))
        if record.kind is RecordKind.STEP:
            at = record.monotonic_ms / 1000 - start
            own = waits[name]
            one_by_one = sum(until - since for since, until in own)
            sys.stdout.write(
                f"  {name}: {began.get(name, at):.2f} to {at:.2f} s, {len(own)} answers in "
                f"{length(own):.2f} s, {one_by_one:.2f} s one by one\n"
            )


if __name__ == "__main__":
    sys.exit(main())
