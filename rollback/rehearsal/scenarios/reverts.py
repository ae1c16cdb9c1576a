"""How a release is reverted: swaps that go wrong, slots, artifacts, trading loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.simulator import names, stories

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.simulator.process import Simulator
    from rollback.rehearsal.simulator.world import World


def _artifact_denies(world: World) -> World:
    other = stories.holding(world, names.BACKEND, names.STAGING, names.THIRD_BUILD)
    return stories.with_authority(other, names.STABLE_BUILD, "denies")


def _stop_both(world: World) -> World:
    return stories.stopped(world, names.WEB)


def _both_hosts_swap(fault: str) -> Callable[[Simulator], None]:
    def throw(sim: Simulator) -> None:
        sim.control.fault(fault, site=names.WEB, count=1)

    return throw


REVERTS: tuple[Scenario, ...] = (
    Scenario("clean", "a bad release is live on backend and web", (0,), swaps=1),
    Scenario(
        "already-rolled-back",
        "everything serves the stable release already: a plan of no-ops",
        (0,),
        world=stories.already_rolled_back,
        sends_nothing=True,
    ),
    Scenario(
        "rule-since-planning",
        "after planning a ramp-up rule leads users to the backend's stable slot: not swapped",
        (5,),
        before_apply=lambda sim: sim.control.act("set_ramp", site=names.BACKEND, percent=20),
        play=acts.backend_stays,
    ),
    Scenario(
        "swap-500-after-effect",
        "the swap is answered 500 after it took effect: read, not resent",
        (0,),
        before_apply=_both_hosts_swap("swap_500_after_effect"),
        swaps=1,
    ),
    Scenario(
        "swap-500-without-effect",
        "the swap is answered 500 and nothing happened: a person says so, then it goes on",
        (0,),
        play=acts.person_says_not_applied,
        before_apply=_both_hosts_swap("swap_500_without_effect"),
        swaps=1,
    ),
    Scenario(
        "swap-response-lost",
        "the connection drops after the swap was taken",
        (0, 6),
        before_apply=_both_hosts_swap("swap_response_dropped_after_effect"),
    ),
    Scenario(
        "swap-never-ends",
        "the swap stays in progress: bounded, then a person",
        (6,),
        before_apply=lambda sim: sim.control.fault("swap_never_ends", site=names.WEB),
    ),
    Scenario(
        "operation-in-progress",
        "somebody else's operation holds the site: wait, bounded, then a person",
        (6,),
        before_apply=lambda sim: sim.control.fault("other_operation_in_progress", site=names.WEB),
        swaps=0,
    ),
    Scenario(
        "third-build-on-slot",
        "somebody deployed a third build to the slot: refused, the artifact way is named",
        (3,),
        world=lambda world: stories.holding(world, names.BACKEND, names.STAGING, names.THIRD_BUILD),
        play=acts.refused_naming_the_artifact,
        swaps=0,
    ),
    Scenario(
        "third-build-artifact-chosen",
        "the slot is filled with the retained artifact by digest, proved, swapped",
        (0,),
        world=lambda world: stories.holding(world, names.WEB, names.STAGING, names.THIRD_BUILD),
        parameters={"way": "artifact"},
        swaps=1,
    ),
    Scenario(
        "warm-up-500",
        "the stable build answers 500: it never takes traffic",
        (3, 8),
        world=lambda world: stories.unhealthy(world, names.STABLE_BUILD),
        swaps=0,
    ),
    Scenario(
        "one-instance-differs",
        "one instance of the slot serves another build",
        (3,),
        world=lambda world: stories.mixed(
            world, names.BACKEND, names.STAGING, 1, names.THIRD_BUILD
        ),
        swaps=0,
    ),
    Scenario(
        "stable-slot-stopped",
        "the slot that holds the stable release is stopped: starting it is an effect",
        (0,),
        world=_stop_both,
        swaps=1,
    ),
    Scenario(
        "backend-slot-stopped",
        "the backend's stable slot is stopped: it proves halt authority once started, then it goes",
        (0,),
        world=lambda world: stories.stopped(world, names.BACKEND),
        play=acts.proved_while_applying,
        swaps=1,
    ),
    Scenario(
        "backend-artifact-chosen",
        "the backend's slot is filled by digest: it proves halt authority there, then it goes",
        (0,),
        world=lambda world: stories.holding(world, names.BACKEND, names.STAGING, names.THIRD_BUILD),
        parameters={"way": "artifact"},
        play=acts.proved_while_applying,
        swaps=1,
    ),
    Scenario(
        "backend-artifact-denies",
        "the artifact starts on the backend's slot and denies the halt: nobody is moved to it",
        (7,),
        world=_artifact_denies,
        parameters={"way": "artifact"},
        trigger="halt-not-applying",
        play=acts.proved_while_applying,
        swaps=0,
    ),
    Scenario(
        "two-loops-attested",
        "the warming slot can trade; a named person attests that trading is halted",
        (0,),
        world=lambda world: stories.trading_in_slot(world, names.BACKEND),
        attestations={"trading-halted": "dana: halted at the desk, no order was sent since 02:10"},
        play=acts.orders_are_listed,
        swaps=1,
    ),
    Scenario(
        "two-loops-not-attested",
        "the warming slot can trade and nobody attests: the backend is not moved",
        (4,),
        world=lambda world: stories.trading_in_slot(world, names.BACKEND),
        trigger="halt-not-applying",
        swaps=0,
    ),
)
