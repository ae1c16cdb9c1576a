"""One mutant on trial: a fork of this process loads it in place of the module, and runs the tests.

No file is changed, so that a run that is cut off leaves nothing behind; and what every trial needs is
imported once, before the forks.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

if TYPE_CHECKING:
    from types import CodeType, ModuleType

CPU_S_MAX: Final = 90
"""A mutant that computes longer than this never ends: found."""
WAIT_S_MAX: Final = 300
"""A mutant that waits longer than this never ends: found."""
OPTIONS: Final = (
    "-x", "-q", "--no-cov", "-p", "no:randomly", "-p", "no:cacheprovider",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # plugins are imported before the forks
)  # fmt: skip


class _Mutated(importlib.machinery.SourceFileLoader):
    """Loads a module from another text than its file's."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 (the base's)
        return compile(self._source, self.path, "exec", dont_inherit=True)  # type: ignore[no-any-return, unused-ignore]


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for the one module that is mutated."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None  # noqa: ARG002 (likewise)
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Mutated(self._name, self._path, self._source)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def prepare(modules: Sequence[str]) -> None:
    """Import what every trial needs. Raises RuntimeError where that would spoil the forks."""
    for name in modules:
        importlib.import_module(name)
    if any(name.startswith("rollback.guard") for name in sys.modules):
        msg = "a module of the guard is loaded already: no mutant of it would be"
        raise RuntimeError(msg)
    if threading.active_count() != 1:
        msg = "a thread runs: a fork would lose it"
        raise RuntimeError(msg)
    gc.collect()
    gc.freeze()


class Trial:
    """One mutant, in a process of its own."""

    def __init__(
        self, path: str, source: str, first: Callable[[], bool], tests: Sequence[Sequence[str]]
    ) -> None:
        """Start.

        first: run before the tests, False where it finds something. tests: in groups; one is run
        where those before it found nothing.
        """
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the trial is)
        self._child = os.fork()
        if self._child == 0:
            _run(path, source, first, tests, self._out.fileno())
        self._until = time.monotonic() + WAIT_S_MAX
        self._handle = os.pidfd_open(self._child)

    def fileno(self) -> int:
        """To be waited for: readable when the trial is over."""
        return self._handle

    def overdue(self) -> None:
        """End it where it waits for ever."""
        if time.monotonic() > self._until:
            os.killpg(self._child, signal.SIGKILL)

    def found(self) -> str:
        """Which test found the mutant; empty where it lives. Waits for the end."""
        _, status = os.waitpid(self._child, 0)
        os.close(self._handle)
        code = os.waitstatus_to_exitcode(status)
        with self._out as out:
            out.seek(0)
            said = out.read().decode("utf-8", "replace").splitlines()
        if code == 0:
            return ""
        if code < 0:
            return f"it never ends (signal {-code})"
        told = [line for line in said if line.startswith(("FAILED ", "ERROR ", "first:"))]
        return (told or [f"it does not load: {said[-1] if said else code}"])[0].split(" - ")[0][:200]


def wait(running: Sequence[Trial]) -> Trial:
    """The first trial that is over."""
    while True:
        over, _, _ = select.select(running, [], [], 5)
        if over:
            return over[0]
        for one in running:
            one.overdue()


def _run(
    path: str, source: str, first: Callable[[], bool], tests: Sequence[Sequence[str]], out: int
) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX + 5))
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.dont_write_bytecode = True
        name = ".".join(Path(path).with_suffix("").parts)
        sys.meta_path.insert(0, _Finder(name, path, source))
        if first():
            told = (int(pytest.main([*OPTIONS, *group])) for group in tests)
            code = next((one for one in told if one), 0)
        else:
            os.write(1, b"first: the oracle\n")
    except BaseException:  # noqa: BLE001 (whatever a mutant does to this process, it ends here)
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)
