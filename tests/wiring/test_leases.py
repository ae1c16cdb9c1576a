"""The lease of a run: what it says it does, what it records, and who can take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollback.errors import InputError
from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.plan import Plan
from rollback.model.record import RecordKind
from rollback.running.journal import FileJournal
from rollback.running.lease.folder import folder_lease
from rollback.running.store import StateDirectory
from rollback.wiring.leases import WATCHING, RunLease
from rollback.wiring.setting import Setting
from tests.guard.support import environment
from tests.running.fakes import SeededRandomness, VirtualClock
from tests.running.plans import SWAP, make_plan, update

NO_CLIENTS: Any = None  # a lease in a folder needs none


class Laptop:
    """One machine: its state directory, its journal; the folder of leases is shared."""

    def __init__(self, root: Path, name: str, clock: VirtualClock) -> None:
        env = environment(
            lease={"store": {"kind": "folder", "path": str(root / "leases")}, "renew_s": 3600}
        )
        self.clock = clock
        self.setting = Setting(
            environment=env, state=StateDirectory(root / name), secrets=None,  # type: ignore[arg-type]
            clock=clock, randomness=SeededRandomness(name), catalogue=None, user=name,  # type: ignore[arg-type]
        )  # fmt: skip
        self.journal = FileJournal.create(root / name / "journal.jsonl", "r-1", clock)
        self.lease = RunLease(self.setting, NO_CLIENTS, self.journal, plan(), "r-1")

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


def plan() -> Plan:
    made = make_plan()
    step = made.steps[0].model_copy(
        update={"changes": (update("swap", Direction.AWAY, SWAP).model_copy(update={"surface": "backend"}),)}
    )
    return made.model_copy(update={"steps": (step,), "upkeep": ()})


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def doing(laptop: Laptop) -> str:
    shown = folder_lease(
        Path(str(laptop.setting.environment.lease.store.path)),  # type: ignore[union-attr]
        laptop.clock, SeededRandomness("eye"), ttl_s=60,
    ).show(f"{plan().environment}/backend")  # fmt: skip
    assert shown is not None
    return shown.doing


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
    assert "run out" in one.lease.after_effect()
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
