"""The journal's copy outside: whole, in order, once; one writer; taken up where a machine is gone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.errors import (
    ConnectorError,
    EvidenceNotWritten,
    InputError,
    JournalBroken,
    LeaseHeld,
    PlanStale,
)
from rollback.model.base import facts
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, Purpose
from rollback.model.ports import MirrorPlace
from rollback.model.record import RecordKind
from rollback.model.scope import Shape
from rollback.running.journal import FileJournal, check_file
from rollback.running.ledger import Ledger
from rollback.running.mirror import Mirror, lines_name, mirrored_lines
from rollback.running.mirror_places import FolderMirror, ObjectMirror, OpenedWhenUsed
from rollback.running.store import StateDirectory
from rollback.running.take_up import take_up

from ..fakes import MemoryBucket, VirtualClock
from ..plans import HALT, SWAP, make_plan
from .suite import MirrorPlaceSuite

RUN = "r-20261123-0936-4f2a"
PLAN = "d" * 64


@dataclass
class MemoryPlace:
    """A place in memory. fails: raised by the next creates; loses: stores, then loses the answer."""

    objects: dict[str, bytes] = field(default_factory=dict)
    fails: ConnectorError | None = None
    loses: bool = False
    blind: bool = False
    created: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(name for name in self.objects if name.startswith(prefix)))

    def get(self, name: str) -> bytes | None:
        if self.blind:
            raise ConnectorError("store.down", "it cannot be read", transient=True)
        return self.objects.get(name)

    def create(self, name: str, data: bytes) -> bool:
        if self.fails is not None:
            raise self.fails
        with self.lock:
            if name in self.objects:
                return False
            self.objects[name] = data
            self.created += 1
        if self.loses:
            raise ConnectorError("store.timeout", "no answer in time", transient=True)
        return True


class TestMemory(MirrorPlaceSuite):
    def make(self) -> MirrorPlace:
        return MemoryPlace()


class TestFolder(MirrorPlaceSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "second"

    def make(self) -> MirrorPlace:
        return FolderMirror(self.folder, lambda _: None)


class TestObjects(MirrorPlaceSuite):
    def make(self) -> MirrorPlace:
        effect = HttpWrite(
            id="upkeep#mirror", method="PUT", host="s3.example.org", path="/bucket/journals/{key}",
            body=BoundedBody(bytes_max=100), condition="create-only", times_max=9,
            direction=Direction.NEITHER, purpose=Purpose.EVIDENCE, undo=Undo(possible=False, by=""),
        )  # fmt: skip
        return ObjectMirror(MemoryBucket(), "evidence/journals/", effect)


@dataclass
class Machine:
    """One machine: its state directory, its journal of the run, and a mirror of it."""

    root: Path
    place: MemoryPlace
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = StateDirectory(self.root)
        self.path = self.root / "runs" / RUN / "journal.jsonl"

    def begin(self) -> Machine:
        self.journal = FileJournal.create(self.path, RUN, VirtualClock())
        self.mirror = self.follow()
        return self

    def resume(self) -> Machine:
        directory = take_up(self.place, self.state, RUN)
        self.journal = directory.open_journal(VirtualClock())
        self.mirror = self.follow()
        return self

    def follow(self, plan: str = PLAN) -> Mirror:
        return Mirror(
            self.place, self.journal, run=RUN, plan=plan, part="plan",
            files=(("plan.json", b"{}"), ("approval-1.json", b"signed")),
            interval_s=3600, say=self.said.append,
        )  # fmt: skip

    def note(self, text: str) -> None:
        self.journal.append("run", RecordKind.NOTE, facts(text=text), durable=False)

    def texts(self) -> list[str]:
        return [one.text("text") for one in self.journal.records()]


@pytest.fixture
def place() -> MemoryPlace:
    return MemoryPlace()


def test_every_line_is_outside_once_and_in_order(tmp_path: Path, place: MemoryPlace) -> None:
    one = Machine(tmp_path, place).begin()
    for number in range(5):
        one.note(str(number))
        if number % 2:
            one.mirror.flush()
    one.mirror.flush()
    one.mirror.flush()
    assert b"".join(mirrored_lines(place, RUN)) == one.path.read_bytes()
    assert place.names(f"{RUN}/lines-") == tuple(lines_name(RUN, first) for first in (0, 2, 4))
    assert place.get(f"{RUN}/approval-1.json") == b"signed"


def test_a_second_machine_goes_on_where_the_first_stopped(
    tmp_path: Path, place: MemoryPlace
) -> None:
    one = Machine(tmp_path / "one", place).begin()
    one.note("first")
    one.mirror.flush()
    two = Machine(tmp_path / "two", place).resume()
    assert two.texts() == ["first"]
    assert (two.path.parent / "plan.json").read_bytes() == b"{}"
    two.note("second")
    two.mirror.flush()
    assert check_file(two.path).holds
    assert b"".join(mirrored_lines(place, RUN)) == two.path.read_bytes()


def test_the_first_machine_that_wakes_up_is_stopped(tmp_path: Path, place: MemoryPlace) -> None:
    """Two machines, one run: of two that write the same place in it, one is told."""
    one = Machine(tmp_path / "one", place).begin()
    one.note("first")
    one.mirror.flush()
    two = Machine(tmp_path / "two", place).resume()
    two.note("by two")
    two.mirror.flush()
    one.note("by one")
    with pytest.raises(LeaseHeld) as caught:
        one.mirror.flush()
    assert caught.value.code == "mirror.other-writer"
    assert b"".join(mirrored_lines(place, RUN)) == two.path.read_bytes()
    one.journal.close()
    with pytest.raises(JournalBroken):
        take_up(place, one.state, RUN)


def test_a_plan_is_applied_once_on_all_machines(tmp_path: Path, place: MemoryPlace) -> None:
    one = Machine(tmp_path, place).begin()
    place.objects[f"applied/{PLAN}.plan"] = b"r-20261123-0900-ffff"
    with pytest.raises(PlanStale, match="r-20261123-0900-ffff on another machine"):
        one.mirror.flush()
    assert not place.names(RUN)


def test_a_failing_place_is_said_once_and_caught_up_with(
    tmp_path: Path, place: MemoryPlace
) -> None:
    one = Machine(tmp_path, place).begin()
    one.note("first")
    place.fails = ConnectorError("store.down", "it is down", transient=True)
    for _ in range(3):
        with pytest.raises(EvidenceNotWritten) as caught:
            one.mirror.flush()
        assert caught.value.exit_status == 9
    assert one.said == ["it is down"]
    assert one.mirror.problem == "it is down"
    place.fails = None
    one.mirror.flush()
    assert one.said[1:] == ["the journal is mirrored again"]
    assert b"".join(mirrored_lines(place, RUN)) == one.path.read_bytes()


def test_an_answer_that_was_lost_is_told_by_reading_back(
    tmp_path: Path, place: MemoryPlace
) -> None:
    one = Machine(tmp_path, place).begin()
    one.mirror.flush()
    one.note("first")
    place.loses = True
    one.mirror.flush()
    assert b"".join(mirrored_lines(place, RUN)) == one.path.read_bytes()


def test_half_a_line_is_another_writers_and_ends(tmp_path: Path, place: MemoryPlace) -> None:
    """An object holds whole lines: half a one would be waited for without end."""
    one = Machine(tmp_path, place).begin()
    one.mirror.flush()
    one.note("first")
    place.objects[lines_name(RUN, 0)] = one.path.read_bytes()[:20]
    with pytest.raises(LeaseHeld) as caught:
        one.mirror.flush()
    assert caught.value.code == "mirror.other-writer"


def test_its_own_writes_alone_are_no_reason_to_write(tmp_path: Path, place: MemoryPlace) -> None:
    one = Machine(tmp_path, place).begin()
    one.note("first")
    one.mirror.flush()
    made = place.created
    own = facts(step="upkeep", effect="upkeep#mirror")
    one.journal.append("run", RecordKind.INTENT, own, durable=False)
    one.mirror._interval_s = 0.001
    one.mirror._stop = _Rounds(3)  # type: ignore[assignment]
    one.mirror._follow()
    assert place.created == made
    one.note("second")
    one.mirror._stop = _Rounds(3)  # type: ignore[assignment]
    one.mirror._follow()
    assert place.created == made + 1


class _Rounds:
    """An event that lets some rounds pass."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def wait(self, _: float) -> bool:
        self.rounds -= 1
        return self.rounds < 0


SHAPE = Shape(method="POST", host="management.azure.com", path="/revert-swap")


def test_an_intent_that_moves_users_is_outside_before_it_leaves(
    tmp_path: Path, place: MemoryPlace
) -> None:
    one = Machine(tmp_path, place).begin()
    ledger = Ledger(make_plan(), one.journal, emergency=lambda _: None)
    ledger.kept_outside_by(one.mirror.flush)
    ledger.spend(SWAP.id, SHAPE)
    assert b"revert#swap" in b"".join(mirrored_lines(place, RUN))


def test_what_cannot_be_mirrored_does_not_leave_and_halts_do(
    tmp_path: Path, place: MemoryPlace
) -> None:
    one = Machine(tmp_path, place).begin()
    place.fails = ConnectorError("store.down", "it is down", transient=True)
    ledger = Ledger(make_plan(), one.journal, emergency=lambda _: None)
    ledger.kept_outside_by(one.mirror.flush)
    with pytest.raises(EvidenceNotWritten):
        ledger.spend(SWAP.id, SHAPE)
    assert ledger.left(SWAP.id) == 1
    assert not ledger.left_process(SWAP.id)
    assert ledger.spend(HALT.id, SHAPE) == 1


def test_a_journal_that_lost_its_end_is_brought_up_to_its_mirror(
    tmp_path: Path, place: MemoryPlace
) -> None:
    """A power cut took lines that were written but not durable; the mirror has them."""
    one = Machine(tmp_path, place).begin()
    for number in range(4):
        one.note(str(number))
    one.mirror.flush()
    one.journal.close()
    whole = one.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    one.path.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    one.resume()
    assert one.texts() == ["0", "1", "2", "3"]
    assert one.path.read_bytes() == whole


def test_lines_that_the_mirror_lacks_as_well_are_said_to_be_lost_for_good(
    tmp_path: Path, place: MemoryPlace
) -> None:
    """Written and synced here, cut, and not mirrored yet: the run goes on from the mirror."""
    one = Machine(tmp_path, place).begin()
    for number in range(4):
        one.note(str(number))
        if number == 2:
            one.mirror.flush()
    one.journal.close()
    lines = one.path.read_bytes().splitlines(keepends=True)
    one.path.write_bytes(b"".join(lines[:2]))
    one.resume()
    assert one.texts()[:3] == ["0", "1", "2"]
    assert [record.text("code") for record in one.journal.records()][3:] == ["journal.no-head"]


def test_a_mirror_of_another_story_than_the_head_is_refused(
    tmp_path: Path, place: MemoryPlace
) -> None:
    one = Machine(tmp_path / "one", place).begin()
    one.note("first")
    one.mirror.flush()
    two = Machine(tmp_path / "two", MemoryPlace()).begin()
    two.note("another")
    two.journal.close()
    two.path.write_bytes(b"")
    two.place = place
    with pytest.raises(JournalBroken) as caught:
        two.resume()
    assert caught.value.code == "mirror.differs"


def test_a_journal_that_was_edited_is_refused(tmp_path: Path, place: MemoryPlace) -> None:
    """Cut after a whole line, its head taken away, and gone on with: the mirror finds that."""
    one = Machine(tmp_path, place).begin()
    for number in range(3):
        one.note(str(number))
    one.mirror.flush()
    one.journal.close()
    lines = one.path.read_bytes().splitlines(keepends=True)
    one.path.write_bytes(b"".join(lines[:2]))
    one.path.with_suffix(".head").unlink()
    journal = FileJournal.open(one.path, VirtualClock(), run=RUN)
    journal.append("run", RecordKind.NOTE, facts(text="another story"), durable=True)
    journal.close()
    with pytest.raises(JournalBroken) as caught:
        one.resume()
    assert caught.value.code == "mirror.differs"


def test_a_mirror_that_was_edited_is_refused(tmp_path: Path, place: MemoryPlace) -> None:
    one = Machine(tmp_path / "one", place).begin()
    one.note("first")
    one.note("second")
    one.mirror.flush()
    name = lines_name(RUN, 0)
    place.objects[name] = place.objects[name].replace(b"first", b"other")
    with pytest.raises(JournalBroken):
        Machine(tmp_path / "two", place).resume()


@pytest.mark.parametrize("name", ["r-1", "latest", "../x", RUN])
def test_a_run_that_nobody_mirrored_is_unknown(
    tmp_path: Path, place: MemoryPlace, name: str
) -> None:
    with pytest.raises(InputError):
        take_up(place, StateDirectory(tmp_path), name)


STEPS = st.lists(st.sampled_from(["note", "flush", "fail", "lose", "blind", "well", "die"]), max_size=25)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(STEPS)
def test_whatever_fails_the_mirror_is_a_beginning_of_one_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Machines die and others take up; at every moment what is outside is whole and verifies."""
    place = MemoryPlace()
    root = tmp_path_factory.mktemp("machines")
    now = Machine(root / "0", place).begin()
    noted: list[str] = []
    for number, step in enumerate(steps):
        if step == "note":
            now.note(str(number))
            noted.append(str(number))
        elif step == "flush":
            failing = place.fails is not None or place.blind
            try:
                now.mirror.flush()
            except EvidenceNotWritten:
                assert failing
        elif step == "fail":
            place.fails = ConnectorError("store.down", "it is down", transient=True)
        elif step == "lose":
            place.loses = True
        elif step == "blind":
            place.loses = place.blind = True
        elif step == "well":
            place.fails, place.loses, place.blind = None, False, False
        elif not place.blind and place.names(f"{RUN}/lines-"):
            now.journal.close()
            now = Machine(root / str(number + 1), place).resume()
            outside = [text for text in now.texts() if text in noted]
            assert outside == noted[: len(outside)]
            noted = outside
        blind, place.blind = place.blind, False
        mirrored = b"".join(mirrored_lines(place, RUN))
        place.blind = blind
        assert now.path.read_bytes().startswith(mirrored)
    place.fails, place.loses, place.blind = None, False, False
    now.mirror.flush()
    assert b"".join(mirrored_lines(place, RUN)) == now.path.read_bytes()
    now.journal.close()


def test_nothing_is_opened_before_it_is_used_and_a_failure_to_open_stops_only_moves_of_users(
    tmp_path: Path, place: MemoryPlace
) -> None:
    """A key that is not set, a store that is slow: no halt waits for it."""
    opened: list[bool] = []

    def open_() -> MirrorPlace:
        opened.append(True)
        if len(opened) == 1:
            raise InputError("secret.unset", "BLOB_KEY is not set", hint="set it")
        return place

    one = Machine(tmp_path, place).begin()
    one.place = OpenedWhenUsed(open_)  # type: ignore[assignment]
    one.mirror = one.follow()
    assert opened == []
    ledger = Ledger(make_plan(), one.journal, emergency=lambda _: None)
    ledger.kept_outside_by(one.mirror.flush)
    ledger.spend(HALT.id, SHAPE)
    assert opened == []
    with pytest.raises(EvidenceNotWritten, match="BLOB_KEY is not set"):
        ledger.spend(SWAP.id, SHAPE)
    ledger.spend(SWAP.id, SHAPE)
    assert b"".join(mirrored_lines(place, RUN)) == one.path.read_bytes()
