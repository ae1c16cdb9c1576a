"""A world as the deployment actions see it, without any platform: the standard story in facts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollback.model.base import facts
from rollback.model.observation import Observation, World
from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from collections.abc import Mapping

AT = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
COMPARED = frozenset(
    {"state", "image", "builds", "preview_target", "operation", "auto_swap", "rules", "moving"}
    | {"trading_loop_problem"}
)
DIGESTS = {
    names.OLD_BUILD: "9" * 64,
    names.STABLE_BUILD: "1" * 64,
    names.BAD_BUILD: "2" * 64,
    names.THIRD_BUILD: "3" * 64,
}


def image(site: str, build: str) -> str:
    """The image of a build, by a digest that a reader recognises."""
    return f"registry.example/{site}@sha256:{DIGESTS[build]}"


def _slot(site: str, slot: str, build: str, loop: str) -> dict[str, Any]:
    return {
        "state": "Running",
        "image": image(site, build),
        "builds": (build,),
        "preview_target": "",
        "operation": "",
        "auto_swap": "",
        "instances": (f"{slot}-1", f"{slot}-2"),
        "unanswered": (),
        "swap_at": "2026-11-23T01:54:00Z",
        "trading_loop": (loop,),
        "warmup_path": "/api/release",
        "warmup_statuses": "200",
    }


def standard() -> dict[str, dict[str, Any]]:
    """Return facts by resource: the bad release is live, the stable one waits in the slots."""
    world: dict[str, dict[str, Any]] = {
        "control/trading": {"schema": 4},
        "control/flags": {"enabled": ("backtest",)},
        "control/orders": {"count": 2},
    }
    for name, site in (("backend", names.BACKEND), ("web", names.WEB)):
        world |= {
            f"{name}/slot/production": _slot(site, "production", names.BAD_BUILD, "leader-lease"),
            f"{name}/slot/staging": _slot(site, "staging", names.STABLE_BUILD, "sticky-off"),
            f"{name}/traffic": {"rules": ()},
            f"{name}/settings-difference/staging": {
                "moving": ("RELEASE",),
                "cosmos_or_platform": (),
            },
            f"{name}/history": {
                "last_stable": names.STABLE_BUILD,
                "last_stable_since": "2026-11-21T02:14:00.000Z",
                "last_stable_by": "deployment ledgers and swaps",
                "agrees": True,
                "rolled_out": names.BAD_BUILD,
            },
            f"{name}/pipeline": {
                "state": "active",
                "queued": (),
                "waiting": (),
                "in_progress": (),
                "pending": (),
            },
        }
    return world


def with_facts(changes: Mapping[str, Mapping[str, Any] | None]) -> World:
    """Return the standard world with facts replaced; a resource set to null was not observed.

    ``gaps`` are the resource's gaps: nothing else of it was seen then.
    """
    world = standard()
    gaps: dict[str, tuple[str, ...]] = {}
    for resource, given in changes.items():
        if given is None:
            world.pop(resource)
        elif "gaps" in given:
            world[resource], gaps[resource] = {}, tuple(given["gaps"])
        else:
            world[resource] = {**world.get(resource, {}), **given}
    return World(
        observations=tuple(
            Observation(
                resource=resource,
                compared=facts(**_tuples(values, resource, compared=True)),
                context=facts(**_tuples(values, resource, compared=False)),
                gaps=gaps.get(resource, ()),
                at=AT,
            )
            for resource, values in sorted(world.items())
        )
    )


def _tuples(values: Mapping[str, Any], resource: str, *, compared: bool) -> dict[str, Any]:
    names_ = COMPARED - {"state"} if resource.startswith("control/") else COMPARED
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if (name in names_) is compared
    }
