"""The state directory: runs are found, a plan applies once, files are whole or absent."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from rollback.errors import EvidenceNotWritten, InputError, PlanStale
from rollback.model.base import facts
from rollback.model.record import RecordKind
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.lease.folder import folder_lease
from rollback.running.pool import ThreadPool
from rollback.running.store import StateDirectory, create_file

from ..fakes import SeededRandomness, VirtualClock

PLAN = "ab" * 32


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


def test_where_it_is(tmp_path: Path) -> None:
    environ = {"ROLLBACK_STATE": str(tmp_path / "named")}
    assert StateDirectory.locate(tmp_path, environ).root == tmp_path
    assert StateDirectory.locate(None, environ).root == tmp_path / "named"
    assert "trade-rollback" in str(StateDirectory.locate(None, {}).root)


def test_runs_are_made_and_found(state: StateDirectory) -> None:
    clock, chance = VirtualClock(), SeededRandomness("runs")
    first = state.new_run(clock, chance)
    clock.sleep(60)
    second = state.new_run(clock, chance)
    assert re.fullmatch(r"r-20261123-0936-[0-9a-f]{4}", first.run)
    assert [run.run for run in state.runs()] == [second.run, first.run]
    assert state.find("latest") == second
    assert state.find(first.run) == first
    assert state.find(first.run[-4:]) == first
    for name in ("r-20261123", "r-2", "", "../..", "nobody"):
        with pytest.raises(InputError) as caught:
            state.find(name)
        assert second.run in caught.value.hint
    assert first.path.stat().st_mode & 0o077 == 0


def test_the_latest_of_one_minute_is_the_one_that_began_last(state: StateDirectory) -> None:
    """A name says the minute; the rest of it is chance, and no order."""
    clock, chance = VirtualClock(), SeededRandomness("minute")
    made = []
    for _ in range(9):
        run = state.new_run(clock, chance)
        with run.create_journal(clock) as journal:
            journal.append("run", RecordKind.NOTE, facts(a=1), durable=True)
        clock.sleep(1)
        made.append(run)
    assert len({run.run.rpartition("-")[0] for run in made}) == 1
    assert list(state.runs()) == made[::-1]
    assert state.find("latest") == made[-1]


def test_where_there_is_no_run(state: StateDirectory) -> None:
    with pytest.raises(InputError, match="there is no run under"):
        state.find("latest")


def test_a_name_that_is_taken_is_not_given_twice(state: StateDirectory) -> None:
    clock = VirtualClock()
    names = {state.new_run(clock, SeededRandomness("same")).run}
    chance = SeededRandomness("same")
    names.add(state.new_run(clock, chance).run)
    assert len(names) == 2


def test_a_run_keeps_its_plan_approvals_and_journal(state: StateDirectory) -> None:
    run = state.new_run(VirtualClock(), SeededRandomness("a"))
    with pytest.raises(InputError):
        run.plan()
    run.keep_plan(b"{}")
    run.keep_plan(b"{}")
    with pytest.raises(EvidenceNotWritten) as caught:
        run.keep_plan(b"[]")
    assert caught.value.code == "state.exists"
    assert run.plan() == b"{}"
    run.keep_approval("2-bob.json", b"two")
    run.keep_approval("1-alice.json", b"one")
    assert run.approvals() == (b"one", b"two")
    for name in ("../x", ".hidden", "a/b", ""):
        with pytest.raises(InputError):
            run.keep_approval(name, b"")
    with run.create_journal(VirtualClock()) as journal:
        journal.append("run", RecordKind.NOTE, facts(a=1), durable=True)
    with run.open_journal(VirtualClock()) as journal:
        assert journal.run == run.run
        assert len(journal.records()) == 1


def test_ten_approvals_stay_in_the_order_they_were_given(state: StateDirectory) -> None:
    run = state.new_run(VirtualClock(), SeededRandomness("a"))
    given = tuple(b"%d" % number for number in range(1, 12))
    for number, data in enumerate(given, start=1):
        run.keep_approval(f"approval-{number}.json", data)
    assert run.approvals() == given


def test_a_plan_applies_once(state: StateDirectory) -> None:
    clock = VirtualClock()
    assert state.applied_by(PLAN) is None
    state.mark_applied(PLAN, "r-1", clock)
    clock.sleep(5)
    state.mark_applied(PLAN, "r-1", clock)
    assert state.applied_by(PLAN) == "r-1"
    with pytest.raises(PlanStale) as caught:
        state.mark_applied(PLAN, "r-2", clock)
    assert (caught.value.code, caught.value.exit_status) == ("plan.applied", 5)
    assert "r-1" in caught.value.reason
    state.mark_applied(PLAN, "r-2", clock, part="only-safe")
    assert state.applied_by(PLAN, part="only-safe") == "r-2"
    with pytest.raises(InputError):
        state.mark_applied("../../x", "r-1", clock)


def test_a_marker_nobody_can_read_counts_as_applied(state: StateDirectory) -> None:
    state.mark_applied(PLAN, "r-1", VirtualClock())
    (marker,) = (state.root / "applied").iterdir()
    marker.write_text("")
    assert state.applied_by(PLAN) == "a run that cannot be read"
    with pytest.raises(PlanStale):
        state.mark_applied(PLAN, "r-1", VirtualClock())


def test_of_many_only_one_applies(state: StateDirectory) -> None:
    done: list[str] = []
    ready = threading.Barrier(6)

    def press(run: str) -> None:
        ready.wait()
        try:
            state.mark_applied(PLAN, run, SystemClock())
        except PlanStale:
            return
        done.append(run)

    threads = [threading.Thread(target=press, args=(f"r-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [state.applied_by(PLAN)]
    assert len(list((state.root / "applied").iterdir())) == 1


def test_every_folder_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    """Also those above, and whatever the process may give away."""
    root = tmp_path / "above" / "state"
    before = os.umask(0)
    try:
        directory = StateDirectory(root).new_run(SystemClock(), SystemRandomness())
        directory.keep_plan(b"{}")
        directory.keep_approval("approval-1.json", b"{}")
        StateDirectory(root).mark_applied(PLAN, directory.run, SystemClock())
        lease = folder_lease(root / "more" / "leases", SystemClock(), SystemRandomness(), ttl_s=60)
        lease.release(lease.acquire(("backend",), "r-1", "observe"))
    finally:
        os.umask(before)
    made = [one for one in (tmp_path / "above", *tmp_path.rglob("above/**/")) if one.is_dir()]
    assert len(made) > 5
    assert {oct(one.stat().st_mode & 0o777) for one in made} == {"0o700"}


def test_a_directory_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceNotWritten) as caught:
        create_file(tmp_path / "file" / "x", b"")
    assert "ROLLBACK_STATE" in caught.value.hint
    with pytest.raises(EvidenceNotWritten):
        StateDirectory(tmp_path / "file").new_run(SystemClock(), SystemRandomness())


def test_the_machines_clock_and_chance() -> None:
    clock, chance = SystemClock(), SystemRandomness()
    assert clock.now().utcoffset() is not None
    before = clock.monotonic()
    clock.sleep(-1)
    clock.sleep(0)
    assert clock.monotonic() >= before
    assert re.fullmatch("[0-9a-f]{32}", chance.hex(16))
    assert chance.hex(16) != chance.hex(16)
    assert 0 <= chance.fraction() < 1


def test_a_pool_acts_on_its_threads_and_ends() -> None:
    gate = threading.Event()
    with ThreadPool(2) as pool:
        quick = pool.submit(threading.get_ident)
        slow = pool.submit(lambda: int(gate.wait()))
        pool.wait_any([quick, slow])
        assert quick.done()
        assert quick.result() != threading.get_ident()
        assert not slow.done()
        other = pool.submit(lambda: int(gate.wait()))
        safe = pool.submit(threading.get_ident, safe=True)
        try:
            safe.result(timeout=60)  # though every thread is taken
        finally:
            gate.set()
        pool.wait_any([slow])
        assert other.result() == 1
        failing = pool.submit(lambda: Path("/nowhere/at/all").stat())
        with pytest.raises(FileNotFoundError):
            failing.result()
    with pytest.raises(RuntimeError):
        pool.submit(threading.get_ident)
