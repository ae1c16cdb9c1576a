"""The suite that every place of a journal's mirror passes, ours and yours.

A place keeps small objects by name, created only: `rollback.model.ports.MirrorPlace`. Subclass the
suite, and say in a fixture how an empty place is made; made again, it is over the same ground::

    class TestMyMirror(MirrorSuite):
        @pytest.fixture
        def opened(self, tmp_path: Path) -> Callable[[], MirrorPlace]:
            return lambda: MyMirror(tmp_path)

The suite itself needs no pytest: a test is a method that raises AssertionError with a sentence.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from rollback.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.ports import MirrorPlace

LINES: Final = "r-1/lines-00000000.jsonl"
PLAN: Final = "r-1/plan.json"


class MirrorSuite:
    """Created only, told by the answer, found again by name."""

    def test_what_is_created_is_read(self, opened: Callable[[], MirrorPlace]) -> None:
        """By a later place too, as by another machine; what is not there is None."""
        _so(opened().create(LINES, b"one\n"), "creating said that it was there")
        for data in (b"", bytes(range(256)), b"x" * 2**20):
            name = f"r-1/{len(data)}"
            opened().create(name, data)
            _so(opened().get(name) == data, f"{len(data)} bytes did not come back")
        _same(opened().get(LINES), b"one\n", "a later place got something else")
        _same(opened().get(PLAN), None, "an object came that nobody created")

    def test_nothing_is_replaced(self, opened: Callable[[], MirrorPlace]) -> None:
        """Not by the same bytes either: who created it is told by the answer."""
        opened().create(PLAN, b"first")
        for data in (b"second", b"first"):
            _so(not opened().create(PLAN, data), "creating again did not say so")
        _same(opened().get(PLAN), b"first", "what was there was replaced")

    def test_of_several_at_once_one_creates(self, opened: Callable[[], MirrorPlace]) -> None:
        """Two machines that go on with one run must not both think that they do."""
        said: list[tuple[bool, bytes]] = []

        def create(data: bytes) -> None:
            place = opened()
            start.wait()
            try:
                said.append((place.create(LINES, data), data))
            except ConnectorError:  # somebody else is writing: whoever uses it asks again
                said.append((False, data))

        start = threading.Barrier(8)
        threads = [threading.Thread(target=create, args=(b"%d" % one,)) for one in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _same(len(said), len(threads), "a create beside others raised")
        made = [data for first, data in said if first]
        _same(made, [opened().get(LINES)], "who was told to have created it did not, or not alone")

    def test_names_are_by_their_start_and_in_order(self, opened: Callable[[], MirrorPlace]) -> None:
        """And of no run whose name only begins alike."""
        _same(opened().names("r-1/lines-"), (), "an empty place has names")
        late = "r-1/lines-00000002.jsonl"
        for name in (late, LINES, PLAN, "r-10/lines-00000000.jsonl"):
            opened().create(name, b"x")
        _same(opened().names("r-1/lines-"), (LINES, late), "the names are others")
        _same(opened().names("r-2/lines-"), (), "names that do not start so")


def _so(fact: object, what: str) -> None:
    if not fact:
        raise AssertionError(what)


def _same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: {found!r:.300}, not {wanted!r:.300}")
