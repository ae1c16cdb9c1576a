"""What the deployment actions look at: slots, traffic rules, settings differences, history.

Read-only. What cannot be read is a gap of the observation, never an exception: a plan is made all
the same, and says what is not known.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rollback.connectors import trading_backend
from rollback.errors import ConnectorError
from rollback.model.base import facts, rfc3339
from rollback.model.observation import Observation
from rollback.model.views import SlotRef
from rollback.planning.last_stable import Happened, last_stable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.connectors.trading_backend import ReleaseProbe
    from rollback.model.environment import Environment, Surface
    from rollback.model.ports import Clients, StepContext

PRODUCTION = "production"
HISTORY_DAYS = 30
CONTROL_PREFIXES = ("COSMOS_", "PLATFORM_", "JWT_")
"""Settings that say where the control plane and the sign-in live (the runbook's own names)."""


def reference(
    environment: Environment, surface: Surface, slot: str = PRODUCTION
) -> SlotRef:
    """The address of a slot; ``production`` is the site itself."""
    return SlotRef(
        resource_group=surface.resource_group or environment.azure.resource_group,
        site=surface.site or "",
        slot=None if slot == PRODUCTION else slot,
    )


def host_of(surface: Surface, slot: str) -> str:
    """The host a slot answers on: as the environment names it, else App Service's default."""
    if slot == PRODUCTION:
        return surface.hosts[0]
    named = dict(surface.slot_hosts).get(slot)
    return named or f"{surface.site}-{slot}.azurewebsites.net".lower()


def observe_surface(
    step: StepContext, name: str, clients: Clients
) -> tuple[Observation, ...]:
    """Everything a revert or a halt of one surface needs to know."""
    environment = step.environment
    surface = environment.surface(name)
    if surface.provider != "app-service":
        return ()
    slots = (PRODUCTION, surface.stable_slot)
    seen = [observe_slot(environment, name, slot, clients) for slot in slots]
    seen.append(_traffic(environment, name, clients))
    seen.append(_settings(environment, name, surface.stable_slot, clients))
    bad = seen[0].get("builds")
    served = str(bad[0]) if isinstance(bad, tuple) and len(bad) == 1 else ""
    seen.append(_history(environment, name, served, clients))
    return tuple(seen)


def probes(
    environment: Environment,
    name: str,
    slot: str,
    clients: Clients,
    *,
    fresh: bool = False,
) -> tuple[ReleaseProbe, ...]:
    """The build that every listed instance of a slot serves. Raises ConnectorError."""
    surface = environment.surface(name)
    listed = clients.arm().instances(reference(environment, surface, slot))
    http = clients.http(host_of(surface, slot))
    return trading_backend.releases(
        http, surface.release_path, tuple(one.id for one in listed), fresh=fresh
    )


def observe_slot(
    environment: Environment, name: str, slot: str, clients: Clients
) -> Observation:
    """One slot: its state, image, and the build that every one of its instances serves."""
    surface = environment.surface(name)
    ref = reference(environment, surface, slot)
    where = f"{environment.azure.host} {ref.label}"
    resource = f"{name}/slot/{slot}"
    try:
        view = clients.arm().slot(ref)
        configuration = clients.arm().configuration(ref)
    except ConnectorError as error:
        return Observation(
            resource=resource, where=where, at=clients.now(), gaps=(error.reason,)
        )
    answered: tuple[ReleaseProbe, ...] = ()
    gaps: list[str] = []
    if view.state == "Running":
        try:
            answered = probes(environment, name, slot, clients)
        except ConnectorError as error:
            gaps.append(error.reason)
    good = [probe for probe in answered if probe.answered]
    silent = [probe for probe in answered if not probe.answered]
    gaps.extend(f"instance {probe.asked[:8]}: {probe.problem}" for probe in silent)
    builds = tuple(sorted({probe.build for probe in good}))
    return Observation(
        resource=resource,
        compared=facts(
            state=view.state,
            image=configuration.image,
            builds=builds,
            preview_target=view.preview_target,
            operation=view.operation,
            auto_swap=configuration.auto_swap,
        ),
        context=facts(
            instances=tuple(probe.asked for probe in answered),
            builds_by_instance=tuple(f"{probe.asked}={probe.build}" for probe in good),
            unanswered=tuple(probe.asked for probe in silent),
            swap_at=view.swap_at,
            swap_source=view.swap_source,
            swap_destination=view.swap_destination,
            deployment_id=view.deployment_id,
            etag=view.etag,
            host=view.host,
            affinity=view.affinity,
            warmup_path=configuration.warmup_path,
            warmup_statuses=configuration.warmup_statuses,
            trading_loop=tuple(sorted({probe.trading_loop for probe in good})),
            artifact=tuple(sorted({probe.artifact for probe in good})),
        ),
        where=where,
        at=clients.now(),
        gaps=tuple(gaps),
    )


def _traffic(environment: Environment, name: str, clients: Clients) -> Observation:
    def read() -> Observation:
        surface = environment.surface(name)
        found = clients.arm().configuration(reference(environment, surface))
        rules = tuple(
            sorted(
                f"{one.name}={one.host}={one.percent_hundredths}"
                for one in found.ramp_rules
            )
        )
        return Observation(
            resource=f"{name}/traffic",
            compared=facts(rules=rules),
            where=f"{environment.azure.host} {surface.site}/config/web",
            at=clients.now(),
        )

    return _or_gap(f"{name}/traffic", clients, read)


def _settings(
    environment: Environment, name: str, slot: str, clients: Clients
) -> Observation:
    resource = f"{name}/settings-difference/{slot}"

    def read() -> Observation:
        surface = environment.surface(name)
        found = clients.arm().differences(reference(environment, surface), slot)
        moving = tuple(sorted({one.name for one in found}))
        control = tuple(
            one for one in moving if one.upper().startswith(CONTROL_PREFIXES)
        )
        return Observation(
            resource=resource,
            compared=facts(moving=moving),
            context=facts(cosmos_or_platform=control),
            where=f"{environment.azure.host} {surface.site}/slotsdiffs",
            at=clients.now(),
        )

    return _or_gap(resource, clients, read)


def _history(
    environment: Environment, name: str, bad: str, clients: Clients
) -> Observation:
    resource = f"{name}/history"

    def read() -> Observation:
        surface = environment.surface(name)
        arm = clients.arm()
        happened: list[Happened] = []
        for slot in (PRODUCTION, surface.stable_slot):
            happened.extend(
                Happened(at=one.ended_at, slot=slot, build=one.build)
                for one in arm.deployments(reference(environment, surface, slot))
                if one.ended_at is not None and one.build
            )
        until = clients.now()
        since = until - timedelta(days=HISTORY_DAYS)
        swaps = [
            one
            for one in arm.activity(reference(environment, surface), since, until)
            if "slotsswap" in one.operation.lower()
            and one.status.lower() == "succeeded"
        ]
        moments = sorted({one.at for one in swaps})
        # Deployment ledgers move with the content; what was deployed before the swaps is where it
        # went first, so entries are replayed on the slot they were made for, before any swap.
        found = last_stable(
            _before_swaps(tuple(happened), tuple(moments), surface), bad
        )
        return Observation(
            resource=resource,
            context=facts(
                entries=tuple(
                    sorted(
                        [
                            f"{rfc3339(one.at)} {one.build} {one.slot} deployed"
                            for one in happened
                        ]
                        + [
                            f"{rfc3339(one)} - {surface.stable_slot} swapped"
                            for one in moments
                        ]
                    )
                ),
                last_stable="" if found is None else found.build,
                last_stable_since=""
                if found is None or found.since is None
                else rfc3339(found.since),
                last_stable_by="" if found is None else found.by,
            ),
            where=f"{environment.azure.host} {surface.site}/deployments and activity log",
            at=clients.now(),
        )

    return _or_gap(resource, clients, read)


def _before_swaps(
    happened: tuple[Happened, ...], moments: tuple[object, ...], surface: Surface
) -> tuple[Happened, ...]:
    """Put each deployment on the slot it was made to: every later swap carried it across."""
    out: list[Happened] = []
    times = [moment for moment in moments if hasattr(moment, "timestamp")]
    for one in happened:
        later = sum(1 for moment in times if moment > one.at)  # type: ignore[operator]
        slot = one.slot
        if later % 2:
            slot = surface.stable_slot if slot == PRODUCTION else PRODUCTION
        out.append(Happened(at=one.at, slot=slot, build=one.build))
    out.extend(Happened(at=moment, slot=surface.stable_slot) for moment in times)  # type: ignore[arg-type]
    return tuple(out)


def _or_gap(
    resource: str, clients: Clients, read: Callable[[], Observation]
) -> Observation:
    try:
        return read()
    except ConnectorError as error:
        return Observation(resource=resource, at=clients.now(), gaps=(error.reason,))
