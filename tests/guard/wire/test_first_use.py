"""Vendor SDKs are loaded whole, by one thread at a time."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

from rollback.errors import ConnectorError
from rollback.guard.wire import first_use

MEETING = """
import threading
together = threading.Barrier(2)
met = []
def enter():
    try:
        together.wait(0.2)
    except threading.BrokenBarrierError:
        return
    met.append(True)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_each_name_is_loaded(modules: Path) -> None:
    """Modules, and names of modules; what is not there is said to be missing."""
    for name in ("first_use_a", "first_use_b"):
        (modules / f"{name}.py").write_text("there = 1\n")
    first_use.load(("first_use_a", "first_use_b:there"))
    for name in ("first_use_a", "first_use_b"):
        assert sys.modules.pop(name).there == 1
    with pytest.raises(ConnectorError, match="first_use_c is not installed") as caught:
        first_use.load(("first_use_c",))
    assert not caught.value.transient


def test_two_threads_are_never_within_a_load_together(modules: Path) -> None:
    """Two modules that wait a moment for each other do not meet."""
    (modules / "first_use_meeting.py").write_text(MEETING)
    meeting = importlib.import_module("first_use_meeting")
    names = ("first_use_one", "first_use_two")
    for name in names:
        (modules / f"{name}.py").write_text("import first_use_meeting\nfirst_use_meeting.enter()\n")
    threads = [threading.Thread(target=first_use.load, args=((name,),)) for name in names]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert meeting.met == []
    for name in (*names, "first_use_meeting"):
        del sys.modules[name]


@pytest.mark.parametrize(
    "names",
    [
        first_use.RESOURCE_MANAGER,
        first_use.COSMOS,
        first_use.BLOBS,
        first_use.S3,
        first_use.HTTP,
        first_use.SOCKETS,
        first_use.TOKENS,
    ],
)
def test_each_list_names_what_there_is(names: tuple[str, ...]) -> None:
    first_use.load(names)
    assert {name.partition(":")[0] for name in names} <= set(sys.modules)
