"""What the deployment actions look at: slots and traffic rules, and around them what
`surface_context` reads. Read-only.

What cannot be read is a gap of the observation, never an exception: a plan is made all the same,
and says what is not known. A refusal of the guard is never caught.
"""  # noqa: D205

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.led_users import observe_led
from rollback.actions.surface_context import observe_pipeline, observe_settings, read_history
from rollback.actions.swap_outcome import Serving
from rollback.connectors.together import both
from rollback.errors import ConnectorError
from rollback.model.base import facts
from rollback.model.observation import Observation
from rollback.model.ramp_rules import RULES, rules_as_texts, rules_of
from rollback.model.slots import PRODUCTION, host_of, reference, slot_at, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.actions.surface_context import Conclude
    from rollback.connectors.trading_backend import ReleaseProbe
    from rollback.model.environment import Environment, Surface
    from rollback.model.ports import Clients, StepContext
    from rollback.model.views import ConfigurationView, InstanceView, SlotView

EVERYTHING = frozenset({"slot", "traffic", "led", "settings", "history", "pipeline", "holds"})
"""What `observe_surface` can look at beside production; ``slot`` is the stable slot.

``led``: how many users rules lead to the stable slot, where the surface carries halt authority.
"""


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
    reads = [partial(_slot, environment, name, slot, clients) for slot in slots]
    made = clients.together([*map(_at_once, reads), *_beside(environment, name, clients, around)])
    seen = [conclude(()) for conclude in made[: len(slots)]]
    beside = [conclude(tuple(seen)) for conclude in made[len(slots) :]]
    if "traffic" in around:
        hosts = (rule.host for rule in rules_of(beside[0].get("rules")))
        led_to = dict.fromkeys(slot for host in hosts if (slot := slot_at(surface, host)))
        left = (slot for slot in led_to if slot not in slots)
        more_reads = [partial(_slot, environment, name, slot, clients) for slot in left]
        seen += clients.together(more_reads)
    return (*seen, *beside)


def observe_surfaces(
    step: StepContext, names: tuple[str, ...], clients: Clients, around: frozenset[str]
) -> tuple[Observation, ...]:
    """`observe_surface` of several surfaces side by side, in their order."""
    seen = clients.together(
        [partial(observe_surface, step, name, clients, around) for name in names]
    )
    return tuple(one for surface in seen for one in surface)


def _at_once(read: Callable[[], Observation]) -> Callable[[], Conclude]:
    """A read that says all by itself."""

    def reading() -> Conclude:
        made = read()
        return lambda _: made

    return reading


def _beside(
    environment: Environment, name: str, clients: Clients, around: frozenset[str]
) -> list[Callable[[], Conclude]]:
    """What is read at the same time as the slots; some of it is concluded from them too."""
    surface = environment.surface(name)
    production = reference(environment, surface)
    stable = reference(environment, surface, surface.stable_slot)
    host, loop = environment.azure.host, surface.trading_loop
    pipeline = surface.pipeline
    reads: dict[str, Callable[[], Conclude]] = {
        "traffic": _at_once(partial(_traffic, environment, name, clients)),
        "settings": _at_once(partial(observe_settings, name, stable, clients, host, loop)),
        "history": partial(read_history, name, surface, (production, stable), clients),
        "holds": partial(_read_holds, environment, name, clients),
    }
    if surface.carries_authority:
        reads["led"] = lambda: partial(observe_led, name, surface)  # the slots say it
    if pipeline is not None:
        reads["pipeline"] = _at_once(partial(observe_pipeline, name, pipeline, clients))
    return [read for kind, read in reads.items() if kind in around]


def observe_everywhere(
    environment: Environment, name: str, clients: Clients
) -> tuple[tuple[Observation, ...], Observation]:
    """Production and every slot that the environment names; and the rules that lead there."""
    slots = (PRODUCTION, *slots_of(environment.surface(name)))
    *seen, traffic = clients.together(
        [
            *(partial(_slot, environment, name, slot, clients) for slot in slots),
            partial(_traffic, environment, name, clients),
        ]
    )
    return tuple(seen), traffic


def probes(
    environment: Environment, name: str, slot: str, clients: Clients, *, fresh: bool = False
) -> tuple[ReleaseProbe, ...]:
    """The build that every listed instance of a slot serves. Raises ConnectorError."""
    surface = environment.surface(name)
    listed = clients.arm().instances(reference(environment, surface, slot))
    return _asked(surface, slot, listed, clients, fresh=fresh)


def _asked(
    surface: Surface,
    slot: str,
    listed: tuple[InstanceView, ...],
    clients: Clients,
    *,
    fresh: bool = False,
) -> tuple[ReleaseProbe, ...]:
    from rollback.connectors import trading_backend

    return trading_backend.releases(
        clients.http(host_of(surface, slot)),
        surface.release_path,
        tuple(one.id for one in listed),
        fresh=fresh,
        together=clients.together,
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
    arm = clients.arm()

    def described() -> tuple[SlotView, ConfigurationView]:
        return both(clients.together, lambda: arm.slot(ref), lambda: arm.configuration(ref))

    def listed() -> tuple[tuple[InstanceView, ...], tuple[str, ...]]:
        try:
            return arm.instances(ref), ()
        except ConnectorError as error:
            return (), (error.reason,)

    try:
        (view, configuration), (instances, unlisted) = both(clients.together, described, listed)
    except ConnectorError as error:
        return Observation(resource=resource, where=where, at=clients.now(), gaps=(error.reason,))
    answered: tuple[ReleaseProbe, ...] = ()
    gaps: list[str] = []
    if view.state == "Running":
        gaps.extend(unlisted)
        answered = _asked(surface, slot, instances, clients)
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
            **({RULES: rules_as_texts(configuration.ramp_rules)} if slot == PRODUCTION else {}),
        ),
        where=where,
        at=clients.now(),
        gaps=tuple(gaps),
    )


def _read_holds(environment: Environment, name: str, clients: Clients) -> Conclude:
    """Releases of a surface that are on hold.

    Compared is only what production does not serve: the hold on the release that is rolled back is
    made while the plan runs, and is no drift. Holds that cannot be read are another resource, so
    that a store that fails after planning is none either: it must not keep users back.
    """
    from rollback.evidence.holds import read_holds

    resource = f"{name}/holds"
    try:
        found = [one for one in read_holds(environment, clients) if one.surface == name]
    except ConnectorError as error:
        unread = f"{resource}-unread"
        gap = Observation(resource=unread, at=clients.now(), gaps=(error.reason,))
        return lambda _: gap
    held, at = tuple(sorted(one.build for one in found if one.held)), clients.now()

    def conclude(slots: tuple[Observation, ...]) -> Observation:
        live = slots[0].get("builds")
        served_now = live if isinstance(live, tuple) else ()
        return Observation(
            resource=resource,
            compared=facts(others=tuple(one for one in held if one not in served_now)),
            context=facts(
                numbers=tuple(sorted(f"{one.build}={one.number}" for one in found)), on_hold=held
            ),
            where="the evidence store",
            at=at,
        )

    return conclude


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
