"""Leases in a bucket: the suite over a bucket in memory, lost answers, and clocks that disagree."""

from __future__ import annotations

import pytest

from rollback.errors import ConnectorError, LeaseHeld
from rollback.model.ports import StoredObject
from rollback.running.lease.objects import object_lease
from rollback.running.lease.scoped import ScopedLease

from ..fakes import MemoryBucket, SeededRandomness, VirtualClock
from ..plans import lease_effect
from .suite import SCOPES, TTL_S, LeaseSuite


def _lease(bucket: MemoryBucket, clock: VirtualClock, who: str) -> ScopedLease:
    return object_lease(
        bucket,
        "leases/",
        clock,
        SeededRandomness(who),
        ttl_s=TTL_S,
        create=lease_effect("create-only"),
        replace=lease_effect("if-match"),
    )


class TestBucket(LeaseSuite):
    """The suite, in a bucket."""

    strength = "shared"

    @pytest.fixture(autouse=True)
    def _bucket(self) -> None:
        self.bucket = MemoryBucket()

    def lease(self, clock: VirtualClock, who: str) -> ScopedLease:
        return _lease(self.bucket, clock, who)

    def winners(self, fences: list[int]) -> bool:
        """A racer that outwaits the winner's TTL on its own virtual clock takes over: by rising."""
        return len(fences) >= 1 and fences == sorted(set(fences))


@pytest.mark.parametrize("skew_s", [-86_400, -3600, 0, 3600, 86_400])
def test_a_wrong_wall_clock_neither_steals_nor_locks_out(skew_s: float) -> None:
    bucket, holder, taker = MemoryBucket(), VirtualClock(skew_s=skew_s), VirtualClock()
    _lease(bucket, holder, "a").acquire(("a",), "r-1@laptop", "effect")
    grant = _lease(bucket, taker, "b").acquire(("a",), "r-2@desk", "effect")
    assert taker.passed_s >= TTL_S  # never before it stood still for a whole TTL
    assert grant.took_over


@pytest.mark.parametrize(("age_s", "waits"), [(TTL_S + 6, False), (TTL_S, True), (None, True)])
def test_what_is_old_by_the_stores_own_clock_is_taken_at_once(
    age_s: int | None, waits: bool
) -> None:
    """Nobody has to outwait a laptop that died an hour ago; nor is anybody's wall clock believed."""
    bucket, holder, taker = MemoryBucket(age_s=age_s), VirtualClock(skew_s=9e4), VirtualClock()
    _lease(bucket, holder, "a").acquire(("a",), "r-1@laptop", "effect")
    assert _lease(bucket, taker, "b").acquire(("a",), "r-2@desk", "effect").took_over
    assert (taker.passed_s >= TTL_S) is waits


def test_a_sign_of_life_ends_the_waiting_at_once() -> None:
    bucket, clock = MemoryBucket(), VirtualClock()
    lease = _lease(bucket, clock, "a")
    grant = lease.acquire(SCOPES, "r-1@laptop", "effect")
    asleep = clock.sleep

    def sleep(seconds: float) -> None:
        asleep(seconds)
        if clock.passed_s >= 10:
            lease.renew(grant, "effect")

    clock.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(LeaseHeld):
        _lease(bucket, clock, "b").acquire(SCOPES, "r-2@desk", "effect")
    assert 10 <= clock.passed_s < 15


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_answer_while_taking(fault: str) -> None:
    bucket, clock = MemoryBucket(), VirtualClock()
    bucket.lose = [fault]
    lease = _lease(bucket, clock, "a")
    if fault == "before":
        with pytest.raises(ConnectorError):
            lease.acquire(("a",), "r-1@laptop", "effect")
        assert bucket.writes == 0
        return
    grant = lease.acquire(("a",), "r-1@laptop", "effect")
    assert (grant.fence, bucket.writes) == (1, 1)
    lease.renew(grant, "effect")


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_renewal_is_resolved_by_looking(fault: str) -> None:
    bucket, clock = MemoryBucket(), VirtualClock(passed_s=0.0001234)
    lease = _lease(bucket, clock, "a")
    grant = lease.acquire(("a",), "r-1@laptop", "effect")
    clock.sleep(15.0004321)
    bucket.lose = [fault]
    if fault == "before":
        with pytest.raises(ConnectorError):
            lease.renew(grant, "verify")
    else:
        assert lease.renew(grant, "verify").deadline == clock.monotonic() + TTL_S
    again = lease.renew(grant, "effect")
    assert again.fence == grant.fence
    shown = lease.show("a")
    assert shown is not None
    assert shown.doing == "effect"


def test_a_renewal_that_took_without_anybody_knowing_is_found_later() -> None:
    """The answer is lost, and reading fails too: the next renewal finds its own token."""
    bucket, clock = MemoryBucket(), VirtualClock()
    lease = _lease(bucket, clock, "a")
    grant = lease.acquire(("a",), "r-1@laptop", "effect")
    bucket.lose = ["after"]
    read = bucket.stored

    def unreadable(key: str) -> StoredObject | None:
        raise ConnectorError("s3.lost", f"{key} cannot be read", transient=True)

    bucket.stored = unreadable  # type: ignore[method-assign]
    with pytest.raises(ConnectorError):
        lease.renew(grant, "verify")
    bucket.stored = read  # type: ignore[method-assign]
    assert lease.renew(grant, "effect").fence == grant.fence


def test_a_conflict_is_tried_again_a_few_times() -> None:
    bucket, clock = MemoryBucket(), VirtualClock()
    bucket.lose = ["conflict"] * 2
    assert _lease(bucket, clock, "a").acquire(("a",), "r-1@laptop", "effect").fence == 1
    bucket.lose = ["conflict"] * 50
    with pytest.raises(LeaseHeld) as caught:
        _lease(bucket, clock, "b").acquire(("b",), "r-2@desk", "effect")
    assert caught.value.code == "lease.contended"


def test_nothing_is_ever_deleted_so_the_fence_survives() -> None:
    bucket, clock = MemoryBucket(), VirtualClock()
    lease = _lease(bucket, clock, "a")
    lease.release(lease.acquire(("a",), "r-1@laptop", "effect"))
    assert len(bucket.objects) == 1
    assert _lease(bucket, clock, "b").acquire(("a",), "r-2@desk", "effect").fence == 2
