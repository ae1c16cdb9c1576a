"""What the deployment actions look at: slots and traffic rules, and around them what
`surface_context` reads. Read-only.

What cannot be read is a gap of the observation, never an exception: a plan is made all the same,
and says what is not known. A refusal of the guard is never caught.
"""  # noqa: D205

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.seen import PRODUCTION, one_build, rules_as_texts, rules_of
from rollback.actions.surface_context import observe_history, observe_pipeline, observe_settings
from rollback.actions.swap_outcome import Serving
from rollback.connectors import trading_backend
from rollback.errors import ConnectorError
from rollback.evidence.holds import read_holds
from rollback.model.base import facts
from rollback.model.observation import Observation, World
from rollback.model.views import SlotRef

if TYPE_CHECKING:
    from rollback.connectors.trading_backend import ReleaseProbe
    from rollback.model.environment import Environment, Surface
    from rollback.model.ports import Clients, StepContext

__all__ = ["PRODUCTION", "host_of", "observe_surface", "probes", "reference", "served"]


def reference(environment: Environment, surface: Surface, slot: str = PRODUCTION) -> SlotRef:
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


def slots_of(surface: Surface) -> tuple[str, ...]:
    """The slots that the environment names, the stable one first. Nothing else is ever asked."""
    return tuple(dict.fromkeys((surface.stable_slot, *(name for name, _ in surface.slot_hosts))))


def slot_at(surface: Surface, host: str) -> str:
    """The slot that a ramp rule's host leads to; empty for one the environment does not name."""
    return next((slot for slot in slots_of(surface) if host_of(surface, slot) == host.lower()), "")


EVERYTHING = frozenset({"slot", "traffic", "settings", "history", "pipeline", "holds"})
"""What `observe_surface` can look at beside production; ``slot`` is the stable slot."""


def observe_surface(
    step: StepContext,
    name: str,
    clients: Clients,
    around: frozenset[str] = EVERYTHING,
    more: tuple[str, ...] = (),
) -> tuple[Observation, ...]:
    """The slots of a surface that matter, and what is asked for around them.

    around: a step is held against what it observed, so it asks only for what its changes stand on.
    more: further slots to look at.
    """
    environment = step.environment
    surface = environment.surface(name)
    if surface.provider != "app-service":
        return ()
    slots = dict.fromkeys((PRODUCTION, *([surface.stable_slot] if "slot" in around else []), *more))
    beside: list[Observation] = []
    if "traffic" in around:
        beside.append(_traffic(environment, name, clients))
        hosts = (rule.host for rule in rules_of(beside[0].get("rules")))
        slots |= dict.fromkeys(slot for host in hosts if (slot := slot_at(surface, host)))
    seen = [_slot(environment, name, slot, clients) for slot in slots]
    production = reference(environment, surface)
    stable = reference(environment, surface, surface.stable_slot)
    if "settings" in around:
        host, loop = environment.azure.host, surface.trading_loop
        beside.append(observe_settings(name, stable, clients, host, loop))
    if "history" in around:
        now = one_build(World(observations=tuple(seen)), name, PRODUCTION)
        known = (now, str(seen[0].get("swap_at") or ""))
        beside.append(observe_history(name, surface, (production, stable), known, clients))
    if "holds" in around:
        beside.append(observe_holds(environment, name, seen[0], clients))
    if "pipeline" in around and surface.pipeline is not None:
        beside.append(observe_pipeline(name, surface.pipeline, clients))
    return (*seen, *beside)


def observe_everywhere(
    environment: Environment, name: str, clients: Clients
) -> tuple[tuple[Observation, ...], Observation]:
    """Production and every slot that the environment names; and the rules that lead there."""
    slots = (PRODUCTION, *slots_of(environment.surface(name)))
    seen = tuple(_slot(environment, name, slot, clients) for slot in slots)
    return seen, _traffic(environment, name, clients)


def probes(
    environment: Environment, name: str, slot: str, clients: Clients, *, fresh: bool = False
) -> tuple[ReleaseProbe, ...]:
    """The build that every listed instance of a slot serves. Raises ConnectorError."""
    surface = environment.surface(name)
    listed = clients.arm().instances(reference(environment, surface, slot))
    http = clients.http(host_of(surface, slot))
    return trading_backend.releases(
        http, surface.release_path, tuple(one.id for one in listed), fresh=fresh
    )


def served(environment: Environment, name: str, slot: str, clients: Clients) -> Serving:
    """What a slot serves now, asked anew. Never raises for what the slot or its listing does."""
    try:
        answered = probes(environment, name, slot, clients, fresh=True)
    except ConnectorError:
        return Serving(silent=True)
    return Serving(
        builds=tuple(sorted({one.build for one in answered if one.answered})),
        silent=not answered or any(not one.answered for one in answered),
    )


def _slot(environment: Environment, name: str, slot: str, clients: Clients) -> Observation:
    """One slot: its state, image, and the build that every one of its instances serves."""
    surface = environment.surface(name)
    ref = reference(environment, surface, slot)
    where = f"{environment.azure.host} {ref.label}"
    resource = f"{name}/slot/{slot}"
    try:
        view = clients.arm().slot(ref)
        configuration = clients.arm().configuration(ref)
    except ConnectorError as error:
        return Observation(resource=resource, where=where, at=clients.now(), gaps=(error.reason,))
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
    return Observation(
        resource=resource,
        compared=facts(
            state=view.state,
            image=configuration.image,
            builds=tuple(sorted({probe.build for probe in good})),
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


def observe_holds(
    environment: Environment, name: str, production: Observation, clients: Clients
) -> Observation:
    """Releases of a surface that are on hold.

    Compared is only what production does not serve: the hold on the release that is rolled back is
    made while the plan runs, and is no drift. Holds that cannot be read are another resource, so
    that a store that fails after planning is none either: it must not keep users back.
    """
    resource = f"{name}/holds"
    try:
        found = [one for one in read_holds(environment, clients) if one.surface == name]
    except ConnectorError as error:
        unread = f"{resource}-unread"
        return Observation(resource=unread, at=clients.now(), gaps=(error.reason,))
    held = tuple(sorted(one.build for one in found if one.held))
    live = production.get("builds")
    served_now = live if isinstance(live, tuple) else ()
    return Observation(
        resource=resource,
        compared=facts(others=tuple(one for one in held if one not in served_now)),
        context=facts(
            numbers=tuple(sorted(f"{one.build}={one.number}" for one in found)), on_hold=held
        ),
        where="the evidence store",
        at=clients.now(),
    )


def _traffic(environment: Environment, name: str, clients: Clients) -> Observation:
    resource = f"{name}/traffic"
    surface = environment.surface(name)
    where = f"{environment.azure.host} {surface.site}/config/web"
    try:
        found = clients.arm().configuration(reference(environment, surface))
    except ConnectorError as error:
        return Observation(resource=resource, where=where, at=clients.now(), gaps=(error.reason,))
    return Observation(
        resource=resource,
        compared=facts(rules=rules_as_texts(found.ramp_rules)),
        where=where,
        at=clients.now(),
    )
