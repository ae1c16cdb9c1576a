"""What planning 1,000 steps costs: ``python -m benchmarks.plan [PEERS]``.

Whole processes, taken in turn, by the clock and by the processor's time: ours loads the playbook,
plans it against a world in memory and digests the plan, proof left out; Chaos Toolkit's `run --dry`
does the same number of steps, from JSON, which it reads fastest. PEERS is the folder of commands of
an environment that holds it.

Exits 1 where ours takes longer than half a second or than the peer.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.compiled import compiled
from benchmarks.long_playbook import experiment, playbook
from rollback.rehearsal.stage import document, variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS = 1000
ROUNDS = 7
SECONDS_MAX = 0.5
SEEN = Path("tests/golden/playbooks/full-rollback.json")


def world_of(plan: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What each action sees: the observations of a recorded plan."""
    seen = {one["resource"]: one for one in plan["observations"]}
    world: dict[str, list[Any]] = {"confirm": []}
    for step in plan["steps"]:
        world[step["action"]] = [seen[one["resource"]] for one in step["expects"]]
    world["retain_trade_halt"] = [seen[name] for name in seen if name.startswith("authority/")]
    return world


def took(
    command: list[str], folder: Path, variables: Mapping[str, str]
) -> tuple[float, float, str]:
    """How long a whole process takes, in seconds, by clock and processor; what it says of it."""
    began, worked = time.perf_counter(), _worked()
    ran = subprocess.run(  # noqa: S603 - our own command, and a pinned peer
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=dict(variables),
    )
    return time.perf_counter() - began, _worked() - worked, ran.stderr


def _worked() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> int:
    """Write the files, run in turn, print, compare."""
    peers = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "long.yaml").write_text(playbook(STEPS))
        (folder / "long.json").write_text(experiment(STEPS))
        nowhere: Any = SimpleNamespace(resolve={}, ca_file=None)
        (folder / "environment.yaml").write_text(json.dumps(document(nowhere)))
        (folder / "world.json").write_text(json.dumps(world_of(json.loads(SEEN.read_bytes()))))
        ours = [sys.executable, "-m", "benchmarks.plan_long"]
        ours += ["long.yaml", "environment.yaml", "world.json"]
        floor = [sys.executable, "-c", f"import pydantic, yaml; {_LOAD}"]
        commands = {"ours": ours, "pydantic and PyYAML's C loader": floor}
        if peers is not None:
            commands["chaos run --dry"] = [
                str(peers / "chaos"), "--no-version-check", "run", "--dry", "actions", "long.json",
            ]  # fmt: skip
        variables = {
            **compiled(folder / "compiled"),
            **variables_of(),
            "PYTHONPATH": str(Path.cwd()),
        }
        for command in commands.values():
            took(command, folder, variables)
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        parts = ""
        for _ in range(ROUNDS):
            for named, command in commands.items():
                *seconds, said = took(command, folder, variables)
                spent[named].append((seconds[0], seconds[1]))
                parts = said if named == "ours" else parts
    medians = {
        named: [statistics.median(side) for side in zip(*each, strict=True)]
        for named, each in spent.items()
    }
    clock, processor = medians["ours"]
    for named, (seconds, work) in medians.items():
        sys.stdout.write(
            f"{named}: {seconds * 1e3:.0f} ms, {work * 1e3:.0f} ms of processor time "
            f"(ours is {clock / seconds:.2f} and {processor / work:.2f} times that)\n"
        )
    sys.stdout.write(f"the last of ours: {'; '.join(parts.strip().splitlines())}\n")
    peer = medians.get("chaos run --dry", [SECONDS_MAX])[0]
    return int(clock > min(SECONDS_MAX, peer))


_LOAD = "yaml.load(open('long.yaml'), yaml.CSafeLoader)"

if __name__ == "__main__":
    sys.exit(main())
