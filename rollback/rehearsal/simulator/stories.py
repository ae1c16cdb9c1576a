"""Worlds to rehearse in: the standard story, and variants stated as small functions on it.

Every variant takes a world and returns another one; none changes its argument.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Literal

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.store import control_containers
from rollback.rehearsal.simulator.world import (
    Activity,
    AuthorityBehaviour,
    Build,
    Deployment,
    Grant,
    Instance,
    PipelineRun,
    RampRule,
    Site,
    Slot,
    SwapStatus,
    User,
    World,
)

INSTANCES = 3
PIPELINE = "github:release-pipeline"
CONTRIBUTOR_ACTIONS = (
    "Microsoft.Web/sites/*",
    "Microsoft.Insights/eventtypes/*",
    "Microsoft.Authorization/*/read",
    "Microsoft.DocumentDB/databaseAccounts/read",
)


def digest_of(site: str, build: str) -> str:
    """Return the image digest that stands for a build of a site."""
    return "sha256:" + hashlib.sha256(f"{site}:{build}".encode()).hexdigest()


def instance_id(site: str, slot: str, index: int) -> str:
    """Return the long hexadecimal identifier of a worker; it is its affinity cookie too."""
    return hashlib.sha256(f"{site}/{slot}/{index}".encode()).hexdigest()


def default_world(at: datetime | None = None) -> World:
    """Return the standard story: a bad release is live, the stable one waits in the slots.

    2026.11.1 served production for two days. 2026.11.2 was swapped in twenty minutes before `at`
    (default: now) on backend and web; some of its backend answers are 500. 2026.10.9 is below
    the rollback floor: it rewrites control documents when it starts. 2026.11.3-rc is a third
    build that no slot holds.
    """
    at = at or datetime.now(UTC)
    builds = {
        build.id: build
        for build in (
            _build(names.STABLE_BUILD),
            _build(
                names.BAD_BUILD,
                failing_paths=("/api/orders/open", "/api/feature-flags", "/api/me/profile"),
            ),
            _build(names.OLD_BUILD, rewrites=True),
            _build(names.THIRD_BUILD),
        )
    }
    sites = {
        names.BACKEND: _site(names.BACKEND, "backend", at),
        names.WEB: _site(names.WEB, "web", at),
    }
    return World(
        at=at,
        sites=sites,
        builds=builds,
        containers=control_containers(),
        activity=[entry for site in sites for entry in _history(site, at)],
        flags={
            "backtest": {"enabled": True, "since": "2026.10.1"},
            "smart-routing": {"enabled": True, "since": names.STABLE_BUILD},
            "dark-pool": {"enabled": False, "since": names.BAD_BUILD},
        },
        orders=[
            {"id": "o-1001", "tenant": "alpha", "symbol": "ACME", "side": "buy", "quantity": 100},
            {"id": "o-1002", "tenant": "beta", "symbol": "GLOBEX", "side": "sell", "quantity": 40},
        ],
        users=[
            User(id="probe@alpha", tenant="alpha", password="rehearsal-alpha"),  # noqa: S106
            User(id="probe@beta", tenant="beta", password="rehearsal-beta"),  # noqa: S106
        ],
        grants={
            names.OPERATOR_TOKEN: Grant(principal="rollback-operator", can_halt=True),
            names.VIEWER_TOKEN: Grant(principal="rollback-viewer", can_halt=False),
        },
        clients={names.CLIENT_ID: names.CLIENT_SECRET},
        permissions=list(CONTRIBUTOR_ACTIONS),
        pipelines={"release-backend.yml": "active", "release-web.yml": "active"},
        runs=[
            PipelineRun(
                id=7001,
                file="release-backend.yml",
                status="completed",
                conclusion="success",
                build=names.BAD_BUILD,
                created_at=at - timedelta(minutes=40),
            ),
            PipelineRun(
                id=7002,
                file="release-backend.yml",
                status="queued",
                build=names.THIRD_BUILD,
                created_at=at - timedelta(minutes=3),
            ),
            PipelineRun(
                id=7003,
                file="release-web.yml",
                status="waiting",
                build=names.THIRD_BUILD,
                created_at=at - timedelta(minutes=2),
            ),
        ],
    )


def _build(build: str, *, failing_paths: tuple[str, ...] = (), rewrites: bool = False) -> Build:
    sites = (names.BACKEND, names.WEB)
    return Build(
        id=build,
        artifacts={site: digest_of(site, build) for site in sites},
        failing_paths=failing_paths,
        rewrites_control_at_start=rewrites,
        control_max=4 if rewrites else 5,
        control_min=2 if rewrites else 3,
    )


def _site(name: str, surface: Literal["backend", "web"], at: datetime) -> Site:
    swapped = at - timedelta(minutes=20)
    path = "/api/release" if surface == "backend" else "/release.json"
    common = {
        "COSMOS_ENDPOINT": f"https://{names.COSMOS_HOST}:443/",
        "COSMOS_DATABASE": names.DATABASE,
        "PLATFORM_URL": f"https://{names.PLATFORM_HOST}",
        "WEBSITE_SWAP_WARMUP_PING_PATH": path,
        "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200",
    }

    def slot(slot_name: str, build: str, loop: str, age: timedelta) -> Slot:
        deployed = at - age
        return Slot(
            name=slot_name,
            image=f"trading.azurecr.io/{name}@{digest_of(name, build)}",
            settings={
                **common,
                "RELEASE": build,
                "SLOT_NAME": slot_name,
                "TRADING_LOOP": loop,
            },
            instances=[
                Instance(id=instance_id(name, slot_name, i), build=build, started_at=swapped)
                for i in range(INSTANCES)
            ],
            deployments=[_deployment(name, build, deployed)],
            deployment_id=name if slot_name == names.STAGING else f"{name}__e05d",
            modified_at=deployed,
        )

    return Site(
        name=name,
        surface=surface,
        slots={
            names.PRODUCTION: slot(names.PRODUCTION, names.BAD_BUILD, "on", timedelta(minutes=35)),
            names.STAGING: slot(names.STAGING, names.STABLE_BUILD, "off", timedelta(days=2)),
        },
        sticky=["SLOT_NAME", "TRADING_LOOP", "COSMOS_ENDPOINT", "COSMOS_DATABASE"],
        swap_status=SwapStatus(at=swapped, source=names.STAGING, destination="Production"),
    )


def _deployment(site: str, build: str, at: datetime) -> Deployment:
    return Deployment(
        id=hashlib.sha256(f"{site}/{build}/deployment".encode()).hexdigest()[:32],
        build=build,
        deployer=PIPELINE,
        received_at=at,
        ended_at=at + timedelta(minutes=1),
    )


def _history(site: str, at: datetime) -> list[Activity]:
    resource = (
        f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}"
        f"/providers/Microsoft.Web/sites/{site}/slots/{names.STAGING}"
    )
    happened = (
        ("Microsoft.Web/sites/slots/config/write", timedelta(days=2, minutes=1)),
        ("Microsoft.Web/sites/slots/slotsswap/action", timedelta(days=2)),
        ("Microsoft.Web/sites/slots/config/write", timedelta(minutes=35)),
        ("Microsoft.Web/sites/slots/slotsswap/action", timedelta(minutes=20)),
    )
    return [
        Activity(
            id=hashlib.sha256(f"{site}/{index}".encode()).hexdigest()[:32],
            at=at - age,
            caller=PIPELINE,
            operation=operation,
            resource=resource,
            status="Succeeded",
            correlation=hashlib.sha256(f"{site}/{index}/c".encode()).hexdigest()[:32],
        )
        for index, (operation, age) in enumerate(happened)
    ]


def _copy(world: World) -> World:
    return world.model_copy(deep=True)


def _put(world: World, site: str, slot: str, build: str) -> None:
    held = world.sites[site].slots[slot]
    held.image = world.builds[build].image(site)
    held.settings["RELEASE"] = build
    for worker in held.instances:
        worker.build = build
    for past in held.deployments:
        past.active = False
    held.deployments.append(_deployment(site, build, world.at - timedelta(minutes=5)))


def holding(world: World, site: str, slot: str, build: str) -> World:
    """Return the world where `build` has been deployed to a slot five minutes before."""
    changed = _copy(world)
    _put(changed, site, slot, build)
    return changed


def already_rolled_back(world: World) -> World:
    """Return the world where the stable build is in production again and the bad one waits."""
    changed = _copy(world)
    for site in changed.sites:
        _put(changed, site, names.PRODUCTION, names.STABLE_BUILD)
        _put(changed, site, names.STAGING, names.BAD_BUILD)
        status = changed.sites[site].swap_status
        if status:
            status.at = changed.at - timedelta(minutes=2)
    return changed


def stopped(world: World, site: str, slot: str = names.STAGING) -> World:
    """Return the world where a slot is stopped."""
    changed = _copy(world)
    changed.sites[site].slots[slot].state = "Stopped"
    return changed


def ramped(world: World, site: str, percent: float, *, pinned: int = 0) -> World:
    """Return the world where `percent` of new users, and `pinned` earlier ones, are on the slot."""
    changed = _copy(world)
    home = changed.sites[site]
    host = names.slot_host(site, names.STAGING)
    home.slots[names.PRODUCTION].ramp_rules = [
        RampRule(name=names.STAGING, host=host, percent=percent)
    ]
    expiry = changed.at + timedelta(seconds=changed.timings.pin_s)
    home.pinned_until[names.STAGING] = [expiry] * pinned
    return changed


def with_setting(world: World, site: str, slot: str, name: str, value: str) -> World:
    """Return the world where a slot's setting has this value and is not sticky."""
    changed = _copy(world)
    home = changed.sites[site]
    home.slots[slot].settings[name] = value
    home.sticky = [sticky for sticky in home.sticky if sticky != name]
    return changed


def without_setting(world: World, site: str, name: str) -> World:
    """Return the world where no slot of a site has this setting (warm-up rules, for one)."""
    changed = _copy(world)
    for slot in changed.sites[site].slots.values():
        slot.settings.pop(name, None)
    return changed


def mixed(world: World, site: str, slot: str, index: int, build: str) -> World:
    """Return the world where one instance of a slot serves another build."""
    changed = _copy(world)
    changed.sites[site].slots[slot].instances[index].pinned_build = build
    return changed


def unhealthy(world: World, build: str, status: int = 500) -> World:
    """Return the world where a build answers `status` on its release and warm-up paths."""
    changed = _copy(world)
    changed.builds[build].health_status = status
    return changed


def with_authority(world: World, build: str, behaviour: AuthorityBehaviour) -> World:
    """Return the world where a build's halt-authority endpoint behaves so."""
    changed = _copy(world)
    changed.builds[build].authority = behaviour
    return changed


def rewriting(world: World, build: str) -> World:
    """Return the world where a build rewrites a control document when it starts."""
    changed = _copy(world)
    changed.builds[build].rewrites_control_at_start = True
    return changed


def trading_in_slot(world: World, site: str, slot: str = names.STAGING) -> World:
    """Return the world where what runs in a slot trades, with no lease to keep it from that."""
    changed = _copy(world)
    held = changed.sites[site].slots[slot]
    held.settings["TRADING_LOOP"] = "on"
    for worker in held.instances:
        if (build := worker.serves()) is not None:
            changed.builds[build].trading_loop = "active"
    return changed


def preview_pending(world: World, site: str) -> World:
    """Return the world where a swap with preview waits for its second phase."""
    changed = _copy(world)
    changed.sites[site].slots[names.STAGING].target_swap_slot = names.PRODUCTION
    return changed


def auto_swapping(world: World, site: str) -> World:
    """Return the world where a deployment to the slot swaps by itself."""
    changed = _copy(world)
    changed.sites[site].slots[names.STAGING].auto_swap = names.PRODUCTION
    return changed
