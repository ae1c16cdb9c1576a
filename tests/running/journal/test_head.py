"""The head beside a journal: lines lost at its end are told, and nothing else is held up by it."""

from __future__ import annotations

import errno
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.errors import JournalBroken
from rollback.model.base import facts
from rollback.model.journal import verify
from rollback.model.kept_head import MISSING, UNREADABLE, KeptHead, held_against
from rollback.model.record import RecordKind
from rollback.running.clock import SystemClock
from rollback.running.disk import RealDisk
from rollback.running.head import head_path, read_head
from rollback.running.journal import FileJournal, check_file

from ..fakes import SmallDisk, VirtualClock

CLOCK = VirtualClock()
VECTORS = Path(__file__).parent / "vectors"


def _new(folder: Path, disk: SmallDisk | None = None) -> FileJournal:
    return FileJournal.create(folder / "journal.jsonl", "r-1", CLOCK, disk=disk)


def _say(journal: FileJournal, number: int, *, durable: bool = True) -> None:
    journal.append("run", RecordKind.NOTE, facts(number=number), durable=durable)


def _closed(folder: Path, lines: int) -> Path:
    with _new(folder) as journal:
        for number in range(lines):
            _say(journal, number, durable=number % 2 == 0)
    return journal.path


def _codes(journal: FileJournal) -> list[str]:
    return [record.text("code") for record in journal.records() if record.text("code")]


# --- the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", json.loads((VECTORS / "heads.json").read_text()))
def test_vectors(vector: dict[str, object]) -> None:
    head = vector["head"]
    check = held_against(
        verify((VECTORS / str(vector["journal"])).read_bytes()),
        None if head is None else str(head).encode(),
    )
    said = {"line": check.line, "cut": check.cut, "remark": bool(check.remark)}
    assert said == {name: vector[name] for name in said}, check.problem
    assert check.holds == (check.line is None)


@given(lines=st.integers(0, 10**12 - 1), run=st.from_regex(r"r-[0-9a-f-]{1,40}", fullmatch=True))
def test_what_is_kept_is_read_again(lines: int, run: str) -> None:
    head = KeptHead(run, lines, "ab" * 32)
    assert KeptHead.of(head.to_bytes()) == head
    assert len(head.to_bytes()) == len(KeptHead(run).to_bytes()) <= 512


@given(data=st.data())
def test_a_head_that_is_torn_or_bent_is_none(data: st.DataObject) -> None:
    """Part of a newer one over an older one, too."""
    old, new = KeptHead("r-1", 41, "ab" * 32).to_bytes(), KeptHead("r-1", 42, "cd" * 32).to_bytes()
    at = data.draw(st.integers(0, len(old) - 1))
    bent = data.draw(st.integers(1, 255))
    torn = new[:at] + old[at:]
    assert torn in (old, new) or KeptHead.of(torn) is None
    assert KeptHead.of(old[:at]) is None
    assert KeptHead.of(old[:at] + bytes([old[at] ^ bent]) + old[at + 1 :]) is None
    assert KeptHead.of(old + b"\0") is None


# --- what was cut or edited -----------------------------------------------------------------------


def test_every_cut_of_a_journal_that_was_closed_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = _closed(tmp_path, 5)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        lost = 5 - whole[:length].count(b"\n")
        check = check_file(path)
        assert (check.holds, check.cut) == (False, True)
        with pytest.raises(JournalBroken, match=f"cut: from here on {lost} line") as caught:
            FileJournal.open(path, CLOCK, run="r-1")
        assert (caught.value.code, caught.value.exit_status) == ("journal.cut", 9)
        assert "--only-safe" in caught.value.hint
        assert path.read_bytes() == whole[:length]


def test_a_last_line_that_was_edited_is_refused(tmp_path: Path) -> None:
    """No chain tells it: nothing stands behind it."""
    path = _closed(tmp_path, 3)
    bent = path.read_bytes().replace(b'"value":2', b'"value":7')
    path.write_bytes(bent)
    with pytest.raises(JournalBroken, match="line 3: it is not the line") as caught:
        FileJournal.open(path, CLOCK)
    assert caught.value.code == "journal.damaged"
    assert path.read_bytes() == bent


def test_a_journal_gone_on_with_from_a_copy_is_not_the_one_of_the_head(tmp_path: Path) -> None:
    path = _closed(tmp_path, 3)
    other = tmp_path / "copy" / path.name
    other.parent.mkdir()
    other.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with FileJournal.open(other, CLOCK) as copied:
        _say(copied, 9)
    path.write_bytes(other.read_bytes())
    with pytest.raises(JournalBroken, match="line 3"):
        FileJournal.open(path, CLOCK)


def test_the_head_of_another_run_is_refused(tmp_path: Path) -> None:
    path = _closed(tmp_path, 3)
    head_path(path).write_bytes(KeptHead("r-2", 1, "ab" * 32).to_bytes())
    with pytest.raises(JournalBroken, match="that of run r-2"):
        FileJournal.open(path, CLOCK)


# --- what says nothing ----------------------------------------------------------------------------


def _gone(head: Path) -> None:
    del head


def _folder(head: Path) -> None:
    head.mkdir()


def _fifo(head: Path) -> None:
    os.mkfifo(head)


def _link(head: Path) -> None:
    (head.parent / "elsewhere").write_bytes(KeptHead("r-1").to_bytes())
    head.symlink_to(head.parent / "elsewhere")


WRITTEN = {
    "empty": b"",
    "zeros": bytes(160),
    "longer": KeptHead("r-1", 5, "ab" * 32).to_bytes() * 40,
    "next format": KeptHead("r-1", 5, "ab" * 32).to_bytes().replace(b"head 1", b"head 2"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_head_that_cannot_be_read_is_said_and_replaced(tmp_path: Path, name: str) -> None:
    path = _closed(tmp_path, 3)
    head_path(path).write_bytes(WRITTEN[name])
    assert check_file(path).remark == UNREADABLE
    _is_said_and_replaced(path, UNREADABLE)


def test_a_journal_that_came_alone_is_taken_and_that_is_said(tmp_path: Path) -> None:
    """Copied without its head, or written by a version that kept none."""
    path = _closed(tmp_path, 3)
    head_path(path).unlink()
    assert check_file(path).remark == MISSING
    _is_said_and_replaced(path, MISSING)


def _is_said_and_replaced(path: Path, remark: str) -> None:
    with FileJournal.open(path, CLOCK) as journal:
        assert journal.remark == remark
        assert _codes(journal) == ["journal.no-head"]
        _say(journal, 3)
        assert not journal.head_problem
    assert check_file(path).remark == ""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert check_file(path).cut


@pytest.mark.parametrize("lies_there", [_folder, _fifo, _link])
def test_what_is_no_file_in_its_place_stops_nothing_and_is_said(
    tmp_path: Path, lies_there: object
) -> None:
    path = _closed(tmp_path, 2)
    head_path(path).unlink()
    assert callable(lies_there)
    lies_there(head_path(path))
    with FileJournal.open(path, CLOCK) as journal:
        _say(journal, 2)
        _say(journal, 3)
        assert "cannot be written" in journal.head_problem
        assert _codes(journal) == ["journal.no-head", "journal.head"]
    check = check_file(path)
    assert (check.holds, check.remark) == (True, UNREADABLE)


# --- how it is kept -------------------------------------------------------------------------------


@dataclass
class _HeadDisk(SmallDisk):
    """A disk that may not take the head, and counts syncs."""

    head_full: bool = False
    syncs: int = 0

    def overwrite(self, descriptor: int, data: bytes) -> None:
        if self.head_full:
            os.pwrite(descriptor, data[:20], 0)
            raise OSError(errno.ENOSPC, "No space left on device")
        super().overwrite(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        super().sync(descriptor)


def test_it_costs_no_sync_and_a_disk_that_does_not_take_it_stops_nothing(tmp_path: Path) -> None:
    disk = _HeadDisk()
    with _new(tmp_path, disk) as journal:
        _say(journal, 0)
        disk.head_full = True
        for number in range(1, 4):
            _say(journal, number)
        assert (disk.syncs, _codes(journal)) == (4, ["journal.head"])
        assert "No space left" in journal.head_problem
        disk.head_full = False
        _say(journal, 4)
        assert not journal.head_problem
    check = check_file(journal.path)
    assert (check.holds, check.remark, len(check.records)) == (True, "", 6)
    assert _kept(journal.path).lines == 6


def _kept(path: Path) -> KeptHead:
    head = KeptHead.of(read_head(path) or b"")
    assert head is not None
    return head


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    acts=st.lists(
        st.tuples(st.booleans(), st.sampled_from(["", "", "", "sync", "full", "half", "head"])),
        min_size=1,
        max_size=15,
    ),
    ends=st.sampled_from(["", "sync"]),
)
def test_a_head_is_never_ahead_of_what_is_on_disk(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[bool, str]], ends: str
) -> None:
    """Whatever fails: cut the power at any moment, and the journal holds what the head says."""
    disk = _HeadDisk()
    with _new(tmp_path_factory.mktemp("journal"), disk) as journal:
        for number, (durable, fault) in enumerate(acts):
            disk.failing_syncs = int(fault == "sync" and durable)
            disk.head_full = fault == "head"
            size = journal.path.stat().st_size
            disk.capacity = {"full": size, "half": size + 60}.get(fault, 1 << 30)
            try:
                _say(journal, number, durable=durable)
            except JournalBroken:
                assert fault
            _holds_without_power(journal.path, disk)
            if durable and not fault and not disk.head_full:
                assert _kept(journal.path).lines == len(journal.records())
        disk.failing_syncs = int(bool(ends))
    _holds_without_power(journal.path, disk)


def _holds_without_power(path: Path, disk: SmallDisk) -> None:
    on_disk = path.read_bytes()[: max(disk.synced.values(), default=0)]
    check = held_against(verify(on_disk), read_head(path))
    assert check.holds, check.problem


def test_who_reads_while_a_run_goes_on_takes_it_for_whole(tmp_path: Path) -> None:
    """The head is read before the journal: the other way round it may be ahead."""
    ended = threading.Event()
    with FileJournal.create(tmp_path / "journal.jsonl", "r-1", SystemClock()) as journal:

        def write() -> None:
            for number in range(300):
                _say(journal, number)
            ended.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not ended.is_set():
            check = check_file(journal.path)
            assert check.holds, check.problem
        writer.join()


class Interrupting(RealDisk):
    """Somebody ends it while the first head is written."""

    def overwrite(self, descriptor: int, data: bytes) -> None:
        del descriptor, data
        raise KeyboardInterrupt


def test_who_ends_it_while_a_journal_is_made_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(KeyboardInterrupt):
        FileJournal.create(path, "r-1", CLOCK, disk=Interrupting())
    FileJournal.open(path, CLOCK, run="r-1").close()
