"""How fast users are safe: ``python -m benchmarks.safety [TIMES]``.

The shipped full rollback, applied against the rehearsal's platform with its latencies scaled down,
twice where nothing else is said: a swap of 50 s takes 25, an answer of 200 ms takes 100. What this
process and the simulated platform in it compute is not scaled, and weighs twice as much.
Waits by choice (settling, baking) are set to none. Users are safe when the last step before sealing
has ended. What it took until then, from the run's first record, is held against two times:

- the critical path, by dependency: along the plan's order, each step by its swap and, in each of
  its phases (read again, send, look, verify), by the longest chain of answers of which each was
  needed to ask for the next (`NEEDS`). Other answers cost nothing, as if a thousand things could be
  asked at once. The proof that authority still stands, made before a move, and the syncs
  of the disk count. At most 1.05 times it is the aim
- waiting: while at least one answer, swap or sync is awaited, watching and renewing left out. What
  the clock shows beyond it is spent by this process, and not by the world

Sealing is told apart: nobody waits for it to be safe. Exits 1 where the aim is missed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from functools import partial
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

SWAP_S = 50.0
ANSWER_S = 0.2
SCALED_DOWN = 2.0
TIMES_MAX = 1.05
ASIDE = ("authority-watch", "lease", "mirror")
"""Steps of exchanges that nothing waits for."""

Interval = tuple[float, float]
Asking = list[tuple[Interval, str]]
"""From when to when each answer was awaited, and where (host and path)."""

BETWEEN = "authority-between"
SEALING = "seal"
TOKENS = r"login\.\S+/token"
INSTANCES = r"management\.\S+/instances"
NEEDS: tuple[tuple[str, str], ...] = (
    (TOKENS, r"login\.\S+/openid-configuration"),
    (r"management\.", TOKENS),
    # each instance is asked by its name
    (r"(?!management\.|login\.|platform\.)\S+/(?:release(?:\.json)?|authority)", INSTANCES),
    (r"\S+/assets/", r"\S+/(?!\S)"),  # a chunk is named by its page
    # the account, the partitions of a container, and then their documents, page after page
    (r"\S+documents\S+/pkranges/", r"\S+documents\S+/colls/[^/]+/(?!\S)"),
    (r"\S+documents\S+/docs/", r"\S+documents\S+/(?:pkranges|docs)/"),
)
"""What an answer needs before it can be asked for: both by host and path, within one phase."""

PHASE_ENDS = (RecordKind.OBSERVED, RecordKind.INTENT, RecordKind.OUTCOME, RecordKind.VERIFIED)


def scaled(world: World, times: float) -> World:
    """Swaps so many times quicker than the real ones."""
    timings = world.timings.model_copy(update={"swap_s": SWAP_S / times})
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


def apart(one: Interval, other: Interval) -> bool:
    """True where they have no moment in common."""
    return one[0] >= other[1] or one[1] <= other[0]


def chain(asking: Asking) -> float:
    """The longest chain of answers that needed each other."""
    ends: list[tuple[float, float, str]] = []
    for (start, end), place in sorted(asking, key=lambda one: one[0][1]):
        needed = [other for kind, other in NEEDS if re.match(kind, place)]
        before = max(
            (
                length
                for until, length, other in ends
                if until <= start and any(re.match(one, other) for one in needed)
            ),
            default=0.0,
        )
        ends.append((end, before + end - start, place))
    return max((length for _, length, _ in ends), default=0.0)


def path_of(plan: Plan, records: tuple[Record, ...], swaps: dict[str, Interval]) -> float:
    """The critical path until users are safe, syncs left out."""
    phases: dict[str, list[Asking]] = defaultdict(lambda: [[]])
    proofs: Asking = []
    for record in records:
        name = record.text("step")
        if record.kind in PHASE_ENDS and name:
            phases[name].append([])
        if record.kind is not RecordKind.EXCHANGE:
            continue
        one = (asked(record), f"{record.text('host')}{record.text('path')}")
        if name == BETWEEN:
            proofs.append(one)
        elif name not in swaps or apart(one[0], swaps[name]):
            phases[name][-1].append(one)  # what is asked while a swap runs costs nothing beyond it
    moves = sorted(swaps, key=lambda name: swaps[name])
    for name, since in zip(moves, ["", *moves[:-1]], strict=True):
        began = swaps[since][0] if since else 0.0
        phases[name].append([one for one in proofs if began <= one[0][0] < swaps[name][0]])
    ends: dict[str, float] = {}
    for step in plan.steps:
        before = max((ends.get(name, 0.0) for name in step.after), default=0.0)
        own = sum(chain(phase) for phase in phases[step.name])
        if step.name in swaps:
            own += swaps[step.name][1] - swaps[step.name][0]
        ends[step.name] = before + own
    return max(end for name, end in ends.items() if name != SEALING)


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


def main(times: float = SCALED_DOWN) -> int:
    """Plan, apply, compute. times: what latencies are divided by."""
    from playbooks import full_rollback

    scenario = Scenario(
        "speed",
        "",
        (0,),
        world=partial(scaled, times=times),
        settings=unhurried,
        parameters={"bake": "0s"},
    )
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        play = staged(stack, scenario, full_rollback, Path(name), lambda *_: None)
        play.sim.control.fault("latency", seconds=ANSWER_S / times, count=0)
        plan = play.plan()
        with syncs() as synced:
            result = play.apply(plan)
        records = check_file(Path(result.journal_path)).records
        swaps = swaps_of(play, records)
    if result.exit_status != 0:
        sys.exit(f"the rollback ended with {result.exit_status}")
    start, sealed = (records[at].monotonic_ms / 1000 for at in (0, -1))
    end = max(
        one.monotonic_ms / 1000
        for one in records
        if one.kind is RecordKind.STEP and one.text("step") != SEALING
    )
    waited = [
        asked(one)
        for one in records
        if one.kind is RecordKind.EXCHANGE and one.text("step") not in ASIDE
    ]
    disk = [one for one in synced if start <= one[0] <= end]
    clock = end - start
    waiting = length(
        [(since, min(until, end)) for since, until in (*waited, *disk, *swaps.values())]
    )
    path = path_of(plan.plan, records, swaps) + length(disk)
    sys.stdout.write(
        f"safe after {clock:.2f} s, sealed {sealed - end:.2f} s later; {len(waited)} answers, "
        f"{len(disk)} syncs of {length(disk):.2f} s, {threading.active_count()} thread left\n"
        f"waiting: {waiting:.2f} s; safe after {clock / waiting:.2f} times that\n"
        f"critical path with syncs: {path:.2f} s; safe after {clock / path:.2f} times that "
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
    sys.exit(main(*map(float, sys.argv[1:2])))
