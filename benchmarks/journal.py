"""What a durable step costs: ``python -m benchmarks.journal [PEERS]``.

First one step (intent, on disk; outcome, on disk) beside two raw appends of the same bytes, each
with fdatasync, taken in turn in the same folder: at most 1.5 times, and one sync before an effect
and one after. Then 1,000 steps that send nothing, whole processes in turn: ours with every promise
of the journal kept; DBOS on SQLite; Chaos Toolkit, whose journal a kill would lose. PEERS is the
folder of commands of an environment that holds them.

Exits 1 where a bound is broken, or a peer that keeps its promises is faster.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.plan import took
from benchmarks.steps_long import RUN, SHAPE, plan_of
from rollback.model.base import facts
from rollback.model.record import RecordKind
from rollback.running.clock import SystemClock
from rollback.running.disk import RealDisk
from rollback.running.journal import FileJournal
from rollback.running.ledger import Ledger

TIMES_MAX = 1.5
STEPS = 1000
SINGLE = 400
ROUNDS = 3


class _Counting(RealDisk):
    """The real disk, counting syncs."""

    syncs = 0

    def sync(self, descriptor: int) -> None:
        """One more."""
        self.syncs += 1
        super().sync(descriptor)


def one_step(folder: Path) -> tuple[float, float, float, int]:
    """Medians in microseconds: ours, the floor, ours over the floor pair by pair; most syncs."""
    disk = _Counting()
    plan = plan_of(SINGLE)
    ours: list[float] = []
    floor: list[float] = []
    syncs = 0
    raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with FileJournal.create(folder / "journal.jsonl", RUN, SystemClock(), disk=disk) as journal:
        ledger = Ledger(plan, journal, emergency=sys.stderr.write)
        for number in range(SINGLE):
            before, synced = (folder / "journal.jsonl").stat().st_size, disk.syncs
            began = time.perf_counter()
            ledger.spend(f"step-{number}#act", SHAPE)
            journal.append(
                "run",
                RecordKind.OUTCOME,
                facts(step=f"step-{number}", change="act", outcome="applied", reason="", code=""),
                durable=True,
            )
            ours.append((time.perf_counter() - began) * 1e6)
            syncs = max(syncs, disk.syncs - synced)
            half = ((folder / "journal.jsonl").stat().st_size - before) // 2
            line = b"x" * half
            began = time.perf_counter()
            for _ in range(2):
                os.write(raw, line)
                os.fdatasync(raw)
            floor.append((time.perf_counter() - began) * 1e6)
    os.close(raw)
    pairs = [mine / base for mine, base in zip(ours, floor, strict=True)]
    return (
        statistics.median(ours),
        statistics.median(floor),
        statistics.median(pairs),
        syncs,
    )


def many_steps(folder: Path, peers: Path) -> dict[str, list[float]]:
    """Medians of whole processes, in seconds: by the clock, and by the processor."""
    experiment = {
        "title": "steps",
        "description": "steps",
        "method": [
            {
                "type": "action",
                "name": f"step-{number}",
                "provider": {
                    "type": "python",
                    "module": "json",
                    "func": "dumps",
                    "arguments": {"obj": number},
                },
            }
            for number in range(STEPS)
        ],
    }
    (folder / "steps.json").write_text(json.dumps(experiment))
    dbos = Path(__file__).parent / "peers" / "dbos_steps.py"
    spent: dict[str, list[tuple[float, float]]] = {}
    here = {"PYTHONPATH": str(Path.cwd())}
    for number in range(ROUNDS):
        room = folder / str(number)
        room.mkdir()
        commands = {
            "ours": [sys.executable, "-m", "benchmarks.steps_long", str(STEPS), str(room)],
            "DBOS on SQLite": [str(peers / "python"), str(dbos), str(STEPS), str(room)],
            "Chaos Toolkit": [
                str(peers / "chaos"), "--no-version-check", "run", "--journal-path",
                str(room / "chaos.json"), str(folder / "steps.json"),
            ],
        }  # fmt: skip
        for named, command in commands.items():
            clock, processor, _ = took(command, folder, here if named == "ours" else {})
            spent.setdefault(named, []).append((clock, processor))
    return {
        named: [statistics.median(side) for side in zip(*each, strict=True)]
        for named, each in spent.items()
    }


def main() -> int:
    """Measure, print, compare."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        ours, floor, times, syncs = one_step(Path(name))
        sys.stdout.write(
            f"a durable step: {ours:.0f} us beside {floor:.0f} us of two raw appends: "
            f"{times:.2f} times (at most {TIMES_MAX:g}); at most {syncs} syncs a step\n"
        )
        failed = times > TIMES_MAX or syncs > 2  # noqa: PLR2004 - one before, one after
        if len(sys.argv) > 1:
            try:
                medians = many_steps(Path(name), Path(sys.argv[1]).absolute())
            except subprocess.CalledProcessError as error:
                sys.exit(f"{error.cmd[0]} failed: {error.stderr[-2000:]}")
            for named, (clock, processor) in medians.items():
                sys.stdout.write(
                    f"{STEPS} steps, {named}: {clock:.2f} s, {processor:.2f} s of the processor\n"
                )
            failed = failed or medians["ours"][0] > medians["DBOS on SQLite"][0]
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
