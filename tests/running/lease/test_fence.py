"""Never two writers on record: holders that pause, lose answers and have wrong clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.errors import LeaseHeld, RollbackError
from rollback.model.ports import LeaseGrant
from rollback.running.lease.fence import after_send, still_ours, window_s
from rollback.running.lease.objects import object_lease

from ..fakes import START, MemoryBucket, SeededRandomness
from ..plans import lease_effect

TTL_S = 60


@dataclass
class Time:
    """One flow of time for everybody."""

    passed_s: float = 0.0


@dataclass
class Machine:
    """One machine's two clocks: the wall clock may be wrong, the monotonic one has its own zero."""

    time: Time
    skew_s: float
    zero_s: float

    def now(self) -> datetime:
        return START + timedelta(seconds=self.time.passed_s + self.skew_s)

    def monotonic(self) -> float:
        return self.zero_s + self.time.passed_s

    def sleep(self, seconds: float) -> None:
        self.time.passed_s += seconds


@dataclass
class Laptop:
    """A holder: it takes, renews, asks, and sends."""

    name: str
    machine: Machine
    bucket: MemoryBucket
    grant: LeaseGrant | None = None

    def __post_init__(self) -> None:
        self.lease = object_lease(
            self.bucket, "leases/", self.machine, SeededRandomness(self.name), ttl_s=TTL_S,
            create=lease_effect("create-only"), replace=lease_effect("if-match"),
        )  # fmt: skip

    def take(self) -> None:
        try:
            self.grant = self.lease.acquire(("a",), self.name, "effect")
        except RollbackError:
            self.grant = None

    def renew(self) -> None:
        if self.grant is None:
            return
        try:
            self.grant = self.lease.renew(self.grant, "effect")
        except LeaseHeld:
            self.grant = None
        except RollbackError:
            pass  # the grant stands until its deadline

    def send(self, pause_s: float) -> tuple[int, bool] | None:
        """Ask, stop for a while, send. (fence, whether it was noticed afterwards), or None."""
        try:
            fence = still_ours(self.grant, self.machine.monotonic(), TTL_S)
        except LeaseHeld:
            return None
        self.machine.sleep(pause_s)
        return fence, bool(after_send(self.grant, self.machine.monotonic()))


@dataclass
class Sent:
    """What left, in the order of true time."""

    fences: list[tuple[int, bool]] = field(default_factory=list)


Op = tuple[int, Literal["take", "renew", "send", "wait", "lose"], float]
OPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["take", "renew", "send", "wait", "lose"]),
        st.floats(0, 1),
    ),
    min_size=3,
    max_size=40,
)
SKEWS = st.tuples(*[st.sampled_from([-86_400.0, -3.0, 0.0, 7.0, 86_400.0])] * 3)


def played(ops: list[Op], skews: tuple[float, ...], pause_s_max: float) -> list[tuple[int, bool]]:
    time, bucket, sent = Time(), MemoryBucket(), Sent()
    laptops = [
        Laptop(f"r-{number}@laptop", Machine(time, skew, 1000.0 * number), bucket)
        for number, skew in enumerate(skews)
    ]
    for who, what, much in ops:
        laptop = laptops[who]
        if what == "take":
            laptop.take()
        elif what == "renew":
            laptop.renew()
        elif what == "wait":
            laptop.machine.sleep(much * TTL_S * 1.5)
        elif what == "lose":
            bucket.lose = ["after" if much < 0.5 else "before"]
        else:
            # Others act while this one stands still between the question and the send.
            before = time.passed_s
            fence = laptop.send(0)
            if fence is None:
                continue
            for other in laptops:
                if other is not laptop and much > 0.3:
                    other.take()
                    if (taken := other.send(0)) is not None:
                        sent.fences.append(taken)
            if time.passed_s - before <= pause_s_max:
                sent.fences.append(
                    (fence[0], bool(after_send(laptop.grant, laptop.machine.monotonic())))
                )
    return sent.fences


@given(OPS, SKEWS)
def test_what_leaves_within_the_window_leaves_under_a_rising_fence(
    ops: list[Op], skews: tuple[float, ...]
) -> None:
    fences = [fence for fence, _ in played(ops, skews, window_s(TTL_S))]
    assert fences == sorted(fences)


@given(OPS, SKEWS)
def test_a_process_that_was_stopped_in_between_finds_out_when_it_wakes(
    ops: list[Op], skews: tuple[float, ...]
) -> None:
    """However long it stood still: what left under an older fence is told, never silent."""
    highest = 0
    for fence, told in played(ops, skews, float("inf")):
        assert fence >= highest or told
        highest = max(highest, fence)


@pytest.mark.parametrize(
    ("passed_s", "holds"), [(0, True), (49, True), (50, False), (59.9, False), (61, False)]
)
def test_no_send_begins_that_might_end_after_the_lease(passed_s: float, holds: bool) -> None:
    grant = LeaseGrant(("a",), "r-1", 7, "shared", deadline=60.0)
    if holds:
        assert still_ours(grant, passed_s, TTL_S) == 7
        return
    with pytest.raises(LeaseHeld) as caught:
        still_ours(grant, passed_s, TTL_S)
    assert caught.value.exit_status == 12


def test_without_a_lease_nothing_is_sent() -> None:
    with pytest.raises(LeaseHeld):
        still_ours(None, 0, TTL_S)
    assert after_send(None, 0)
