"""A move toward safety is believed only while the world still makes it one."""

from __future__ import annotations

import pytest

from rollback.model.base import Value, facts
from rollback.model.change import Change, NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.running.direction import not_toward_any_more


def change(
    before: Value, after: Value, direction: Direction = Direction.TOWARD, id: str = "rules"
) -> Update:
    return Update(
        id=id, resource="web/traffic", summary="x", before=facts(rules=before),
        after=facts(rules=after), effects=(), direction=direction,
    )  # fmt: skip


PLANNED = change(("bad=20", "stable=10"), ("stable=10",))


@pytest.mark.parametrize(
    "now",
    [
        (),
        (PLANNED,),
        (RefusedChange(id="rules", resource="x", code="x", reason="unreadable", next_move="x"),),
        (change(("bad=20", "worse=1", "stable=10"), ("stable=10",)),),
        (change(("bad=20", "stable=10"), ()),),
    ],
    ids=["gone", "same", "unreadable", "one more bad rule", "what was kept is bad as well"],
)
def test_it_goes(now: tuple[Change, ...]) -> None:
    assert not not_toward_any_more(PLANNED, now, ())


@pytest.mark.parametrize(
    "now",
    [
        (NoOp(id="rules", resource="x", reason="the rule stays"),),
        (change(("bad=20", "stable=10"), ("stable=10",), Direction.AWAY),),
        (change(("bad=20", "stable=10", "good=5"), ("stable=10", "good=5")),),
        (change(("bad=20",), ()),),
    ],
    ids=["it stays now", "away", "a rule that is to stay would go", "a rule that is gone would come back"],
)
def test_it_does_not_go(now: tuple[Change, ...]) -> None:
    assert not_toward_any_more(PLANNED, now, ())


def test_a_single_value_has_to_be_the_one_that_is_needed() -> None:
    planned = change("production", "")
    assert not not_toward_any_more(planned, (change("production", ""),), ())
    assert not not_toward_any_more(planned, (change("staging", ""),), ())
    assert not_toward_any_more(planned, (change("production", "other"),), ())
