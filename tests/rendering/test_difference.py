"""What changed between two plans, in a reviewer's terms."""

from __future__ import annotations

from datetime import timedelta

from rollback.model.effect import FileWrite
from rollback.model.plan import Plan
from rollback.rendering.difference import difference
from tests.builders import NOW, halt_step, make_plan, revert_step


def test_two_plans_of_the_same_thing_do_not_differ() -> None:
    later = make_plan(
        nonce="f" * 32, created=NOW + timedelta(minutes=5), expires=NOW + timedelta(minutes=65)
    )
    assert difference(make_plan(), later) == ()


def test_the_folder_that_is_named_by_the_nonce_is_no_difference() -> None:
    def kept(nonce: str) -> Plan:
        file = FileWrite(
            id="upkeep#bundle", path=f"/srv/{nonce}", bytes_max=1, times_max=1, says="seal"
        )
        return make_plan(nonce=nonce, upkeep=(file,))

    assert difference(kept("e" * 32), kept("f" * 32)) == ()
    other = kept("f" * 32).model_copy(update={"nonce": "0" * 32})
    assert difference(kept("e" * 32), other) != ()


def test_a_step_more_and_an_approver_more_are_told() -> None:
    few = make_plan(steps=(halt_step(),))
    more = make_plan(
        steps=(halt_step(), revert_step()), approvals=few.approvals.model_copy(update={"count": 3})
    )
    told = difference(few, more)
    assert any(each.section.startswith("Step revert-backend") and each.sign == "+" for each in told)
    assert any(each.sign == "+" and "3 people must sign" in each.text for each in told)
    assert any(each.sign == "-" and "2 people must sign" in each.text for each in told)
