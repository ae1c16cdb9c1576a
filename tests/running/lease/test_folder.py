"""Leases in a folder: the suite, this machine's own matters, and real processes."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from rollback.errors import ConnectorError, LeaseHeld
from rollback.running.clock import SystemClock, SystemRandomness, this_boot
from rollback.running.lease.document import file_name
from rollback.running.lease.folder import LOCK_S_MAX, folder_lease
from rollback.running.lease.scoped import ScopedLease

from ..fakes import SeededRandomness, VirtualClock
from .suite import SCOPES, TTL_S, LeaseSuite


class _Waits(VirtualClock):
    """Virtual time in which the others get on meanwhile: whoever has the lock is a real thread."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        threading.Event().wait(seconds)


class TestFolder(LeaseSuite):
    """The suite, in a folder."""

    strength = "this-machine"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "leases"

    def lease(self, clock: VirtualClock, who: str) -> ScopedLease:
        return folder_lease(self.folder, clock, SeededRandomness(who), ttl_s=TTL_S)

    def racing(self, passed_s: float) -> VirtualClock:
        return _Waits(passed_s=passed_s)


def _lease(folder: Path, clock: VirtualClock, who: str, boot: str = "one") -> ScopedLease:
    return folder_lease(folder, clock, SeededRandomness(who), ttl_s=TTL_S, boot=boot)


def test_here_nobody_waits_for_a_live_holder(tmp_path: Path) -> None:
    clock = VirtualClock()
    _lease(tmp_path, clock, "a").acquire(SCOPES, "r-1@laptop", "effect")
    clock.sleep(TTL_S)
    before = clock.passed_s
    with pytest.raises(LeaseHeld, match="1 min ago"):
        _lease(tmp_path, clock, "b").acquire(SCOPES, "r-2@desk", "effect")
    assert clock.passed_s == before


@pytest.mark.parametrize("skew_s", [-86_400.0, -3600.0, -30.0, 30.0, 3600.0, 86_400.0])
@pytest.mark.parametrize("boot", ["one", "another", ""])
def test_a_wrong_wall_clock_makes_no_two_writers_and_locks_nobody_out(
    tmp_path: Path, skew_s: float, boot: str
) -> None:
    """The holder's clock is wrong, or was set while it held the lease; it lives all the same."""
    holder, taker = VirtualClock(skew_s=skew_s), VirtualClock()
    holder_lease = _lease(tmp_path, holder, "a")
    grant = holder_lease.acquire(SCOPES, "r-1@laptop", "effect")
    asleep = taker.sleep

    def sleep(seconds: float) -> None:
        asleep(seconds)
        holder.sleep(seconds)
        if taker.passed_s < 10 * TTL_S:
            holder_lease.renew(grant, "effect")

    taker.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(LeaseHeld):
        _lease(tmp_path, taker, "b", boot).acquire(SCOPES, "r-2@desk", "effect")
    taker.passed_s = holder.passed_s = 20 * TTL_S  # the holder died
    taken = _lease(tmp_path, taker, "c", boot).acquire(SCOPES, "r-2@desk", "effect")
    assert taken.took_over
    assert taken.fence > grant.fence
    waited = taker.passed_s - 20 * TTL_S
    assert waited == 0 if boot == "one" else waited >= TTL_S


def test_a_folder_that_another_machine_writes_is_watched_and_not_calculated(tmp_path: Path) -> None:
    """Its clock stands where it stands; the lease of one that runs longer is not younger for it."""
    long_up, just_up = VirtualClock(passed_s=1e6), VirtualClock()
    for number, (holder, taker) in enumerate(((long_up, just_up), (just_up, long_up))):
        folder, before = tmp_path / str(number), taker.passed_s
        _lease(folder, holder, "a").acquire(SCOPES, "r-1@laptop", "effect")
        assert _lease(folder, taker, "b", "another").acquire(SCOPES, "r-2@desk", "effect").took_over
        assert taker.passed_s - before >= TTL_S
    # The same name, and yet a clock that stands earlier than the one it was written by: restored.
    before = just_up.passed_s
    _lease(tmp_path, long_up, "a").acquire(SCOPES, "r-1@laptop", "effect")
    assert _lease(tmp_path, just_up, "b").acquire(SCOPES, "r-2@desk", "effect").took_over
    assert just_up.passed_s - before >= TTL_S


def test_one_machine_knows_its_own_boot() -> None:
    assert this_boot() == this_boot()
    assert bool(this_boot()) is Path("/proc/self/ns/time").is_symlink()


def test_what_cannot_be_read_is_held_by_nobody_knows(tmp_path: Path) -> None:
    clock = VirtualClock()
    (tmp_path / file_name("a")).write_text("{}")
    with pytest.raises(LeaseHeld) as caught:
        _lease(tmp_path, clock, "a").acquire(("a",), "r-1@laptop", "effect")
    assert caught.value.code == "lease.unreadable"
    _lease(tmp_path, clock, "b").acquire(("b",), "r-1@laptop", "effect")
    (tmp_path / file_name("a")).write_bytes((tmp_path / file_name("b")).read_bytes())
    with pytest.raises(LeaseHeld):
        _lease(tmp_path, clock, "c").acquire(("a",), "r-1@laptop", "effect")


def test_after_the_last_fencing_number_nobody_takes_it(tmp_path: Path) -> None:
    """Somebody wrote it: nobody comes there by taking."""
    clock = VirtualClock()
    lease = _lease(tmp_path, clock, "a")
    lease.release(lease.acquire(("a",), "r-1@laptop", "effect"))
    path = tmp_path / file_name("a")
    path.write_text(path.read_text().replace('"fence":1', f'"fence":{2**53 - 1}'))
    with pytest.raises(LeaseHeld) as caught:
        lease.acquire(("a",), "r-1@laptop", "effect")
    assert caught.value.code == "lease.unreadable"


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConnectorError):
        _lease(tmp_path / "file", VirtualClock(), "a").acquire(("a",), "r-1@laptop", "effect")


def test_of_eight_processes_one_wins(tmp_path: Path) -> None:
    """Real processes, a real clock, let go by one pipe that closes."""
    gate_read, gate_write = os.pipe()
    children = []
    for number in range(8):
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            status = 2
            try:
                os.close(gate_write)
                lease = folder_lease(tmp_path, SystemClock(), SystemRandomness(), ttl_s=TTL_S)
                os.read(gate_read, 1)
                try:
                    lease.acquire(SCOPES, f"r-{number}@laptop", "effect")
                    status = 0
                except LeaseHeld:
                    status = 12
            finally:
                os._exit(status)
        children.append(child)
    os.close(gate_read)
    os.close(gate_write)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(ended) == [0] + [12] * 7


def test_a_killed_holder_of_the_file_lock_blocks_nobody(tmp_path: Path) -> None:
    """The lock around a write dies with its process; the lease itself runs out by time."""
    import fcntl
    import signal

    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        path = (tmp_path / file_name("a")).with_suffix(".lock")
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(write_end, b".")
        signal.pause()
        os._exit(0)
    os.read(read_end, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read_end)
    os.close(write_end)
    grant = _lease(tmp_path, VirtualClock(), "a").acquire(("a",), "r-1@laptop", "effect")
    assert grant.fence == 1


def test_who_is_stopped_while_it_writes_is_named_and_not_written_over(tmp_path: Path) -> None:
    clock = VirtualClock()
    stopped = _lease(tmp_path, clock, "a")
    grant = stopped.acquire(SCOPES, "r-1@laptop", "effect")
    clock.sleep(TTL_S * 2)
    written = (tmp_path / file_name(SCOPES[0])).read_bytes()
    lock = (tmp_path / file_name(SCOPES[0])).with_suffix(".lock")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = clock.passed_s
        with pytest.raises(ConnectorError, match=f"{os.getpid()} on ") as caught:
            _lease(tmp_path, clock, "b").acquire(SCOPES, "r-2@desk", "effect")
        assert clock.passed_s - before == pytest.approx(LOCK_S_MAX, rel=0.1)
        assert caught.value.code == "lease.folder-locked"
        assert f"kill -9 {os.getpid()}" in caught.value.reason
        stopped.release(grant)  # which it would get only then
    assert (tmp_path / file_name(SCOPES[0])).read_bytes() == written
    assert _lease(tmp_path, clock, "b").acquire(SCOPES, "r-2@desk", "effect").fence > grant.fence


def test_who_has_the_lock_and_says_no_name_is_looked_for_by_its_open_file(tmp_path: Path) -> None:
    lock = (tmp_path / file_name(SCOPES[0])).with_suffix(".lock")
    lock.write_bytes(b"\x1b[2J")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ConnectorError, match="fuser") as caught:
            _lease(tmp_path, VirtualClock(), "b").acquire(SCOPES, "r-2@desk", "effect")
    assert "\x1b" not in str(caught.value)
