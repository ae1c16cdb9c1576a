"""A person's word, and a message to a channel: both at most once, neither ever assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rollback.actions.confirm import Confirm
from rollback.actions.notify import Notify, marker
from rollback.errors import ConnectorError, GuardRefusal
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.change import NoOp, Update
from rollback.model.direction import Direction
from rollback.model.observation import World
from rollback.model.record import Outcome
from rollback.model.scope import Phase, VerdictKind
from rollback.model.steps import Confirm as ConfirmSpec
from rollback.model.steps import Notify as NotifySpec
from rollback.rehearsal.simulator import names
from tests.actions.loopback import context, environment, opened

if TYPE_CHECKING:
    from rollback.model.ports import StepContext
    from rollback.rehearsal.simulator.process import Simulator


def told(simulator: Simulator) -> list[dict[str, object]]:
    return list(simulator.control.world().incidents)


def planned(step: StepContext) -> Update:
    (change,) = Notify().plan(step, World()).changes
    assert isinstance(change, Update)
    return change


def step_of(simulator: Simulator) -> StepContext:
    spec = NotifySpec(channel="incidents")
    return context(environment(simulator), spec, "tell", incident="INC-4711", trigger="tenant-leak")


def test_a_confirmation_has_no_effect_and_is_not_assumed() -> None:
    spec = ConfirmSpec(statement="trading is halted at the venue")
    step = context(environment(), spec, "venue")
    (change,) = Confirm().plan(step, World()).changes
    assert isinstance(change, Update)
    assert (change.id, change.effects, change.direction) == ("attest", (), Direction.NEITHER)
    assert "trading is halted at the venue" in change.summary
    with opened(step.environment) as under:
        assert Confirm().look(step, change, under.clients, ()).outcome is Outcome.NOT_APPLIED


def test_a_message_is_posted_once(simulator: Simulator) -> None:
    step = step_of(simulator)
    change = planned(step)
    (effect,) = change.effects
    env = step.environment
    assert judge_effect(effect, perimeter_of(env), env).kind is VerdictKind.ALLOW
    before = len(told(simulator))
    with opened(env, change.effects, phase=Phase.APPLY) as under:
        performed = Notify().perform(step, change, under.clients)
        assert Notify().look(step, change, under.clients, performed.facts).outcome is (
            Outcome.APPLIED
        )
        with pytest.raises(GuardRefusal):
            Notify().perform(step, change, under.clients)
    (message,) = told(simulator)[before:]
    assert message["incident"] == "INC-4711"
    assert message["environment"] == env.environment
    assert message["marker"] == marker(step)


@pytest.mark.parametrize("fault", ["webhook_down", "status"])
def test_an_answer_that_did_not_come_leaves_it_unknown(simulator: Simulator, fault: str) -> None:
    params: dict[str, Any] = {}
    if fault == "status":
        params = {"status": 500, "host": names.WEBHOOK_HOST, "count": 0}
    simulator.control.fault(fault, **params)
    step = step_of(simulator)
    change = planned(step)
    with opened(step.environment, change.effects, phase=Phase.APPLY) as under:
        with pytest.raises(ConnectorError):
            Notify().perform(step, change, under.clients)
        assert len(under.ledger.spent) == 1
        assert Notify().look(step, change, under.clients, ()).outcome is Outcome.UNKNOWN


def test_a_channel_nobody_knows_stops_nothing_and_is_told() -> None:
    step = context(environment(), NotifySpec(channel="nowhere"), "tell")
    made = Notify().plan(step, World())
    assert isinstance(made.changes[0], NoOp)
    assert "incidents" in made.changes[0].reason
    assert [one.weight for one in made.findings] == ["weak"]
