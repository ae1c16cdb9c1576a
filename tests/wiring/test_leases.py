"""The lease of a run: what it says it does, what it records, and who can take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollback.errors import InputError, LeaseHeld
from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.plan import Plan
from rollback.model.record import RecordKind
from rollback.running.journal import FileJournal
from rollback.running.lease.document import LeaseDocument
from rollback.running.lease.folder import folder_lease
from rollback.running.lease.scoped import ScopedLease
from rollback.running.store import StateDirectory
from rollback.wiring.leases import WATCHING, RunLease
from rollback.wiring.setting import Setting
from tests.guard.support import environment
from tests.running.fakes import SeededRandomness, VirtualClock
from tests.running.plans import SWAP, make_plan, update

NO_CLIENTS: Any = None  # a lease in a folder needs none


class Laptop:
    """One machine: its state directory, its journal; the folder of leases is shared."""

    def __init__(
        self, root: Path, name: str, clock: VirtualClock, made: Plan | None = None
    ) -> None:
        env = environment(
            lease={"store": {"kind": "folder", "path": str(root / "leases")}, "renew_s": 3600}
        )
        self.clock = clock
        self.setting = Setting(
            environment=env, state=StateDirectory(root / name), secrets=None,  # type: ignore[arg-type]
            clock=clock, randomness=SeededRandomness(name), catalogue=None, user=name,  # type: ignore[arg-type]
        )  # fmt: skip
        self.journal = FileJournal.create(root / name / "journal.jsonl", "r-1", clock)
        self.lease = RunLease(self.setting, NO_CLIENTS, self.journal, made or plan(), "r-1")

    def leased(self) -> list[bool]:
        records = self.journal.records()
        return [one.get("held") is True for one in records if one.kind is RecordKind.LEASED]

    def beat(self) -> None:
        """What the renewing thread does, once."""
        self.lease._stop.set()
        self.lease._stop = Once()  # type: ignore[assignment]
        self.lease._renew()


class Once:
    """An event that lets one round pass."""

    def __init__(self) -> None:
        self.rounds = 0

    def wait(self, _: float) -> bool:
        self.rounds += 1
        return self.rounds > 1

    def set(self) -> None:
        pass


def plan(*surfaces: str) -> Plan:
    """One move, `swap`, of the first surface, and one of each other, named as it is."""
    made = make_plan()
    changes = [
        update(
            "swap" if not number else surface,
            Direction.AWAY,
            SWAP.model_copy(update={"id": f"revert#{surface}"}) if number else SWAP,
        ).model_copy(update={"surface": surface})
        for number, surface in enumerate(surfaces or ("backend",))
    ]
    step = made.steps[0].model_copy(update={"changes": tuple(changes)})
    return made.model_copy(update={"steps": (step,), "upkeep": ()})


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def store(laptop: Laptop, who: str = "eye") -> ScopedLease:
    return folder_lease(
        Path(str(laptop.setting.environment.lease.store.path)),  # type: ignore[union-attr]
        laptop.clock, SeededRandomness(who), ttl_s=60,
    )  # fmt: skip


def written(laptop: Laptop, surface: str = "backend") -> LeaseDocument:
    shown = store(laptop).show(scope(surface))
    assert shown is not None
    return shown


def scope(surface: str) -> str:
    return f"{plan().environment}/{surface}"


def doing(laptop: Laptop) -> str:
    return written(laptop).doing


def test_the_fence_is_in_the_journal_and_asked_for(tmp_path: Path, clock: VirtualClock) -> None:
    one = Laptop(tmp_path, "one", clock)
    one.lease.acquire()
    assert one.leased() == [True]
    assert one.journal.records()[0].get("fence") == one.lease.fence() == 1
    assert one.lease.before_effect("effect revert#swap") == ""
    assert doing(one) == "effect revert#swap"
    one.lease.release()


def test_a_run_in_the_middle_of_its_moves_is_not_preempted(
    tmp_path: Path, clock: VirtualClock
) -> None:
    one, two = Laptop(tmp_path, "one", clock), Laptop(tmp_path, "two", clock)
    one.lease.acquire()
    one.lease.before_effect("effect revert#swap")
    one.beat()
    two.lease.acquire()
    assert two.leased() == [False]
    assert "effect revert#swap" in two.journal.records()[0].text("problem")
    assert one.lease.before_effect("effect revert#swap") == ""


def test_a_run_with_nothing_left_to_move_is_preempted(tmp_path: Path, clock: VirtualClock) -> None:
    """It bakes, or seals: whoever must act does not wait for it, and it can send nothing more."""
    one, two = Laptop(tmp_path, "one", clock), Laptop(tmp_path, "two", clock)
    one.lease.acquire()
    one.lease.before_effect("effect revert#swap")
    body = facts(step=plan().steps[0].name, change="swap", outcome="applied")
    one.journal.append("run", RecordKind.OUTCOME, body, durable=True)
    one.beat()
    assert doing(one) == WATCHING
    two.lease.acquire()
    assert two.leased() == [True]
    assert WATCHING in two.journal.records()[0].text("took_over")
    assert two.lease.fence() > one.lease.fence()
    assert "r-1 on" in one.lease.before_effect("effect again")
    assert one.leased() == [True, False]


def test_the_same_run_on_two_machines_is_two_holders(tmp_path: Path, clock: VirtualClock) -> None:
    """A run resumed from its mirror while its first machine lives: told 12, not let in."""
    one, two = Laptop(tmp_path, "one", clock), Laptop(tmp_path, "two", clock)
    one.lease.acquire()
    two.lease.acquire()
    assert two.leased() == [False]
    again = Laptop(tmp_path / "again", "x", clock)
    assert again.setting.state.machine(SeededRandomness("a")) == again.setting.state.machine(
        SeededRandomness("b")
    )


def test_a_paused_holder_sends_nothing_when_it_wakes_up(
    tmp_path: Path, clock: VirtualClock
) -> None:
    one, two = Laptop(tmp_path, "one", clock), Laptop(tmp_path, "two", clock)
    one.lease.acquire()
    clock.sleep(120)
    assert "run out" in one.lease.after_effect("backend")
    two.lease.acquire()
    assert two.leased() == [True]
    assert one.lease.before_effect("effect revert#swap")
    assert one.leased() == [True, False]


def test_a_lease_that_cannot_be_opened_is_not_held_and_holds_up_nothing(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """The store's key is not set: that is said when a move of users asks, not before."""
    one = Laptop(tmp_path, "one", clock)

    def unset() -> Any:
        raise InputError("secret.unset", "BLOB_KEY is not set", hint="set it")

    one.lease._open = unset
    assert one.journal.records() == ()
    one.lease.acquire()
    assert one.leased() == [False]
    assert "BLOB_KEY" in one.journal.records()[0].text("problem")


def test_what_nobody_foresaw_is_recorded_too(tmp_path: Path, clock: VirtualClock) -> None:
    """Without a record the run would ask for its lease again, without end."""
    one = Laptop(tmp_path, "one", clock)

    def broken() -> Any:
        raise ZeroDivisionError("hunter2")

    one.lease._open = broken
    one.lease.acquire()
    assert one.leased() == [False]
    assert one.journal.records()[0].text("problem") == "ZeroDivisionError"


BOTH = ("web", "backend")


def paused_past_its_end(tmp_path: Path, clock: VirtualClock) -> Laptop:
    """A run that holds two surfaces, in the middle of an effect on web; another took backend."""
    one = Laptop(tmp_path, "one", clock, plan(*BOTH))
    one.lease.acquire()
    assert one.lease.before_effect("effect revert#swap") == ""
    step = plan(*BOTH).steps[0].name
    one.journal.append(
        "run", RecordKind.INTENT, facts(effect=SWAP.id, step=step, change="swap"), durable=True
    )
    clock.sleep(120)
    store(one, "theirs").acquire((scope("backend"),), "r-2 on desk/x", "rolling back")
    return one


def settle(one: Laptop) -> None:
    body = facts(step=plan(*BOTH).steps[0].name, change="swap", outcome="applied")
    one.journal.append("run", RecordKind.OUTCOME, body, durable=True)


def noted(one: Laptop, code: str) -> list[str]:
    return [record.text("text") for record in one.journal.records() if record.get("code") == code]


def test_who_lost_one_surface_sends_nothing_more_on_any(
    tmp_path: Path, clock: VirtualClock
) -> None:
    one = paused_past_its_end(tmp_path, clock)
    one.beat()
    assert one.leased() == [True, False]
    assert "r-2 on desk" in one.journal.records()[-1].text("problem")
    assert "not held" in one.lease.before_effect("effect revert#backend")
    with pytest.raises(LeaseHeld):
        one.lease.fence()


def test_an_effect_under_way_keeps_its_lease_when_another_surface_is_lost(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """Nobody gets in while web swaps, however long; nothing says that its lease had run out."""
    one = paused_past_its_end(tmp_path, clock)
    one.beat()
    for _ in range(10):
        clock.sleep(30)
        one.beat()
        assert written(one, "web").held
        with pytest.raises(LeaseHeld):
            store(one, "third").acquire((scope("web"),), "r-3 on phone/x", "rolling back")
    assert one.lease.after_effect("web") == ""
    assert "somebody else" in one.lease.after_effect("backend")
    assert noted(one, "lease.given-up") == []


def test_what_is_left_is_given_up_once_nothing_is_under_way(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """It would only stand in the way of whoever took the other surface."""
    one = paused_past_its_end(tmp_path, clock)
    one.beat()
    settle(one)
    one.beat()
    assert not written(one, "web").held
    assert written(one).holder == "r-2 on desk/x"
    assert ["web" in text for text in noted(one, "lease.given-up")] == [True]
    two = Laptop(tmp_path, "two", clock, plan("web"))
    two.lease.acquire()
    assert two.leased() == [True]
    assert two.journal.records()[0].text("took_over") == ""


def test_what_is_left_is_given_up_at_the_end(tmp_path: Path, clock: VirtualClock) -> None:
    """The loss was seen just before a send, and the run ended before the thread came round."""
    one = paused_past_its_end(tmp_path, clock)
    assert "r-2 on desk" in one.lease.before_effect("effect revert#backend")
    settle(one)
    one.lease.release()
    assert not written(one, "web").held
    assert written(one).holder == "r-2 on desk/x"


def test_what_is_left_and_then_lost_too_is_left_alone(tmp_path: Path, clock: VirtualClock) -> None:
    one = paused_past_its_end(tmp_path, clock)
    one.beat()
    clock.sleep(120)
    store(one, "theirs").acquire((scope("web"),), "r-2 on desk/x", "rolling back")
    one.beat()
    assert "somebody else" in one.lease.after_effect("web")
    one.lease.release()
    assert written(one, "web").holder == written(one).holder == "r-2 on desk/x"
    assert written(one, "web").held
