"""What every lease must do, whatever its place. A place's own test is a subclass of `LeaseSuite`."""

from __future__ import annotations

import threading
from abc import abstractmethod

import pytest

from rollback.errors import LeaseHeld, ProductDefect
from rollback.running.lease.scoped import ScopedLease

from ..fakes import VirtualClock

TTL_S = 60
SCOPES = ("production/web", "production/backend")


class LeaseSuite:
    """Subclasses give leases that share one place and one flow of time."""

    strength = ""

    @pytest.fixture
    def clock(self) -> VirtualClock:
        return VirtualClock()

    @abstractmethod
    def lease(self, clock: VirtualClock, who: str) -> ScopedLease:
        """A lease of one process; `who` seeds its chance."""

    @pytest.fixture
    def ours(self, clock: VirtualClock) -> ScopedLease:
        return self.lease(clock, "ours")

    @pytest.fixture
    def theirs(self, clock: VirtualClock) -> ScopedLease:
        return self.lease(clock, "theirs")

    def test_a_lease_is_taken_renewed_and_given_up(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        grant = ours.acquire(SCOPES, "r-1@laptop", "effect revert#swap")
        assert grant.scopes == tuple(sorted(SCOPES))
        assert (grant.holder, grant.strength, grant.took_over) == ("r-1@laptop", self.strength, "")
        assert grant.fence >= 1
        assert grant.deadline == clock.monotonic() + TTL_S
        clock.sleep(15)
        renewed = ours.renew(grant, "verify")
        assert renewed.fence == grant.fence
        assert renewed.deadline == clock.monotonic() + TTL_S
        shown = theirs.show("production/web")
        assert shown is not None
        assert (shown.holder, shown.doing, shown.held) == ("r-1@laptop", "verify", True)
        ours.release(renewed)
        taken = theirs.acquire(SCOPES, "r-2@desk", "effect")
        assert taken.took_over == ""
        assert taken.fence > grant.fence

    def test_a_live_holder_is_named_with_its_step_its_age_and_a_way_on(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        ours.acquire(SCOPES, "r-1@laptop", "effect revert#swap")
        self.keep_alive(ours, clock)
        with pytest.raises(LeaseHeld) as caught:
            theirs.acquire(SCOPES, "r-2@desk", "effect")
        assert caught.value.code == "lease.held"
        assert caught.value.exit_status == 12
        for word in ("r-1@laptop", "effect revert#swap", " s ago"):
            assert word in caught.value.reason
        assert "--only-safe" in caught.value.hint

    def keep_alive(
        self, lease: ScopedLease, clock: VirtualClock, doing: str = "effect revert#swap"
    ) -> None:
        """Renew from now on every 15 s of virtual time: whenever somebody sleeps across one."""
        asleep = clock.sleep
        grants = [lease._grant("r-1@laptop", tuple(lease._held.values()))]
        passed = [0.0]

        def sleep(seconds: float) -> None:
            asleep(seconds)
            passed[0] += seconds
            if passed[0] >= 15:
                passed[0] = 0.0
                grants[0] = lease.renew(grants[0], doing)

        clock.sleep = sleep  # type: ignore[method-assign]

    def test_all_or_nothing(self, clock: VirtualClock) -> None:
        first, second, third = (self.lease(clock, name) for name in ("a", "b", "c"))
        first.acquire(("b",), "r-1@laptop", "effect")
        self.keep_alive(first, clock)
        with pytest.raises(LeaseHeld):
            second.acquire(("c", "b", "a"), "r-2@desk", "effect")
        shown = second.show("a")
        assert shown is not None
        assert not shown.held
        assert second.show("c") is None
        assert third.acquire(("a", "c"), "r-3@phone", "effect").took_over == ""

    def test_a_dead_holder_is_taken_over_and_named(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        dead = ours.acquire(SCOPES, "r-1@laptop", "effect revert#swap")
        clock.sleep(TTL_S * 2)
        grant = theirs.acquire(SCOPES, "r-2@desk", "effect")
        assert grant.took_over == "r-1@laptop (at effect revert#swap)"
        assert grant.fence > dead.fence

    def test_a_holder_that_wakes_up_is_told(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        """Paused past its end; somebody else took it; its next renewal fails, and so on for ever."""
        paused = ours.acquire(SCOPES, "r-1@laptop", "effect")
        clock.sleep(TTL_S * 2)
        taken = theirs.acquire(SCOPES, "r-2@desk", "effect")
        assert clock.monotonic() > paused.deadline
        for _ in range(2):
            with pytest.raises(LeaseHeld) as caught:
                ours.renew(paused, "effect revert#swap")
            assert caught.value.code == "lease.lost"
        ours.release(paused)
        assert theirs.renew(taken, "effect").fence == taken.fence

    def test_a_holder_that_wakes_up_unmissed_goes_on(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        grant = ours.acquire(SCOPES, "r-1@laptop", "effect")
        clock.sleep(TTL_S * 2)
        renewed = ours.renew(grant, "effect")
        assert renewed.fence == grant.fence
        assert renewed.deadline == clock.monotonic() + TTL_S
        self.keep_alive(ours, clock)
        with pytest.raises(LeaseHeld):
            theirs.acquire(SCOPES, "r-2@desk", "effect")

    @pytest.mark.parametrize("lost", SCOPES)
    def test_who_lost_one_scope_holds_the_others_until_it_gives_them_up(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease, lost: str
    ) -> None:
        """Its effect there may be under way: nobody else gets in meanwhile, and at once after."""
        grant = ours.acquire(SCOPES, "r-1@laptop", "effect revert#swap")
        (left,) = set(SCOPES) - {lost}
        clock.sleep(TTL_S * 2)
        theirs.acquire((lost,), "r-2@desk", "effect")
        with pytest.raises(LeaseHeld) as caught:
            ours.renew(grant, "effect revert#swap")
        assert lost in caught.value.reason
        kept = ours.kept(grant)
        assert (kept.scopes, kept.fence) == ((left,), grant.fence)
        assert kept.deadline == clock.monotonic() + TTL_S
        self.keep_alive(ours, clock)
        third = self.lease(clock, "third")
        with pytest.raises(LeaseHeld):
            third.acquire((left,), "r-3@phone", "effect")
        ours.release(kept)
        assert third.acquire((left,), "r-3@phone", "effect").took_over == ""
        assert ours.kept(grant).scopes == ()

    def test_who_only_observes_is_preempted_by_a_rollback(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        watching = ours.acquire(SCOPES, "r-1@laptop", "observe backend")
        self.keep_alive(ours, clock, "observe backend")
        with pytest.raises(LeaseHeld):
            theirs.acquire(SCOPES, "r-2@desk", "observe web")
        before = clock.passed_s
        grant = theirs.acquire(SCOPES, "r-2@desk", "effect")
        assert clock.passed_s == before
        assert grant.took_over.startswith("r-1@laptop (at ")
        with pytest.raises(LeaseHeld):
            ours.renew(watching, "effect revert#swap")

    def test_an_observer_that_said_it_acts_is_not_preempted(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        ours.renew(ours.acquire(SCOPES, "r-1@laptop", "observe backend"), "effect revert#swap")
        self.keep_alive(ours, clock)
        with pytest.raises(LeaseHeld):
            theirs.acquire(SCOPES, "r-2@desk", "effect")

    def test_the_same_holder_resumes_at_once(
        self, clock: VirtualClock, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        """A killed run, resumed on its machine: it need not wait for itself, and the fence rises."""
        first = ours.acquire(SCOPES, "r-1@laptop", "effect revert#swap")
        grant = theirs.acquire(SCOPES, "r-1@laptop", "effect")
        assert clock.passed_s == 0
        assert grant.took_over == "r-1@laptop (at effect revert#swap)"
        assert grant.fence > first.fence
        with pytest.raises(LeaseHeld):
            ours.renew(first, "effect")

    def test_the_fence_only_rises(self, clock: VirtualClock) -> None:
        fences = []
        for number in range(6):
            lease = self.lease(clock, f"taker {number}")
            grant = lease.acquire(SCOPES, f"r-{number}@laptop", "effect")
            fences.append(grant.fence)
            if number % 2:
                lease.release(grant)
            clock.sleep(TTL_S * 2)
        assert fences == sorted(set(fences))

    def test_giving_up_twice_or_what_was_never_held_is_nothing(
        self, ours: ScopedLease, theirs: ScopedLease
    ) -> None:
        grant = ours.acquire(SCOPES, "r-1@laptop", "effect")
        theirs.release(grant)
        shown = theirs.show("production/web")
        assert shown is not None
        assert shown.held
        ours.release(grant)
        ours.release(grant)
        with pytest.raises(LeaseHeld):
            ours.renew(grant, "effect")

    @pytest.mark.parametrize("scope", ["", "../x", "a b", "/a", "x" * 200])
    def test_scopes_that_are_none(self, ours: ScopedLease, scope: str) -> None:
        with pytest.raises(ProductDefect):
            ours.acquire((scope,), "r-1@laptop", "effect")

    def test_scopes_that_look_alike_are_two(self, ours: ScopedLease, theirs: ScopedLease) -> None:
        ours.acquire(("production/web",), "r-1@laptop", "effect")
        assert theirs.acquire(("production.web",), "r-2@desk", "effect").took_over == ""

    def test_of_many_at_once_one_wins(self, clock: VirtualClock) -> None:
        """Threads race for an expired lease; the losers are told by the place itself."""
        self.lease(clock, "dead").acquire(SCOPES, "r-0@laptop", "observe")
        won: list[int] = []
        told: list[str] = []
        ready = threading.Barrier(6)

        def press(number: int) -> None:
            own = self.racing(clock.passed_s)
            lease = self.lease(own, f"racer {number}")
            ready.wait()
            try:
                won.append(lease.acquire(SCOPES, f"r-{number}@laptop", "effect").fence)
            except LeaseHeld as error:
                told.append(error.code)

        racers = [threading.Thread(target=press, args=(number,)) for number in range(1, 7)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        assert self.winners(won)
        assert len(won) + len(told) == 6

    def racing(self, passed_s: float) -> VirtualClock:
        """The clock of a racer."""
        return VirtualClock(passed_s=passed_s)

    def winners(self, fences: list[int]) -> bool:
        """One winner, where virtual time does not let a racer outwait the others."""
        return len(fences) == 1
