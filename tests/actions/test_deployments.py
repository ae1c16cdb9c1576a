"""Halt, revert and restore against the simulated platform: real SDKs, TLS, the guard in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rollback.actions.halt_rollout import HaltRolloutAction
from rollback.actions.restore_traffic import RestoreTrafficAction
from rollback.actions.revert_deployment import RevertDeploymentAction
from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.observation import World as Seen
from rollback.model.record import Outcome
from rollback.model.steps import HaltRollout, RestoreTraffic, RevertDeployment
from rollback.rehearsal.simulator import names, stories
from rollback.rehearsal.simulator.process import Simulator
from tests.actions.deployments import act, look, plan, see, send, trading, verify
from tests.actions.loopback import context, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollback.model.environment import Environment
    from rollback.model.ports import ActionPlan
    from rollback.rehearsal.simulator.world import World

HALT, REVERT, RESTORE = HaltRolloutAction(), RevertDeploymentAction(), RestoreTrafficAction()
BOTH = HaltRollout(surfaces=("backend", "web", "mobile"))
APPLIED, NOT_APPLIED = Outcome.APPLIED, Outcome.NOT_APPLIED

Start = "Callable[[World], Simulator]"


def revert(name: str = "backend", **changes: Any) -> RevertDeployment:
    return RevertDeployment(surfaces=(name,), **changes)


def restore(*surfaces: str) -> RestoreTraffic:
    return RestoreTraffic(surfaces=surfaces, settle=0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[World], Simulator]]:
    """Return how to start a simulator with a world; its swaps are quick."""
    running: list[Simulator] = []

    def begin(world: World) -> Simulator:
        world.timings.swap_s, world.timings.start_s = 0.1, 0.05
        running.append(Simulator.start(tmp_path / f"s{len(running)}", world))
        return running[-1]

    yield begin
    for each in running:
        each.close()


def writes(sim: Simulator) -> list[str]:
    """Writes that the platform received, but for token requests and reads by POST."""
    reads = ("/token", "/slotsdiffs", "/list", "/containerlogs")
    return [
        f"{entry.method} {entry.path.rpartition('/')[2]}"
        for entry in sim.control.ledger()
        if entry.method not in {"GET", "HEAD"} and not entry.path.endswith(reads)
    ]


def test_a_revert_by_swap_is_sent_once_and_proved_from_outside(start: Any) -> None:
    sim = start(stories.default_world())
    env = trading(sim)
    for name, site in (("web", names.WEB), ("backend", names.BACKEND)):
        acted = act(env, REVERT, revert(name), surface=name)
        assert acted.outcomes == {"swap": APPLIED}
        assert acted.verified is not None
        assert acted.verified.holds
        assert sim.control.swaps(site) == 1
        assert acted.plan.summaries[0].to_build == names.STABLE_BUILD
        assert "history" in acted.plan.summaries[0].identified_by
    assert writes(sim) == ["POST slotsswap"] * 2
    again = plan(env, REVERT, revert("web"), surface="web")
    assert [type(one) for one in again.plan.changes] == [NoOp]
    assert "already" in again.reasons
    seen = act(env, RESTORE, restore("web", "backend"))
    assert seen.verified is not None
    assert seen.verified.holds, seen.verified
    assert not seen.outcomes
    assert {check.weight for check in seen.verified.checks} == {"must", "note"}
    assert writes(sim) == ["POST slotsswap"] * 2


@pytest.mark.parametrize(
    ("fault", "outcome", "swaps"),
    [
        ("swap_500_after_effect", APPLIED, 1),
        ("swap_500_without_effect", NOT_APPLIED, 0),
        ("swap_response_dropped_after_effect", APPLIED, 1),
        ("swap_response_dropped_without_effect", NOT_APPLIED, 0),
        ("swap_503", NOT_APPLIED, 0),
        ("swap_429", NOT_APPLIED, 0),
    ],
)
def test_a_lost_answer_is_resolved_by_looking(
    start: Any, fault: str, outcome: Outcome, swaps: int
) -> None:
    sim = start(stories.default_world())
    sim.control.fault(fault)
    acted = act(trading(sim), REVERT, revert(), surface="backend")
    assert acted.problems
    assert acted.outcomes == {"swap": outcome}
    assert sim.control.swaps(names.BACKEND) == swaps
    assert writes(sim) == ["POST slotsswap"]


def test_after_a_crash_the_world_alone_tells(start: Any) -> None:
    sim = start(stories.default_world())
    env = trading(sim)
    before = plan(env, REVERT, revert(), surface="backend")
    swap = next(one for one in before.plan.changes if isinstance(one, Update))
    assert look(env, REVERT, revert(), swap, surface="backend").outcome is NOT_APPLIED
    act(env, REVERT, revert(), surface="backend")
    assert look(env, REVERT, revert(), swap, surface="backend").outcome is APPLIED


def test_a_build_that_does_not_answer_on_its_slot_takes_no_traffic(start: Any) -> None:
    sim = start(stories.unhealthy(stories.default_world(), names.STABLE_BUILD))
    acted = plan(trading(sim), REVERT, revert("web"), surface="web")
    (refusal,) = acted.refusals
    assert refusal.code == "revert.no-way"
    assert all(f"{way}: " in refusal.reason for way in ("swap", "artifact", "image"))


def test_a_warm_up_that_fails_is_told_at_once_and_moves_nobody(start: Any) -> None:
    statuses = "WEBSITE_SWAP_WARMUP_PING_STATUSES"
    world = stories.with_setting(stories.default_world(), names.WEB, "staging", statuses, "204")
    sim = start(world)
    env = trading(sim, policy={"quiet_s": 600, "settle_s": 1})
    acted = act(env, REVERT, revert("web"), surface="web")
    assert acted.outcomes == {"swap": NOT_APPLIED}
    assert "could not be started" in acted.looks["swap"].reason
    assert acted.verified is not None
    assert not acted.verified.holds
    assert sim.control.swaps(names.WEB) == 0


def test_an_operation_in_progress_is_shown_and_never_raced(start: Any) -> None:
    sim = start(stories.default_world())
    env = trading(sim)
    sim.control.fault("other_operation_in_progress", site=names.BACKEND)
    acted = plan(env, REVERT, revert(), surface="backend")
    assert "provider.busy" in acted.codes
    (swap,) = (one for one in acted.plan.changes if isinstance(one, Update))
    performed = send(acted, env, REVERT, revert(), swap, surface="backend")
    assert "another operation is in progress" in acted.problems["swap"]
    with opened(env) as under:
        step = context(env, revert(), surface="backend")
        told = REVERT.look(step, swap, under.clients, performed)
    assert told.outcome is None
    assert "is in progress" in told.reason
    assert sim.control.swaps(names.BACKEND) == 0


REFUSED: list[tuple[str, Callable[[World], World], dict[str, Any], str, str]] = [
    (
        "third build",
        lambda w: stories.holding(w, names.BACKEND, "staging", names.THIRD_BUILD),
        {},
        "revert.no-way",
        "--set way=artifact",
    ),
    (
        "mixed slot",
        lambda w: stories.mixed(w, names.BACKEND, "staging", 1, names.THIRD_BUILD),
        {},
        "revert.no-way",
        "every instance",
    ),
    (
        "Cosmos setting",
        lambda w: stories.with_setting(w, names.BACKEND, "staging", "COSMOS_DATABASE", "other"),
        {},
        "settings.control-plane",
        "slot settings",
    ),
    (
        "same address, other name",
        lambda w: stories.with_setting(
            w, names.BACKEND, "staging", "LEDGER", f"https://{names.COSMOS_HOST}:443/"
        ),
        {},
        "settings.control-plane",
        "slot settings",
    ),
    (
        "preview",
        lambda w: stories.preview_pending(w, names.BACKEND),
        {},
        "swap.preview-pending",
        "cancel the preview",
    ),
    (
        "below the floor",
        lambda w: w,
        {"to": names.OLD_BUILD},
        "release.below-floor",
        "or a later release",
    ),
    ("unknown build", lambda w: w, {"to": "2026.9.9"}, "release.unknown", "catalogue"),
    ("way not allowed", lambda w: w, {"way": "image"}, "revert.way-not-allowed", "swap, artifact"),
]


@pytest.mark.parametrize(
    ("change", "spec", "code", "move"),
    [one[1:] for one in REFUSED],
    ids=[one[0] for one in REFUSED],
)
def test_refused_with_the_next_possible_move(
    start: Any, change: Any, spec: dict[str, Any], code: str, move: str
) -> None:
    sim = start(change(stories.default_world()))
    env = trading(sim, backend={"ways": ["swap", "artifact"]})
    acted = plan(env, REVERT, revert(**spec), surface="backend")
    (refusal,) = acted.refusals
    assert refusal.code == code, refusal
    assert move in refusal.next_move
    assert not any(isinstance(one, Update) for one in acted.plan.changes)


def test_an_overwritten_slot_is_filled_by_digest_when_chosen(start: Any) -> None:
    world = stories.holding(stories.default_world(), names.WEB, "staging", names.THIRD_BUILD)
    sim = start(world)
    acted = act(trading(sim), REVERT, revert("web", way="artifact"), surface="web")
    assert acted.outcomes == {"fill": APPLIED, "swap": APPLIED}
    assert acted.verified is not None
    assert acted.verified.holds
    assert writes(sim) == ["PATCH web", "POST slotsswap"]


@pytest.mark.parametrize("build", [names.STABLE_BUILD, names.THIRD_BUILD])
def test_a_stopped_slot_is_started_before_the_swap(start: Any, build: str) -> None:
    held = stories.holding(stories.default_world(), names.WEB, "staging", build)
    sim = start(stories.stopped(held, names.WEB))
    way = "swap" if build == names.STABLE_BUILD else "artifact"
    acted = act(trading(sim), REVERT, revert("web", way=way), surface="web")
    filled = {"fill": APPLIED} if way == "artifact" else {}
    assert acted.outcomes == {**filled, "start": APPLIED, "swap": APPLIED}
    assert all(
        one.direction is Direction.AWAY for one in acted.plan.changes if isinstance(one, Update)
    )


def _beside_the_rules(env: Environment, spec: RevertDeployment) -> ActionPlan:
    """A revert planned in a world where another step of the plan has read the rules."""
    seen = (*see(env, RESTORE, restore("backend")).observations, *see(env, REVERT, spec).observations)
    world = Seen(observations=tuple({one.resource: one for one in seen}.values()))
    return REVERT.plan(context(env, spec), world)


def test_a_rule_to_the_slot_leads_back_once_it_is_swapped(start: Any) -> None:
    sim = start(stories.ramped(stories.default_world(), names.BACKEND, 20))
    made = _beside_the_rules(trading(sim), revert())
    (swap,) = (one for one in made.changes if isinstance(one, Update))
    assert swap.also_to == (names.BAD_BUILD,)
    (told,) = (one for one in made.findings if one.code == "swap.rule-leads-back")
    assert told.weight == "exposure"
    assert (
        f"20 % of users to slot staging: from the swap until the rules are emptied they are on {names.BAD_BUILD}"
        in told.text
    )


@pytest.mark.parametrize("way", ["swap", "artifact"])
def test_nothing_is_started_where_a_rule_sends_users_before_it_proved_authority(
    start: Any, way: str
) -> None:
    build = names.STABLE_BUILD if way == "swap" else names.THIRD_BUILD
    held = stories.holding(stories.default_world(), names.BACKEND, "staging", build)
    sim = start(stories.ramped(stories.stopped(held, names.BACKEND), names.BACKEND, 5))
    (refused,) = _beside_the_rules(trading(sim), revert(way=way)).changes
    assert isinstance(refused, RefusedChange)
    assert refused.code == "revert.no-way"
    assert "a ramp-up rule sends users to slot staging" in refused.reason


def test_an_image_is_pinned_by_digest(start: Any) -> None:
    sim = start(stories.default_world())
    acted = act(trading(sim), REVERT, revert("web", way="image"), surface="web")
    assert acted.outcomes == {"pin": APPLIED}
    assert acted.verified is not None
    assert acted.verified.holds
    assert sim.control.swaps(names.WEB) == 0


def test_reverted_before_by_somebody_else(start: Any) -> None:
    sim = start(stories.already_rolled_back(stories.default_world()))
    env = trading(sim, backend={"last_stable": None})
    acted = plan(env, REVERT, revert(), surface="backend")
    assert [type(one) for one in acted.plan.changes] == [NoOp]
    assert writes(sim) == []


def test_warm_up_that_accepts_anything_is_shown(start: Any) -> None:
    world = stories.without_setting(
        stories.default_world(), names.WEB, "WEBSITE_SWAP_WARMUP_PING_STATUSES"
    )
    acted = plan(trading(start(world)), REVERT, revert("web"), surface="web")
    assert "swap.warm-up-any-status" in acted.codes


def test_a_halt_stops_every_way_new_users_come(start: Any) -> None:
    world = stories.auto_swapping(stories.default_world(), names.WEB)
    for site in (names.BACKEND, names.WEB):
        world = stories.ramped(world, site, 15, pinned=3)
        world = stories.holding(world, site, "staging", names.BAD_BUILD)
    sim = start(world)
    env = trading(sim)
    acted = act(env, HALT, BOTH)
    assert set(acted.outcomes.values()) == {APPLIED}
    assert set(acted.outcomes) == {
        "ramp-rules-backend",
        "ramp-rules-web",
        "auto-swap-web-staging",
        "pipeline-backend",
        "pipeline-web",
        "cancel-backend-7002",
        "reject-web-7003",
    }
    assert acted.verified is not None
    assert acted.verified.holds
    updates = [one for one in acted.plan.changes if isinstance(one, Update)]
    assert {one.direction for one in updates} == {Direction.TOWARD}
    absolute = [one.id.startswith(("ramp", "auto", "pipeline")) for one in updates]
    assert absolute == sorted(absolute, reverse=True)
    assert {one.until_s for one in acted.plan.exposures} == {3600}
    again = plan(env, HALT, BOTH)
    assert not any(isinstance(one, Update) for one in again.plan.changes)


def test_a_rule_to_the_stable_release_stays(start: Any) -> None:
    sim = start(stories.ramped(stories.default_world(), names.BACKEND, 20))
    acted = plan(trading(sim), HALT, HaltRollout(surfaces=("backend",)))
    rules = next(one for one in acted.plan.changes if one.id == "ramp-rules-backend")
    assert isinstance(rules, NoOp)
    assert "halt.rule-kept" in acted.codes


def test_a_canary_of_the_bad_release_is_halted_and_its_traffic_restored(start: Any) -> None:
    world = stories.already_rolled_back(stories.default_world())
    sim = start(stories.ramped(world, names.WEB, 50, pinned=2))
    env = trading(sim)
    seen = plan(env, RESTORE, restore("web"))
    (move,) = seen.plan.changes
    assert isinstance(move, Update)
    assert move.direction is Direction.AWAY
    halted = act(env, HALT, HaltRollout(surfaces=("web",)))
    assert halted.outcomes["ramp-rules-web"] is APPLIED
    after = act(env, RESTORE, restore("web"))
    assert after.verified is not None
    assert after.verified.holds, after.verified


def test_traffic_is_not_restored_to_what_is_being_rolled_back(start: Any) -> None:
    env = trading(start(stories.default_world()))
    world = plan(env, HALT, BOTH).world
    made = RESTORE.plan(context(env, restore("web")), world)
    assert [getattr(one, "code", "") for one in made.changes] == ["traffic.not-reverted"]


def test_one_instance_with_another_build_is_seen(start: Any) -> None:
    sim = start(stories.already_rolled_back(stories.default_world()))
    env = trading(sim)
    acted = plan(env, RESTORE, restore("web"))
    sim.control.fault(
        "instance_serves", site=names.WEB, slot="production", index=2, build=names.BAD_BUILD
    )
    verified = verify(env, RESTORE, restore("web"), acted)
    failed = [check.name for check in verified.checks if not check.holds]
    assert len(failed) == 2
    assert f"{names.BAD_BUILD} x" in str(verified)


def test_what_cannot_be_read_is_a_gap_and_stops_only_what_stands_on_it(start: Any) -> None:
    sim = start(stories.default_world())
    env = trading(sim)
    sim.control.fault("github_down")
    sim.control.fault("status", host=names.ARM_HOST, path="eventtypes", status=403, count=0)
    acted = plan(env, HALT, HaltRollout(surfaces=("backend",)))
    assert {"halt.pipeline-unreadable"} <= acted.codes
    assert not acted.refusals
    back = plan(env, REVERT, revert(), surface="backend")
    assert "release.by-file-only" in back.codes
    assert [one.id for one in back.plan.changes] == ["swap"]


# --- two trading loops ---------------------------------------------------------------------------

STICKY = {"trading_loop": {"prevented_by": "sticky-setting", "setting": "TRADING_LOOP"}}


def _unstuck(world: World) -> World:
    changed = world.model_copy(deep=True)
    home = changed.sites[names.BACKEND]
    home.sticky = [name for name in home.sticky if name != "TRADING_LOOP"]
    return changed


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        (lambda world: world, ""),
        (lambda world: stories.stopped(world, names.BACKEND), ""),
        (_unstuck, "it does not stay with the slot"),
        (
            lambda world: stories.without_setting(world, names.BACKEND, "TRADING_LOOP"),
            "the slot has no such setting",
        ),
        (
            lambda world: stories.trading_in_slot(world, names.BACKEND),
            "it does not switch the loop off",
        ),
    ],
    ids=["off", "off-and-stopped", "not-sticky", "absent", "on"],
)
def test_the_sticky_setting_is_read_from_the_slot_itself(
    start: Any, story: Callable[[World], World], problem: str
) -> None:
    acted = plan(trading(start(story(stories.default_world())), backend=STICKY), REVERT, revert())
    seen = acted.world.find("backend/settings-difference/staging")
    assert seen is not None
    assert seen.get("trading_loop_problem") == problem
    words = {one.word for one in acted.plan.changes if isinstance(one, Update)}
    assert words == ({"trading-halted"} if problem else {""})
    assert {"trading.two-loops", "trading.sticky-until-swap"} & acted.codes == (
        {"trading.two-loops"} if problem else {"trading.sticky-until-swap"}
    )


def test_open_orders_are_listed_again_after_users_were_moved(start: Any) -> None:
    acted = act(trading(start(stories.default_world())), REVERT, revert())
    assert acted.verified is not None
    (orders,) = [one for one in acted.verified.checks if one.name == "open orders after"]
    assert (orders.weight, orders.seen) == ("note", "2 (o-1001, o-1002)")
