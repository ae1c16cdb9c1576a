"""Run schedules: ``python -m tests.simulation --help``. See docs/explanation/simulation.md."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation import branch, explore
from tests.simulation.aimed import AIMED, slice_of_ci
from tests.simulation.explore import Schedule
from tests.simulation.scene import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from tests.simulation.run import Told


def main(arguments: list[str] | None = None) -> int:
    """0 when every promise was kept in every schedule, 1 with the first story where not."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of texts is chance of the interpreter; a seed must mean one run.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument(
        "what",
        choices=("seeded", "races", "crashes", "faults", "pairs", "replay", "slice", "story"),
    )
    parser.add_argument("--schedules", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--playbook", choices=SHIPPED, action="append")
    parser.add_argument("--at", action="append", default=[], help="POINT=FAULT, to replay")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--first", nargs="*", default=[], help="aimed schedules, before others")
    parser.add_argument("--race", action="store_true", help="replay a seed of two laptops")
    parser.add_argument("--sdks", action="store_true", help="with the SDKs, not on the fast floor")
    parser.add_argument("--every", type=int, default=1, help="run each N-th schedule only")
    parser.add_argument("--skip", type=int, default=0, help="leave the first N schedules out")
    parser.add_argument("--kept", type=Path, help="a folder: cut there, the same run goes on")
    parser.add_argument(
        "--sample", type=int, default=50, help="run each N-th death that is like another, too"
    )
    parser.add_argument("--again", action="store_true", help="run each branch from its start, too")
    given = parser.parse_args(arguments)
    playbooks = tuple(given.playbook or SHIPPED)
    if given.what == "replay":
        return _replay(given, playbooks)
    if given.what == "slice":
        return _slice(given.first)
    if given.what == "story":
        print("\n".join(replace(AIMED[name], sdks=given.sdks).run().text() for name in given.first))  # noqa: T201
        return 0
    with contextlib.closing(_told(given, playbooks)) as told:
        return _reported(told)


def _told(
    given: argparse.Namespace, playbooks: tuple[str, ...]
) -> Generator[tuple[Schedule, Told]]:
    """Every schedule that was asked for, with what came of it."""
    if given.what in branch.WHAT:
        asked = ("jobs", "every", "skip", "sdks", "sample")
        how = {name: getattr(given, name) for name in asked} | {"whole": given.again}
        for name in playbooks:
            kept = given.kept and given.kept.resolve() / given.what / name
            for schedule, told in branch.branches(name, given.what, kept=kept, **how):
                yield schedule, _same(schedule, told) if given.again else told
        return
    made = explore.races if given.what == "races" else explore.seeded
    whole = (replace(one, sdks=given.sdks) for one in made(given.schedules, given.seed, playbooks))
    schedules = itertools.islice(whole, 0, None, given.every)
    with multiprocessing.get_context("spawn").Pool(given.jobs, explore.patient) as pool:
        yield from pool.imap_unordered(explore.run_one, schedules)


def _same(schedule: Schedule, told: Told) -> Told:
    """What came of a branch, held against the same schedule without any fork."""
    pairs = itertools.zip_longest(told.story, schedule.run().story, fillvalue="the end")
    # The folders have names of their own, so records that name one are longer or shorter.
    said = ([_SIZES.sub("N bytes", line) for line in pair] for pair in pairs)
    parted = next((f"{ours!r}, not {theirs!r}" for ours, theirs in said if ours != theirs), "")
    return replace(told, broken=(*told.broken, f"branch: {parted}")) if parted else told


_SIZES = re.compile(r"\d+ bytes")


def _replay(given: argparse.Namespace, playbooks: tuple[str, ...]) -> int:
    if given.race:
        (schedule,) = explore.races(1, given.seed, playbooks)
        told = replace(schedule, sdks=given.sdks).run()
    elif given.at:
        pairs = (text.partition("=") for text in given.at)
        faults = tuple((int(number), fault) for number, _, fault in pairs)
        told = Schedule(playbooks[0], faults=faults, sdks=given.sdks).run()
    else:
        name = given.playbook[0] if given.playbook else SHIPPED[given.seed % len(SHIPPED)]
        told = Schedule(name, seed=given.seed, sdks=given.sdks).run()
    print(told.text())  # noqa: T201 - the story is what it is for
    return 1 if told.broken else 0


def _slice(first: list[str]) -> int:
    """The slice of CI, up to the first broken promise."""
    for schedule in [*(AIMED[name] for name in first), *slice_of_ci()]:
        try:
            told = schedule.run()
        except AssertionError as error:  # a clean run that does not end well
            print(f"CAUGHT clean run: {str(error).splitlines()[-1]}")  # noqa: T201
            return 1
        if told.broken:
            print(f"CAUGHT {schedule}: {told.broken[0].splitlines()[0]}")  # noqa: T201
            return 1
    return 0


def _reported(every: Iterable[tuple[Schedule, Told]]) -> int:
    started = time.monotonic()
    count, broken, window_s = 0, 0, 0.0
    endings: dict[str, int] = {}
    for schedule, told in every:
        count += 1
        window_s = max(window_s, told.window_s_max)
        endings[told.endings[-1]] = endings.get(told.endings[-1], 0) + 1
        if told.broken:
            broken += 1
            print(f"BROKEN {schedule}\n{told.text()}" if broken == 1 else f"BROKEN {schedule}")  # noqa: T201
            for line in told.broken:
                print(f"  {line}", flush=True)  # noqa: T201
        if count % 500 == 0:
            rate = count / (time.monotonic() - started)
            print(f"{count} schedules, {broken} broken, {rate:.1f} a second", flush=True)  # noqa: T201
    took = time.monotonic() - started
    said = ", ".join(f"{name}: {number}" for name, number in sorted(endings.items()))
    print(  # noqa: T201
        f"{count} schedules in {took:.0f} s ({count / max(took, 0.001):.2f} a second), "
        f"{broken} broken; last endings {said}; longest wait between look and send {window_s:.2f} s"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
