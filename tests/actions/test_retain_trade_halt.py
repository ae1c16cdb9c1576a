"""Halt authority read from real hosts, instance by instance, and what a step makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rollback.actions.authority_reading import read_authority
from rollback.actions.retain_trade_halt import RetainTradeHalt, judge_now
from rollback.model.authority import Strength, Verdict
from rollback.model.change import NoOp, RefusedChange
from rollback.model.observation import World
from rollback.model.plan import PlannedStep
from rollback.model.steps import RetainTradeHalt as Spec
from rollback.planning.authority import from_observation
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import instance_id
from tests.actions.loopback import context, environment, halt_authority, opened

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.rehearsal.simulator.process import Simulator

ACTION = RetainTradeHalt()
BACKEND = f"{names.BACKEND}.azurewebsites.net"


def look(env: Environment, slot: str = "production") -> tuple[Verdict, str]:
    with opened(env) as under:
        judged = judge_now(env, slot, under.clients)
    return judged.verdict, "; ".join(judged.reasons)


def seen(env: Environment) -> World:
    with opened(env) as under:
        return World(observations=ACTION.observe(context(env, Spec()), under.clients))


def test_every_instance_is_asked_with_both_tokens(simulator: Simulator) -> None:
    env = environment(simulator)
    with opened(env) as under:
        reading = read_authority(env, "production", under.clients)
        judged = judge_now(env, "staging", under.clients)
    assert len(reading.instances) == 3
    assert {probe.instance for probe in reading.probes} == set(reading.instances)
    assert {probe.instance for probe in reading.controls} == set(reading.instances)
    assert len({probe.store_etag for probe in reading.probes}) == 1
    assert judged.verdict is Verdict.RETAINED
    assert judged.builds == (names.STABLE_BUILD,)
    assert look(env)[0] is Verdict.RETAINED


@pytest.mark.parametrize(
    ("behaviour", "verdict", "says"),
    [
        ("denies", Verdict.LOST, "denies halting scope global"),
        ("yes-to-everyone", Verdict.UNKNOWN, "yes to everyone"),
        ("stale-nonce", Verdict.UNKNOWN, "nonce"),
        ("store-unreachable", Verdict.UNKNOWN, "store"),
        ("silent", Verdict.LOST, "no instance answered 3 probes"),
        ("missing", Verdict.UNKNOWN, "no authority endpoint"),
    ],
)
def test_what_a_broken_endpoint_amounts_to(
    simulator: Simulator, behaviour: str, verdict: Verdict, says: str
) -> None:
    simulator.control.fault("authority", behaviour=behaviour, site=names.BACKEND, slot="production")
    found, reasons = look(environment(simulator))
    assert found is verdict
    assert says in reasons


def test_one_silent_instance_is_unknown_not_lost(simulator: Simulator) -> None:
    one = instance_id(names.BACKEND, "production", 1)
    simulator.control.fault("authority", behaviour="silent", instance=one)
    found, reasons = look(environment(simulator))
    assert found is Verdict.UNKNOWN
    assert one[:8] in reasons


def test_without_the_endpoint_two_weak_proofs_are_a_weak_yes(simulator: Simulator) -> None:
    simulator.control.fault("authority", behaviour="missing", site=names.BACKEND, slot="production")
    weak = halt_authority(weak_proofs=["state-read", "permission-check"])
    env = environment(simulator, halt_authority=weak)
    with opened(env) as under:
        judged = judge_now(env, "production", under.clients)
    assert (judged.verdict, judged.strength) == (Verdict.RETAINED, Strength.WEAK)
    assert judged.builds == (names.BAD_BUILD,)
    single = halt_authority(weak_proofs=["state-read"])
    assert look(environment(simulator, halt_authority=single))[0] is Verdict.UNKNOWN


def test_nobody_to_list_the_instances_is_unknown_with_the_reason(simulator: Simulator) -> None:
    simulator.control.fault("drop", host=names.ARM_HOST, count=0)
    found, reasons = look(environment(simulator))
    assert found is Verdict.UNKNOWN
    assert "no instance is listed; " in reasons


def test_observing_says_what_is_live(simulator: Simulator) -> None:
    world = seen(environment(simulator))
    assert {one.resource for one in world.observations} == {
        "authority/backend/production",
        "authority/backend/staging",
        "control/trading",
        "control/flags",
        "control/orders",
        "platform/health",
    }
    assert all(one.compared == () for one in world.observations)
    assert [one.gaps for one in world.observations if one.gaps] == []
    assert world.get("control/trading", "halted") == ()
    assert world.get("control/trading", "etag")
    assert "backtest" in (world.get("control/flags", "enabled") or ())  # type: ignore[operator]
    assert isinstance(world.get("control/orders", "count"), int)
    assert world.get("platform/health", "problem") == ""
    assert from_observation(world.observations[0]) is not None


def test_a_plan_of_proved_authority_has_no_changes(simulator: Simulator) -> None:
    env = environment(simulator)
    made = ACTION.plan(context(env, Spec()), seen(env))
    assert all(isinstance(change, NoOp) for change in made.changes)
    assert len(made.changes) == 2
    assert [getattr(one, "reason", "")[:26] for one in made.changes] == [
        "halt authority is retained"
    ] * 2
    assert made.findings == ()


def test_a_bad_release_without_authority_leaves_the_slot_as_the_way_back(
    simulator: Simulator,
) -> None:
    simulator.control.fault("authority", behaviour="denies", build=names.BAD_BUILD)
    env = environment(simulator)
    made = ACTION.plan(context(env, Spec()), seen(env))
    assert all(isinstance(change, NoOp) for change in made.changes)
    assert [one.code for one in made.findings] == ["authority.lost"]
    assert verified(env)


def test_no_release_with_authority_is_a_refusal(simulator: Simulator) -> None:
    simulator.control.fault("authority", behaviour="yes-to-everyone")
    env = environment(simulator)
    made = ACTION.plan(context(env, Spec()), seen(env))
    (refused,) = made.changes
    assert isinstance(refused, RefusedChange)
    assert refused.code == "authority.unknown"
    assert refused.promise == "halt-authority-retained"
    assert not verified(env)


def test_a_world_nobody_looked_at_is_refused() -> None:
    (refused,) = ACTION.plan(context(environment(), Spec()), World()).changes
    assert isinstance(refused, RefusedChange)


def verified(env: Environment) -> bool:
    with opened(env) as under:
        planned = PlannedStep(name="authority", action=ACTION.name, spec=())
        held = ACTION.verify(context(env, Spec()), planned, under.clients)
        assert sum(under.clock.waited) <= env.halt_authority.watch_interval_s * 2
        return held.holds


def test_verifying_again(simulator: Simulator) -> None:
    assert verified(environment(simulator))


def test_an_operators_halt_is_told(simulator: Simulator) -> None:
    simulator.control.act("halt_trading", scope="tenant:acme", by="operator:kim")
    env = environment(simulator)
    world = seen(env)
    simulator.control.act("halt_trading", scope="tenant:acme", halted=False)
    assert world.get("control/trading", "halted") == ("tenant:acme",)
    assert world.get("control/trading", "by") == ("operator:kim",)
    made = ACTION.plan(context(env, Spec()), world)
    (told,) = [one for one in made.findings if one.code == "control.halted"]
    assert "tenant:acme" in told.text
    assert "operator:kim" in told.text


def test_platform_down_is_a_gap(simulator: Simulator) -> None:
    simulator.control.fault("platform_down")
    world = seen(environment(simulator))
    found = world.find("platform/health")
    assert found is not None
    assert found.gaps
    assert world.get("platform/health", "problem")
