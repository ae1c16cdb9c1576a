"""Who reaches what, and releases that may not be restored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.simulator import names, stories

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.world import World


def _surface(content: dict[str, Any], name: str, **over: Any) -> dict[str, Any]:
    surfaces = content["surfaces"]
    return {**content, "surfaces": {**surfaces, name: {**surfaces[name], **over}}}


def _on_hold(content: dict[str, Any]) -> dict[str, Any]:
    backend = content["surfaces"]["backend"]
    releases = [
        {**one, "on_hold": True} if one["build"] == names.STABLE_BUILD else one
        for one in backend["releases"]
    ]
    return _surface(content, "backend", releases=releases)


def _bad_ramps_to_stable(world: World) -> World:
    return stories.ramped(world, names.BACKEND, 20.0)


def _ramped_to_bad(world: World) -> World:
    return stories.ramped(stories.already_rolled_back(world), names.WEB, 20.0)


def _canary(world: World) -> World:
    return stories.ramped(world, names.WEB, 10.0, pinned=17)


def _cosmos_setting(world: World) -> World:
    return stories.with_setting(
        world, names.BACKEND, names.STAGING, "COSMOS_DATABASE", "trading-old"
    )


ROUTES: tuple[Scenario, ...] = (
    Scenario(
        "canary-pinned-by-cookie",
        "canary users are pinned by cookie: residual exposure with its time",
        (0,),
        world=_canary,
        play=acts.exposure_is_reported,
        swaps=1,
    ),
    Scenario(
        "ramp-rule-to-stable",
        "production is bad and the rule sends users to the stable slot: a halt keeps it",
        (0,),
        world=_bad_ramps_to_stable,
        play=acts.rule_is_kept,
    ),
    Scenario(
        "halt-turned-round",
        "between plan and apply somebody swaps, so that the rule protects users now: it stays",
        (5,),
        world=_ramped_to_bad,
        play=acts.halt_turned_round,
    ),
    Scenario(
        "below-floor",
        "the release asked for is below the rollback floor",
        (3,),
        parameters={"to": names.OLD_BUILD},
        swaps=0,
    ),
    Scenario("on-hold", "the stable release is on hold", (3,), settings=_on_hold, swaps=0),
    Scenario(
        "settings-carry-cosmos",
        "the swap would carry a Cosmos setting across",
        (3,),
        world=_cosmos_setting,
        swaps=0,
    ),
)
