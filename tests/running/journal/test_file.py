"""The journal's file: durable, recovered, refused, written by one process at a time."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.errors import JournalBroken, LeaseHeld, ProductDefect
from rollback.model.base import Fact, facts
from rollback.model.record import RecordKind
from rollback.running.clock import SystemClock
from rollback.running.journal import FileJournal, check_file

from ..fakes import SmallDisk, VirtualClock

CLOCK = VirtualClock()


def _new(folder: Path, disk: SmallDisk | None = None) -> FileJournal:
    return FileJournal.create(folder / "journal.jsonl", "r-1", CLOCK, disk=disk)


def _say(journal: FileJournal, number: int, *, durable: bool = True, stream: str = "run") -> None:
    journal.append(stream, RecordKind.NOTE, facts(number=number), durable=durable)


def _numbers(path: Path) -> list[object]:
    return [
        record.get("number")
        for record in check_file(path).records
        if record.get("number") is not None
    ]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    with _new(tmp_path) as journal:
        for number in range(5):
            _say(journal, number, stream="run/web" if number % 2 else "run")
        written, heads = journal.records(), journal.heads
    with FileJournal.open(journal.path, CLOCK, anchors=heads) as again:
        assert again.records() == written
        assert again.heads == heads
        assert again.recovered_bytes == 0
        _say(again, 5)
    assert _numbers(journal.path) == [0, 1, 2, 3, 4, 5]
    assert journal.path.stat().st_mode & 0o077 == 0


def test_a_journal_is_created_once(tmp_path: Path) -> None:
    _new(tmp_path).close()
    with pytest.raises(JournalBroken) as caught:
        _new(tmp_path)
    assert caught.value.code == "journal.exists"


def test_one_writer_and_any_number_of_readers(tmp_path: Path) -> None:
    with _new(tmp_path) as journal:
        _say(journal, 0)
        with pytest.raises(LeaseHeld):
            FileJournal.open(journal.path, CLOCK)
        assert check_file(journal.path).holds
    FileJournal.open(journal.path, CLOCK).close()


def test_names_of_runs_are_held_against_the_file(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    journal.close()
    with pytest.raises(JournalBroken) as caught:
        FileJournal.open(journal.path, CLOCK)
    assert caught.value.code == "journal.empty"
    with FileJournal.open(journal.path, CLOCK, run="r-1") as again:
        _say(again, 0)
    with pytest.raises(JournalBroken) as caught:
        FileJournal.open(journal.path, CLOCK, run="r-2")
    assert caught.value.code == "journal.other-run"


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_tail_is_cut_off_and_said(tmp_path: Path, seed: int) -> None:
    journal = _new(tmp_path)
    kept = random.Random(seed).randrange(3)
    for number in range(4):
        _say(journal, number, durable=number < kept)
    head, data = journal.path.with_suffix(".head"), journal.path.read_bytes()
    said, synced = head.read_bytes(), b"".join(data.splitlines(keepends=True)[:kept])
    journal.close()
    length = random.Random(seed).randrange(len(synced), len(data))
    journal.path.write_bytes(data[:length])
    head.write_bytes(said)
    whole = data[:length].count(b"\n")
    torn = length - (data[:length].rfind(b"\n") + 1)
    with FileJournal.open(journal.path, CLOCK, run="r-1") as again:
        assert again.recovered_bytes == torn
        _say(again, 9)
        codes = [record.text("code") for record in again.records() if record.text("code")]
    assert codes == (["journal.torn-tail"] if torn else [])
    assert _numbers(journal.path) == [*range(whole), 9]
    assert check_file(journal.path).holds


def test_a_damaged_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    for number in range(3):
        _say(journal, number)
    journal.close()
    bent = journal.path.read_bytes().replace(b'"value":1', b'"value":7')
    journal.path.write_bytes(bent)
    with pytest.raises(JournalBroken, match="line 3: R4") as caught:
        FileJournal.open(journal.path, CLOCK)
    assert caught.value.exit_status == 9
    assert journal.path.read_bytes() == bent


def test_a_journal_cut_below_a_known_head_is_refused(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    for number in range(3):
        _say(journal, number)
    journal.close()
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines[:2]))
    with pytest.raises(JournalBroken, match="cut: run 2"):
        FileJournal.open(journal.path, CLOCK, anchors=journal.heads)


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        ("web", facts(a=1)),
        ("run/", facts(a=1)),
        ("run", (Fact(name="anchors", value=()),)),
        ("run", facts(a=2**53)),
        ("run", facts(a="x" * (1 << 20))),
    ],
)
def test_what_may_not_be_a_record_leaves_no_trace(
    tmp_path: Path, stream: str, body: tuple[Fact, ...]
) -> None:
    with _new(tmp_path) as journal:
        with pytest.raises(ProductDefect):
            journal.append(stream, RecordKind.NOTE, body, durable=True)
        _say(journal, 0)
    assert _numbers(journal.path) == [0]


def test_after_close_nothing_is_taken(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalBroken):
        _say(journal, 0)


def test_threads_share_one_chain(tmp_path: Path) -> None:
    with _new(tmp_path) as journal:

        def write(stream: str) -> None:
            for number in range(30):
                _say(journal, number, durable=number % 10 == 0, stream=stream)

        threads = [threading.Thread(target=write, args=(f"run/{name}",)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    check = check_file(journal.path)
    assert check.holds
    assert [head.sequence for head in check.heads] == [29] * 4


# --- full and failing disks ------------------------------------------------------------------


def test_a_full_disk_releases_the_reserve_and_says_so(tmp_path: Path) -> None:
    disk = SmallDisk(capacity=6000)
    with _new(tmp_path, disk) as journal:
        journal.reserve(4000)
        number = 0
        while not journal.tight:
            _say(journal, number)
            number += 1
        for more in range(number, number + 3):
            _say(journal, more)
        codes = [record.text("code") for record in journal.records() if record.text("code")]
        total = number + 3
    assert codes == ["journal.tight"]
    assert _numbers(journal.path) == list(range(total))


def test_a_full_disk_without_reserve_refuses_and_keeps_whole_lines(tmp_path: Path) -> None:
    disk = SmallDisk(capacity=1500)
    with _new(tmp_path, disk) as journal:
        number = 0
        with pytest.raises(JournalBroken) as caught:  # noqa: PT012 - one of them fails
            for number in range(100):
                _say(journal, number)
        assert caught.value.code == "journal.full"
        assert caught.value.exit_status == 9
        assert journal.tight
        assert _numbers(journal.path) == list(range(number))
        assert check_file(journal.path).torn_bytes == 0
        disk.capacity = 1 << 20
        _say(journal, 777)
    assert _numbers(journal.path) == [*range(number), 777]


def test_a_reserve_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with _new(tmp_path, SmallDisk(capacity=100)) as journal:
        with pytest.raises(JournalBroken):
            journal.reserve(4000)
        assert set(tmp_path.iterdir()) == {journal.path, tmp_path / "journal.head"}


def test_a_real_reserve_takes_real_space_and_gives_it_back(tmp_path: Path) -> None:
    with FileJournal.create(tmp_path / "j", "r-1", SystemClock()) as journal:
        journal.reserve(1 << 16)
        (reserve,) = (file for file in tmp_path.iterdir() if file.suffix == ".reserve")
        assert reserve.stat().st_blocks * 512 >= 1 << 16
    assert not list(tmp_path.glob("*.reserve"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    acts=st.lists(
        st.tuples(st.booleans(), st.sampled_from(["", "", "", "sync", "full", "half"])),
        min_size=1,
        max_size=15,
    )
)
def test_whatever_fails_no_durable_record_is_lost(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[bool, str]]
) -> None:
    """Failing syncs lose what was written; full disks take half a line; all acknowledged stays."""
    disk = SmallDisk()
    said: list[int] = []
    durable_said = 0
    with _new(tmp_path_factory.mktemp("journal"), disk) as journal:
        for number, (durable, fault) in enumerate(acts):
            disk.failing_syncs = int(fault == "sync" and durable)
            size = journal.path.stat().st_size
            disk.capacity = {"full": size, "half": size + 60}.get(fault, 1 << 30)
            try:
                _say(journal, number, durable=durable)
            except JournalBroken:
                assert fault
            else:
                said.append(number)
                durable_said = len(said) if durable else durable_said
                if durable:
                    assert list(disk.synced.values()) == [journal.path.stat().st_size]
            assert _numbers(journal.path)[:durable_said] == said[:durable_said]
        disk.capacity, disk.failing_syncs = 1 << 30, 0
        _say(journal, 999)
        assert _numbers(journal.path) == [*said, 999]
        assert check_file(journal.path).torn_bytes == 0
        assert [record.get("number") for record in journal.records()] == [*said, 999]


# --- real processes --------------------------------------------------------------------------


@pytest.mark.parametrize("acknowledged", [1, 2, 7, 20])
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "journal.jsonl"
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            os.close(read_end)
            journal = FileJournal.create(path, "r-1", SystemClock())
            for number in range(100_000):
                _say(journal, number, durable=number % 3 != 1, stream=f"run/{number % 2}")
                os.write(write_end, b".")
        finally:
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end, "rb", buffering=0) as acks:
        seen = len(acks.read(1) or b"")
        while seen < acknowledged:
            seen += len(acks.read(1) or b"")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        seen += len(acks.read(1 << 20) or b"")
    with FileJournal.open(path, SystemClock(), run="r-1") as journal:
        _say(journal, -1)
    numbers = _numbers(path)
    assert numbers[-1] == -1
    assert numbers[:-1] == list(range(len(numbers) - 1))
    assert len(numbers) - 1 >= seen
