"""Leases in a folder: the suite, this machine's own matters, and real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollback.errors import ConnectorError, LeaseHeld
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.lease.document import file_name
from rollback.running.lease.folder import folder_lease
from rollback.running.lease.scoped import ScopedLease

from ..fakes import SeededRandomness, VirtualClock
from .suite import SCOPES, TTL_S, LeaseSuite


class TestFolder(LeaseSuite):
    """The suite, in a folder."""

    strength = "this-machine"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "leases"

    def lease(self, clock: VirtualClock, who: str) -> ScopedLease:
        return folder_lease(self.folder, clock, SeededRandomness(who), ttl_s=TTL_S)


def _lease(folder: Path, clock: VirtualClock, who: str) -> ScopedLease:
    return folder_lease(folder, clock, SeededRandomness(who), ttl_s=TTL_S)


def test_here_nobody_waits_for_a_live_holder(tmp_path: Path) -> None:
    clock = VirtualClock()
    _lease(tmp_path, clock, "a").acquire(SCOPES, "r-1@laptop", "effect")
    clock.sleep(TTL_S)
    before = clock.passed_s
    with pytest.raises(LeaseHeld, match="1 min ago"):
        _lease(tmp_path, clock, "b").acquire(SCOPES, "r-2@desk", "effect")
    assert clock.passed_s == before


def test_a_wall_clock_that_was_put_back_locks_nobody_out(tmp_path: Path) -> None:
    """Written an hour in the future: it is watched for a TTL on the monotonic clock instead."""
    ahead, clock = VirtualClock(skew_s=3600), VirtualClock()
    _lease(tmp_path, ahead, "a").acquire(SCOPES, "r-1@laptop", "effect")
    grant = _lease(tmp_path, clock, "b").acquire(SCOPES, "r-2@desk", "effect")
    assert grant.took_over
    assert clock.passed_s > TTL_S


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
