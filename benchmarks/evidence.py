"""How fast evidence is captured: ``python -m benchmarks.evidence [EVENTS] [ROUNDS]``.

A container of synthetic audit events, served by pages on loopback, captured into a folder and into
S3 (moto, in its own process). Beside it, in the same rounds: the floor (raw slices on one thread;
zstd, SHA-256 and storing on another; no SDK, no guard, no journal, nothing read back), a
straightforward script (the SDK's documents, json, gzip, boto3) and restic, where it is installed
(given a file). Single stages of this machine come first. Rates are megabytes of events a second;
read the ratios, not the rates: the servers share the cores with whoever is measured.

Bounds: at least 0.7 times the floor, at least 10 times the script, at most 128 MiB at the peak.
Exits 1 where one is broken.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator.s3 import S3Server
from tests.evidence.cosmos_shaped import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PARTS = 4
FLOOR_MIN = 0.7
SCRIPT_MIN = 10.0
PEAK_MIB_MAX = 128.0
SCRIPT_EVENTS = 60_000
PAGE = 3200
"""What the product comes to ask for, with events of this size."""


def say(text: str) -> None:
    """One line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def stages() -> None:
    """Single stages on one thread."""
    import zstandard

    made = events(7000)
    content = b"\n".join(made)
    zipped = zstandard.ZstdCompressor(level=1).compress(content)
    ratio = len(content) / len(zipped)
    say(f"one core of this machine, events of {len(content) // len(made)} bytes, ratio {ratio:.1f}")
    packer = zstandard.ZstdCompressor(level=1)

    def decode() -> None:
        for one in made:
            json.loads(one)

    acts: dict[str, Callable[[], object]] = {
        "json decode": decode,
        "zstd level 1": lambda: packer.compress(content),
        "sha256": lambda: hashlib.sha256(content).digest(),
    }
    for name, act in acts.items():
        best = min(_timed(act) for _ in range(5))
        say(f"  {name:16} {len(content) / best / 1e6:8.0f} MB/s")


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def contend(name: str, told: dict[str, Any]) -> dict[str, float]:
    """One contender, once. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "benchmarks.evidence_contenders", name, json.dumps(told)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    found["rate"] = found["bytes"] / found["seconds"] / 1e6
    return found


def rounds(
    count: int, told: dict[str, Any], names: list[str], to: str, root: Path
) -> Iterator[tuple[str, dict[str, float]]]:
    """Every contender in every round, so that what disturbs one disturbs the others."""
    for number in range(count):
        for name in names:
            if name in {"script", "paging", "restic"} and number:
                continue
            place = f"{to}-{name}-{number}"
            given = {**told, "to": to, "folder": str(root / place), "prefix": f"{place}/"}
            found = contend(name, given)
            say(
                f"  {name:8} {found['rate']:8.1f} MB/s   {found['seconds']:7.1f} s   "
                f"{found['bytes'] / found['cpu'] / 1e6:7.1f} MB a CPU second   "
                f"{found['peak_mib']:6.1f} MiB"
            )
            yield name, found


def judged(to: str, seen: dict[str, list[dict[str, float]]]) -> bool:
    """Say how the product stands; whether a bound is broken."""
    ratios = [
        ours["rate"] / floor["rate"]
        for ours, floor in zip(seen["ours"], seen["floor"], strict=True)
    ]
    of_floor = statistics.median(ratios)
    own = statistics.median(one["rate"] for one in seen["ours"])
    of_script = own / seen["script"][0]["rate"]
    peak = max(one["peak_mib"] for one in seen["ours"])
    say(
        f"  to {to}: {of_floor:.2f} x the floor (at least {FLOOR_MIN}), "
        f"{of_script:.1f} x the script (at least {SCRIPT_MIN:.0f}), "
        f"peak {peak:.0f} MiB (at most {PEAK_MIB_MAX:.0f})"
    )
    if "restic" in seen:
        say(f"  {own / seen['restic'][0]['rate']:.2f} x restic, which is given a file")
    return of_floor < FLOOR_MIN or of_script < SCRIPT_MIN or peak > PEAK_MIB_MAX


def main() -> int:
    """Measure and say."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 3  # noqa: PLR2004 (a count of arguments)
    stages()
    names = ["floor", "ours", "script", "paging"]
    names += ["restic"] if shutil.which("restic") else []
    broken = False
    server = [sys.executable, "-m", "tests.evidence.cosmos_shaped", str(count), str(PARTS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        S3Server.start(Path(folder) / "s3") as store,
        subprocess.Popen(
            server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
        ) as source,
    ):
        if source.stdout is None or source.stdin is None:
            return 1
        served = json.loads(source.stdout.readline())
        told = {
            "port": served["port"], "parts": PARTS, "page": PAGE, "events": count,
            "event_bytes": served["bytes"] // count, "s3": store.endpoint,
            "script_bytes": min(count, SCRIPT_EVENTS) * (served["bytes"] // count),
            "bucket": store.bucket,
        }  # fmt: skip
        say(f"{count:,} events, {served['bytes'] / 1e6:,.0f} MB, {PARTS} partitions")
        for to in ("folder", "s3"):
            say(f"to {to}")
            seen: dict[str, list[dict[str, float]]] = {}
            for name, found in rounds(times, told, names, to, Path(folder)):
                seen.setdefault(name, []).append(found)
            broken = judged(to, seen) or broken
        source.stdin.close()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
