"""Plant known mistakes, one by one; each must be caught by the simulation.

    python -m tests.simulation.mutants [--jobs N] [NAME ...]

A patch that no longer fits fails loudly: then the mistake has to be planted anew. No file is
changed: each mistake is planted in a fork of this process, which has loaded what others wrote and
nothing of the product, so that every line of the product is loaded there, with the mistake in it.
The same schedules are first run without any: what they catch is the mistake.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import pickle
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.mistakes import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

    from tests.simulation.explore import Schedule
    from tests.simulation.mistakes import Mutant

ROOT = Path(__file__).resolve().parents[2]
OURS = ("rollback", "tests", "playbooks")
CLEAN = "no mistake"


@dataclass(frozen=True, slots=True)
class Hunted:
    """What came of one fork. caught: by what, empty for nothing. loaded: modules of others."""

    caught: str
    problem: str = ""
    loaded: tuple[str, ...] = ()


class Planting(importlib.abc.MetaPathFinder):
    """Finds the one module that the mistake is in; every other is found as ever."""

    def __init__(self, mutant: Mutant) -> None:
        """Ends the program where the source is not what it was."""
        self._file = ROOT / mutant.file
        self._name = mutant.file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        self._text = planted(self._file.read_text(), mutant)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module with the mistake."""
        del path, target
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(
            name, self._file, loader=_Planted(name, str(self._file), self._text)
        )


class _Planted(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self._text, self.path, "exec", dont_inherit=True)


def planted(text: str, mutant: Mutant) -> str:
    """The source with the mistake in it. Ends the program where it does not fit."""
    if text.count(mutant.old) != 1:
        sys.exit(
            f"{mutant.name} no longer applies to {mutant.file}: the text is there "
            f"{text.count(mutant.old)} times; plant the same mistake anew"
        )
    return text.replace(mutant.old, mutant.new)


def caught_by(mutant: Mutant | None) -> str:
    """What catches a mistake, the cheapest schedules first; empty for nothing in the whole slice.

    None: no mistake, and every schedule that is a first one for any.
    """
    from tests.simulation.aimed import AIMED, slice_of_ci

    def wanted() -> Iterator[Schedule]:
        if mutant is None:
            yield from (AIMED[name] for name in dict.fromkeys(n for m in MUTANTS for n in m.first))
            return
        yield from (AIMED[name] for name in mutant.first)
        yield from slice_of_ci()

    for schedule in wanted():
        try:
            told = schedule.run()
        except AssertionError as error:  # a clean run that does not end well
            return f"clean run: {str(error).splitlines()[-1]}"
        if told.broken:
            return f"{schedule}: {told.broken[0].splitlines()[0]}"
    return ""


def _in_the_fork(mutant: Mutant | None) -> Hunted:
    if mutant is not None:
        if before := [name for name in sys.modules if name.partition(".")[0] == "rollback"]:
            return Hunted("", f"loaded before the mistake was planted: {', '.join(before)}")
        sys.meta_path.insert(0, Planting(mutant))
    caught = caught_by(mutant)
    loaded = (name for name in sys.modules if name.partition(".")[0] not in (*OURS, "__main__"))
    return Hunted(caught, loaded=tuple(sorted(loaded)))


def _forked(mutant: Mutant | None) -> tuple[int, int]:
    """A process that hunts one mistake: its id, and where it says what came of it."""
    ready, said = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(said)
        return pid, ready
    os.close(ready)
    try:
        hunted = _in_the_fork(mutant)
    except BaseException:  # noqa: BLE001 - a fork may not go on as the one it came from
        hunted = Hunted("", traceback.format_exc())
    with os.fdopen(said, "wb") as out:
        out.write(pickle.dumps(hunted))
    # Not os._exit: the folders of the schedules go away at exit. Not sys.exit: nothing of the
    # caller may run here.
    with contextlib.suppress(BaseException):
        import atexit

        atexit._run_exitfuncs()
    os._exit(0)


def _told(pid: int, ready: int, name: str) -> Hunted:
    with os.fdopen(ready, "rb") as out:
        data = out.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        sys.exit(f"the schedules could not be run with {name}: the process ended with {status}")
    hunted: Hunted = pickle.loads(data)  # noqa: S301 - our own bytes
    if hunted.problem:
        sys.exit(f"the schedules could not be run with {name}:\n{hunted.problem}")
    return hunted


def main(arguments: list[str] | None = None) -> int:
    """0 when every mistake was caught, 1 with the names of those that survived."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation.mutants", *sys.argv[1:]])  # noqa: S606
    parser = argparse.ArgumentParser(prog="tests.simulation.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    chosen = [one for one in MUTANTS if not given.names or one.name in given.names]
    for mutant in chosen:
        planted((ROOT / mutant.file).read_text(), mutant)
    began = time.monotonic()
    clean = _told(*_forked(None), CLEAN)
    print(f"{'NOT KEPT' if clean.caught else 'kept'} without a mistake ({_s(began)}) {clean.caught}")  # noqa: T201
    if clean.caught:
        return 1
    for name in clean.loaded:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    survived = []
    for mutant, caught, started in _hunted(chosen, given.jobs):
        print(f"{'caught' if caught else 'SURVIVED':8} {mutant.name} ({_s(started)}) {caught}")  # noqa: T201
        if not caught:
            survived.append(mutant.name)
    print(f"{len(chosen)} mistakes in {_s(began)}, {len(survived)} survived {', '.join(survived)}")  # noqa: T201
    return 1 if survived else 0


def _hunted(chosen: list[Mutant], jobs: int) -> Iterator[tuple[Mutant, str, float]]:
    """Each mistake with what caught it and when its hunt began, in their order."""
    waiting = list(chosen)
    running: list[tuple[Mutant, int, int, float]] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            running.append((mutant, *_forked(mutant), time.monotonic()))
        mutant, pid, ready, started = running.pop(0)
        yield mutant, _told(pid, ready, mutant.name).caught, started


def _s(since: float) -> str:
    return f"{time.monotonic() - since:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
