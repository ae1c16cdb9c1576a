"""What holds for every test: chance is Hypothesis's, and nothing is judged by a stopwatch."""

from __future__ import annotations

import gc
import sys
import threading

import pytest
from hypothesis import settings

settings.register_profile("shared-machine", deadline=None, print_blob=True)
settings.load_profile("shared-machine")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, in any order of the rest: at the end, workers would wait."""
    items.sort(key=lambda item: "test_lease_attacks" not in item.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Six thousand tests and their modules stay to the end: no collection looks at them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _threads_are_measured_one_at_a_time() -> None:
    """Coverage begins in each thread by itself, and Python 3.11 lets one at a time begin.

    A second one dies with an error ("another trace function is being installed") where an audit
    hook made in Python lets the interpreter change threads in the middle of it: the net over the
    process is such a hook, and reads have a thread each.
    """
    begin_measuring = threading.gettrace()
    if begin_measuring is None:
        return
    begin_thread = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
    one_at_a_time = threading.Lock()

    def begin(self: threading.Thread) -> None:
        with one_at_a_time:
            begin_measuring(sys._getframe(), "call", None)
        begin_thread(self)

    threading.settrace(None)
    threading.Thread._bootstrap_inner = begin  # type: ignore[attr-defined]
