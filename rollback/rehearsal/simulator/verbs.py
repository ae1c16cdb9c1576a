"""What people and other systems do in the world, and the faults that change its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import names, store, transitions
from rollback.rehearsal.simulator.faults import Armed, When, request_fault
from rollback.rehearsal.simulator.world import AuthorityBehaviour, CanaryPlace, RampRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.simulator.simulation import Simulation

OPERATOR = "operator:dana"


class UnknownVerbError(ValueError):
    """No verb or fault has that name."""


def fire(simulation: Simulation, armed: Armed) -> None:
    """Do what was armed; what the service refuses at that moment is noted, not raised."""
    try:
        if armed.kind == "fault":
            throw(simulation, armed.name, armed.params)
        else:
            act(simulation, armed.name, armed.params)
    except transitions.RefusedError as error:
        now = simulation.now()
        transitions.note(
            simulation.world, now, OPERATOR, "refused", name=armed.name, reason=error.message
        )


def arm(simulation: Simulation, kind: str, name: str, params: dict[str, Any], when: Any) -> None:
    """Do something now, or at its moment where one is given.

    Raises UnknownVerbError for a name that does not exist, TypeError or ValueError for
    parameters that it does not take.
    """
    if when is not None:
        known = VERBS if kind == "act" else STATE_FAULTS
        if name not in known and (kind == "act" or request_fault(name, params) is None):
            raise UnknownVerbError(name)
        moment = When.model_validate(when)
        simulation.armed.append(
            Armed.model_validate({"when": moment, "kind": kind, "name": name, "params": params})
        )
    elif kind == "fault":
        throw(simulation, name, params)
    else:
        act(simulation, name, params)


def throw(simulation: Simulation, name: str, params: dict[str, Any]) -> None:
    """Throw a fault by name."""
    fault = request_fault(name, params)
    if fault is not None:
        simulation.request_faults.append(fault)
        return
    if name not in STATE_FAULTS:
        raise UnknownVerbError(name)
    STATE_FAULTS[name](simulation, **params)


def act(simulation: Simulation, name: str, params: dict[str, Any]) -> None:
    """Do a verb, and record who did it."""
    if name not in VERBS:
        raise UnknownVerbError(name)
    VERBS[name](simulation, **params)
    by = params.get("by", OPERATOR)
    transitions.note(simulation.world, simulation.now(), by, name, **params)


def clear_faults(simulation: Simulation) -> None:
    """Take back request faults, armed ones, authority overrides and held swaps."""
    simulation.request_faults.clear()
    simulation.armed.clear()
    simulation.authority_overrides.clear()
    for site in list(simulation.held_at):
        continue_swap(simulation, site=site)


# Verbs.


def halt_trading(
    simulation: Simulation, *, scope: str = "global", halted: bool = True, by: str = OPERATOR
) -> None:
    """Halt trading in a scope, as an operator (``global``, ``tenant:alpha``, ...)."""
    now = simulation.now()
    values = {
        "scope": scope.partition(":")[0],
        "schema": 4,
        "halted": halted,
        "by": by,
        "at": now.isoformat(),
    }
    store.update_document(
        simulation.world,
        now,
        principal=by,
        container="trading_controls",
        document_id=scope,
        values=values,
    )


def write_control_document(
    simulation: Simulation,
    *,
    container: str = "dynamic_config",
    id: str = "limits",
    values: dict[str, Any] | None = None,
    by: str = OPERATOR,
) -> None:
    """Change a control document, as an operator."""
    store.update_document(
        simulation.world,
        simulation.now(),
        principal=by,
        container=container,
        document_id=id,
        values=values or {"changedBy": by},
    )


def deploy(
    simulation: Simulation, *, site: str, slot: str = names.STAGING, build: str, by: str = OPERATOR
) -> None:
    """Deploy a build to a slot; a slot with auto-swap is swapped by the platform afterwards."""
    world, now = simulation.world, simulation.now()
    transitions.set_image(world, now, site, slot, world.builds[build].image(site), by)
    held = world.sites[site].slots[slot]
    held.settings["RELEASE"] = build
    for index in range(len(held.instances)):
        transitions.start_instance(world, now, site, slot, index)
    if held.auto_swap:
        swap(simulation, site=site, source=slot, target=held.auto_swap, by="platform:auto-swap")


def swap(
    simulation: Simulation,
    *,
    site: str,
    source: str = names.STAGING,
    target: str = names.PRODUCTION,
    by: str = OPERATOR,
) -> None:
    """Somebody else swaps two slots."""
    from rollback.rehearsal.simulator.swap import run_swap

    operation = transitions.begin_swap(
        simulation.world, simulation.now(), site, source=source, target=target, principal=by
    )
    simulation.spawn(run_swap(simulation, operation))


def set_ramp(
    simulation: Simulation,
    *,
    site: str,
    slot: str = names.STAGING,
    percent: float,
    by: str = OPERATOR,
) -> None:
    """Route a percentage of new users of production to a slot; 0 leaves no rule."""
    del by
    host = names.slot_host(site, slot)
    rules = [RampRule(name=slot, host=host, percent=percent)] if percent else []
    simulation.world.sites[site].slots[names.PRODUCTION].ramp_rules = rules


def stop_slot(
    simulation: Simulation, *, site: str, slot: str = names.STAGING, by: str = OPERATOR
) -> None:
    """Stop a slot."""
    del by
    simulation.world.sites[site].slots[slot].state = "Stopped"


def start_slot(
    simulation: Simulation, *, site: str, slot: str = names.STAGING, by: str = OPERATOR
) -> None:
    """Start a slot: its release starts."""
    del by
    world, now = simulation.world, simulation.now()
    world.sites[site].slots[slot].state = "Running"
    build = world.build_in(site, slot)
    if build:
        transitions.release_starts(world, now, build, site, slot)


def pin_users(
    simulation: Simulation,
    *,
    site: str,
    slot: str = names.STAGING,
    count: int,
    by: str = OPERATOR,
) -> None:
    """Give some users a fresh routing cookie for a slot."""
    from datetime import timedelta

    del by
    world = simulation.world
    expiry = simulation.now() + timedelta(seconds=world.timings.pin_s)
    world.sites[site].pinned_until.setdefault(slot, []).extend([expiry] * count)


def continue_swap(simulation: Simulation, *, site: str = "*", by: str = OPERATOR) -> None:
    """Let a held swap go on."""
    del by
    for key in [site] if site != "*" else list(simulation.held_at):
        simulation.held_at.pop(key, None)
        simulation.released.pop(key).set() if key in simulation.released else None


# State faults.


def swap_never_ends(simulation: Simulation, *, site: str = "*", at: str = "swap-started") -> None:
    """Every swap (of a site) stops at a phase and stays in progress until it is continued."""
    simulation.held_at[site] = at


def other_operation_in_progress(
    simulation: Simulation, *, site: str, seconds: float | None = None
) -> None:
    """Somebody else's operation occupies a site, for some seconds or for good."""
    from rollback.rehearsal.simulator.swap import run_other

    operation = transitions.begin_operation(
        simulation.world,
        simulation.now(),
        site,
        name="ScaleWebSite",
        principal="operator:sam",
    )
    if seconds is not None:
        simulation.spawn(run_other(simulation, operation, seconds))


def instance_serves(
    simulation: Simulation, *, site: str, slot: str, index: int, build: str | None
) -> None:
    """One instance serves this build whatever is deployed; None makes it follow again."""
    simulation.world.sites[site].slots[slot].instances[index].pinned_build = build


def authority(
    simulation: Simulation,
    *,
    behaviour: AuthorityBehaviour,
    build: str | None = None,
    instance: str | None = None,
    site: str | None = None,
    slot: str = names.PRODUCTION,
    index: int | None = None,
) -> None:
    """Let the halt-authority endpoint behave so: of a build, an instance, a slot, or everywhere."""
    overrides = simulation.authority_overrides
    if build:
        overrides[f"build:{build}"] = behaviour
    elif instance:
        overrides[f"instance:{instance}"] = behaviour
    elif site:
        workers = simulation.world.sites[site].slots[slot].instances
        for worker in workers if index is None else [workers[index]]:
            overrides[f"instance:{worker.id}"] = behaviour
    else:
        overrides["*"] = behaviour


def _authority(behaviour: AuthorityBehaviour) -> Callable[..., None]:
    def fault(simulation: Simulation, **selector: Any) -> None:
        authority(simulation, behaviour=behaviour, **selector)

    return fault


def plant_secret(
    simulation: Simulation,
    *,
    secret: str,
    places: tuple[CanaryPlace, ...] = ("settings", "errors", "tokens"),
) -> None:
    """Let a secret appear in settings, in error bodies and in tokens."""
    world = simulation.world
    world.canary, world.canary_places = secret, places
    if "settings" in places:
        for site in world.sites.values():
            site.sticky.append("PAYMENTS_CONNECTION")
            for slot in site.slots.values():
                slot.settings["PAYMENTS_CONNECTION"] = f"Endpoint=sb://x;SharedAccessKey={secret}"


VERBS: dict[str, Callable[..., None]] = {
    verb.__name__: verb
    for verb in (
        halt_trading,
        write_control_document,
        deploy,
        swap,
        set_ramp,
        stop_slot,
        start_slot,
        pin_users,
        continue_swap,
    )
}
STATE_FAULTS: dict[str, Callable[..., None]] = {
    "swap_never_ends": swap_never_ends,
    "other_operation_in_progress": other_operation_in_progress,
    "instance_serves": instance_serves,
    "authority": authority,
    "authority_denies": _authority("denies"),
    "authority_missing": _authority("missing"),
    "authority_yes_to_everyone": _authority("yes-to-everyone"),
    "authority_silent": _authority("silent"),
    "plant_secret": plant_secret,
}
