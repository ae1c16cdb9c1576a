"""Permissions: spent in the journal first, never more often than the plan says.

Not even after a crash; moves toward safety go out whatever the disk says.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.errors import GuardRefusal, JournalBroken, LeaseHeld, ProductDefect, Refused
from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.effect import RETURNS_TOWARD_MAX
from rollback.model.record import RecordKind
from rollback.model.scope import Shape
from rollback.running.journal import FileJournal, check_file
from rollback.running.ledger import Ledger

from ..fakes import SmallDisk, VirtualClock
from ..plans import CHUNKS, HALT, SPOOL, SWAP, effect, make_plan

SHAPE = Shape(
    method="POST",
    host="management.azure.com",
    path="/revert-swap",
    query_names=("api-version",),
    body_bytes=40,
    body_sha256="d" * 64,
    request_id="r-1.revert.1",
)


def _open(folder: Path, disk: SmallDisk | None = None) -> tuple[FileJournal, Ledger, list[str]]:
    path = folder / "journal.jsonl"
    said: list[str] = []
    if path.exists():
        journal = FileJournal.open(path, VirtualClock(), run="r-1", disk=disk)
    else:
        journal = FileJournal.create(path, "r-1", VirtualClock(), disk=disk)
    return journal, Ledger(make_plan(), journal, emergency=said.append), said


def test_an_intent_says_what_will_be_sent(tmp_path: Path) -> None:
    journal, ledger, _ = _open(tmp_path)
    assert ledger.left(SWAP.id) == 1
    assert ledger.spend(SWAP.id, SHAPE) == 1
    assert (ledger.left(SWAP.id), ledger.attempts(SWAP.id)) == (0, 1)
    (record,) = check_file(journal.path).records
    assert record.kind is RecordKind.INTENT
    said = {fact.name: fact.value for fact in record.body}
    assert said == {
        "effect": "revert#swap",
        "attempt": 1,
        "step": "revert",
        "change": "swap",
        "purpose": "change",
        "direction": "away-from-safety",
        "method": "POST",
        "host": "management.azure.com",
        "path": "/revert-swap",
        "query_names": ("api-version",),
        "content_type": "",
        "body_bytes": 40,
        "body_sha256": "d" * 64,
        "request_id": "r-1.revert.1",
    }
    journal.close()


def test_the_intent_is_durable_before_spend_returns(tmp_path: Path) -> None:
    disk = SmallDisk()
    journal, ledger, _ = _open(tmp_path, disk)
    ledger.spend(CHUNKS.id, SHAPE)
    assert list(disk.synced.values()) == []  # a chunk is written, not waited for
    assert len(check_file(journal.path).records) == 1
    ledger.spend(SWAP.id, SHAPE)
    assert list(disk.synced.values()) == [journal.path.stat().st_size]
    journal.close()


def test_what_is_spent_or_unknown_is_refused_and_not_recorded(tmp_path: Path) -> None:
    journal, ledger, _ = _open(tmp_path)
    ledger.spend(SWAP.id, SHAPE)
    for name in (SWAP.id, "other#swap"):
        with pytest.raises(GuardRefusal) as caught:
            ledger.spend(name, SHAPE)
        assert caught.value.promise == "plan-is-permission"
    assert ledger.left("other#swap") == 0
    assert len(journal.records()) == 1
    journal.close()


def test_a_permission_comes_back_as_often_as_the_plan_says(tmp_path: Path) -> None:
    journal, ledger, _ = _open(tmp_path)
    with pytest.raises(ProductDefect):
        ledger.give_back(SWAP.id, "never sent")
    ledger.spend(SWAP.id, SHAPE)
    assert ledger.give_back(SWAP.id, "no operation, timestamp unchanged") == 1
    assert ledger.spend(SWAP.id, SHAPE) == 2
    with pytest.raises(Refused) as caught:
        ledger.give_back(SWAP.id, "again")
    assert caught.value.code == "ledger.returns"
    ledger.spend(HALT.id, SHAPE)
    with pytest.raises(Refused):
        ledger.give_back(HALT.id, "the plan permits no return here")
    journal.close()


def test_files_are_counted_by_number_and_by_bytes(tmp_path: Path) -> None:
    journal, ledger, _ = _open(tmp_path)
    file = SHAPE.model_copy(update={"body_bytes": 60})
    ledger.spend(SPOOL.id, file)
    with pytest.raises(GuardRefusal, match="100 bytes"):
        ledger.spend(SPOOL.id, file)
    journal.close()
    journal, ledger, _ = _open(tmp_path)
    with pytest.raises(GuardRefusal, match="100 bytes"):
        ledger.spend(SPOOL.id, file)
    ledger.spend(SPOOL.id, file.model_copy(update={"body_bytes": 40}))
    journal.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["spend", "spend", "return", "crash"]),
            st.sampled_from([SWAP.id, HALT.id]),
        ),
        max_size=14,
    )
)
def test_counts_survive_any_number_of_crashes(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, str]]
) -> None:
    """Against an oracle that only counts."""
    folder = tmp_path_factory.mktemp("ledger")
    journal, ledger, _ = _open(folder)
    limits = {effect.id: (effect.times_max, effect.returns_max) for effect in (SWAP, HALT)}
    sent, returned = dict.fromkeys(limits, 0), dict.fromkeys(limits, 0)
    for act, name in acts:
        times, returns = limits[name]
        if act == "crash":
            journal.close()
            journal, ledger, _ = _open(folder)
        elif act == "spend":
            if sent[name] < times + returned[name]:
                sent[name] += 1
                assert ledger.spend(name, SHAPE) == sent[name]
            else:
                with pytest.raises(GuardRefusal):
                    ledger.spend(name, SHAPE)
        elif returned[name] < min(returns, sent[name]):
            ledger.give_back(name, "looked")
            returned[name] += 1
        else:
            with pytest.raises((Refused, ProductDefect)):
                ledger.give_back(name, "looked")
        assert ledger.left(name) == times - sent[name] + returned[name]
    journal.close()


def test_threads_cannot_spend_one_twice(tmp_path: Path) -> None:
    journal, ledger, _ = _open(tmp_path)
    attempts: list[int] = []
    ready = threading.Barrier(8)

    def act() -> None:
        ready.wait()
        try:
            attempts.append(ledger.spend(HALT.id, SHAPE))
        except GuardRefusal:
            attempts.append(0)

    threads = [threading.Thread(target=act) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(attempts) == [0, 0, 0, 0, 0, 0, 1, 2]
    journal.close()


def test_without_a_disk_halts_go_out_and_nothing_else(tmp_path: Path) -> None:
    disk = SmallDisk(capacity=0)
    journal, ledger, said = _open(tmp_path, disk)
    with pytest.raises(JournalBroken):
        ledger.spend(SWAP.id, SHAPE)
    assert not ledger.degraded
    assert ledger.spend(HALT.id, SHAPE) == 1
    assert ledger.degraded
    (line,) = said
    assert json.loads(line)["effect"] == HALT.id
    assert "\n" not in line
    assert ledger.spend(HALT.id, SHAPE) == 2
    with pytest.raises(GuardRefusal):
        ledger.spend(HALT.id, SHAPE)
    journal.close()


def test_the_reserve_is_for_moves_toward_safety(tmp_path: Path) -> None:
    disk = SmallDisk(capacity=8000)
    journal, ledger, said = _open(tmp_path, disk)
    journal.reserve(6000)
    disk.capacity = 6000 + journal.path.stat().st_size  # full but for the reserve
    with pytest.raises(JournalBroken) as caught:
        ledger.spend(SWAP.id, SHAPE)  # its record takes the reserve, so it must not leave
    assert caught.value.code == "journal.tight"
    assert ledger.left(SWAP.id) == 1
    with pytest.raises(JournalBroken):
        ledger.spend(SWAP.id, SHAPE)
    assert ledger.spend(HALT.id, SHAPE) == 1
    assert (said, ledger.degraded) == ([], False)
    journal.close()
    kinds = [(record.kind, record.get("sent")) for record in check_file(journal.path).records]
    assert kinds == [
        (RecordKind.INTENT, None),
        (RecordKind.NOTE, None),
        (RecordKind.RETURNED, False),
        (RecordKind.INTENT, None),
    ]
    journal, ledger, _ = _open(tmp_path)
    assert (ledger.left(SWAP.id), ledger.left(HALT.id)) == (1, 1)
    ledger.spend(SWAP.id, SHAPE)
    ledger.give_back(SWAP.id, "what never left did not use up the one return")
    journal.close()


def test_a_plan_with_one_name_for_two_effects_is_refused(tmp_path: Path) -> None:
    journal, _, _ = _open(tmp_path)
    with pytest.raises(Refused) as caught:
        Ledger(make_plan(SWAP), journal, emergency=print)
    assert caught.value.code == "ledger.effect-twice"
    journal.close()


def test_records_of_other_effects_count_for_nothing(tmp_path: Path) -> None:
    journal, _, _ = _open(tmp_path)
    body = facts(effect="old#swap", body_bytes=1)
    journal.append("run", RecordKind.INTENT, body, durable=True)
    ledger = Ledger(make_plan(), journal, emergency=print)
    assert ledger.left(SWAP.id) == 1
    journal.close()


class Fence:
    """A fencing number that changes, or is lost, from one question to the next."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)

    def __call__(self) -> int:
        answer = self.answers.pop(0)
        if answer is None:
            raise LeaseHeld("lease.lost", "it ran out", hint="resume")
        return answer


def test_a_move_away_from_safety_goes_out_under_a_fencing_number(tmp_path: Path) -> None:
    journal, ledger, _ = _open(tmp_path)
    ledger.fenced_by(Fence(7, 7))
    ledger.spend(SWAP.id, SHAPE)
    ledger.spend(HALT.id, SHAPE)  # asks nobody: there is no answer left
    ledger.spend(CHUNKS.id, SHAPE)
    swap, halt, chunks = journal.records()
    assert swap.get("fence") == 7
    assert (halt.get("fence"), chunks.get("fence")) == (None, None)
    journal.close()


def test_without_the_lease_no_permission_is_spent(tmp_path: Path) -> None:
    journal, ledger, _ = _open(tmp_path)
    ledger.fenced_by(Fence(None))
    with pytest.raises(LeaseHeld):
        ledger.spend(SWAP.id, SHAPE)
    assert (ledger.left(SWAP.id), journal.records()) == (1, ())
    assert not ledger.left_process(SWAP.id)
    journal.close()


@pytest.mark.parametrize("second", [None, 8])
def test_a_lease_lost_while_the_intent_is_written_stops_the_send(
    tmp_path: Path, second: int | None
) -> None:
    """The disk was slow: the intent stands, is taken back, and the permission is there again."""
    journal, ledger, _ = _open(tmp_path)
    ledger.fenced_by(Fence(7, second))
    with pytest.raises(LeaseHeld):
        ledger.spend(SWAP.id, SHAPE)
    assert ledger.left(SWAP.id) == 1
    assert not ledger.left_process(SWAP.id)
    intent, back = journal.records()
    assert (intent.kind, back.kind) == (RecordKind.INTENT, RecordKind.RETURNED)
    assert back.get("sent") is False
    journal.close()
    journal, ledger, _ = _open(tmp_path)
    assert ledger.left(SWAP.id) == 1
    ledger.spend(SWAP.id, SHAPE)
    assert ledger.left_process(SWAP.id)
    journal.close()


def test_only_a_move_toward_safety_may_be_given_back_more_than_once() -> None:
    assert effect("halt#rules", Direction.TOWARD, returns_max=RETURNS_TOWARD_MAX).returns_max == 5
    for direction in (Direction.AWAY, Direction.NEITHER):
        with pytest.raises(ValueError, match="only a move toward safety may be given back"):
            effect("revert#swap", direction, returns_max=2)
    with pytest.raises(ValueError, match="less than or equal to 5"):
        effect("halt#rules", Direction.TOWARD, returns_max=6)
