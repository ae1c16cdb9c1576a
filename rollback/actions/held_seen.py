"""Where a release that is on hold is seen again: on any slot of its sites, on any host of theirs.

Every instance of every slot is asked, and every host that users reach is sampled, as a second one
may lead elsewhere. A slot that the environment does not name is never asked what it serves: that it
is there is a gap. A build is the same however its letters are cased.

Parked is where a swap leaves it: in the stable slot, with no ramp-up rule, auto-swap or prepared
swap that could bring users there. That is said, and is no alarm; anything else is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.outside import builds_from_outside
from rollback.actions.seen import texts
from rollback.actions.surfaces import observe_everywhere
from rollback.errors import ConnectorError
from rollback.evidence.holds import read_holds
from rollback.model.change import Finding
from rollback.model.ports import Check
from rollback.model.ramp_rules import rules_of
from rollback.model.slots import PRODUCTION, host_of, reference, slot_at, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rollback.evidence.holds import Standing
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation
    from rollback.model.ports import Clients


@dataclass(frozen=True, slots=True)
class Sighting:
    """One release on hold, seen in one place."""

    surface: str
    build: str
    slot: str
    host: str
    parked: bool

    def __str__(self) -> str:
        return f"{self.build} of {self.surface} on {self.slot} ({self.host})"


@dataclass(frozen=True, slots=True)
class HeldSeen:
    """What was seen, and what could not be looked at."""

    held: tuple[tuple[str, str], ...] = ()
    sightings: tuple[Sighting, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def alarms(self) -> tuple[Sighting, ...]:
        """Sightings that are not parked."""
        return tuple(one for one in self.sightings if not one.parked)


def look_for_held(
    environment: Environment,
    surfaces: tuple[str, ...],
    clients: Clients,
    here: Callable[[tuple[Standing, ...]], Iterable[Standing]] = lambda _: (),
) -> HeldSeen:
    """Look everywhere. What cannot be read is a gap; never raises for what the platform does.

    here: given what stands in the store, the holds of which only this machine knows. Each is looked
    for, and a gap.
    """
    gaps: list[str] = []
    try:
        found = read_holds(environment, clients)
    except ConnectorError as error:
        found, gaps = (), [f"holds cannot be read: {error.reason}"]
    only_here = tuple(one for one in here(found) if one.surface in surfaces)
    gaps += [
        f"a run of this machine put {one.build} of {one.surface} on hold, and the evidence store "
        "does not say so: mend the store, or write `on_hold: true` beside the release in the "
        "environment file"
        for one in only_here
    ]
    held = {
        (one.surface, one.build)
        for one in (*found, *only_here)
        if one.held and one.surface in surfaces
    } | {
        (name, release.build)
        for name in surfaces
        for release in environment.surface(name).releases
        if release.on_hold
    }
    sightings: list[Sighting] = []
    names = [
        name
        for name in surfaces
        if name in {surface for surface, _ in held}
        and environment.surface(name).provider == "app-service"
    ]
    listings = [partial(_unnamed, environment, name, clients) for name in names]
    gaps += [gap for found in clients.together(listings) for gap in found]
    reads = [partial(observe_everywhere, environment, name, clients) for name in names]
    for name, (slots, traffic) in zip(names, clients.together(reads), strict=True):
        wanted = {build.casefold() for surface, build in held if surface == name}
        led_to = _led_to(environment, name, traffic)
        gaps += [f"{traffic.resource}: {gap}" for gap in traffic.gaps]
        for seen in slots:
            gaps += [f"{seen.resource}: {gap}" for gap in seen.gaps]
            slot = seen.resource.rpartition("/")[2]
            sightings += [
                Sighting(
                    surface=name,
                    build=build,
                    slot=slot,
                    host=host_of(environment.surface(name), slot),
                    parked=_parked(environment, name, slot, seen) and slot not in led_to,
                )
                for build in texts(seen.get("builds"))
                if build.casefold() in wanted
            ]
        for host in environment.surface(name).hosts[1:]:  # the first is production's own
            builds, problem = builds_from_outside(environment, name, host, clients)
            gaps += [f"{host}: {problem}"] if problem else []
            sightings += [
                Sighting(surface=name, build=build, slot=PRODUCTION, host=host, parked=False)
                for build in builds
                if build.casefold() in wanted
            ]
    return HeldSeen(tuple(sorted(held)), tuple(sightings), tuple(gaps))


def held_check(
    environment: Environment, surfaces: tuple[str, ...], clients: Clients
) -> tuple[tuple[Check, ...], tuple[Finding, ...]]:
    """As a part of a verification: an alarm fails it; what could not be looked at is noted."""
    seen = look_for_held(environment, surfaces, clients)
    notes: tuple[Finding, ...] = ()
    if seen.gaps:
        text = f"not everything could be looked at for releases on hold: {'; '.join(seen.gaps)}"
        notes = (Finding(weight="weak", code="hold.not-looked-at", text=text),)
    if seen.alarms:
        said = "; ".join(str(one) for one in seen.alarms)
    elif not seen.held:
        return (), notes
    else:
        said = "; ".join(str(one) for one in seen.sightings) or f"{len(seen.held)} on hold"
    return (Check("no release on hold is seen again", not seen.alarms, said),), notes


def _unnamed(environment: Environment, name: str, clients: Clients) -> tuple[str, ...]:
    """Slots of a site that the environment does not name; nobody can tell here what they serve."""
    surface = environment.surface(name)
    known = {one.casefold() for one in slots_of(surface)}
    try:
        listed = clients.arm().slots(reference(environment, surface))
    except ConnectorError as error:
        return (f"the slots of {name} cannot be listed: {error.reason}",)
    return tuple(
        f"slot {one.ref.slot} of {name}: the environment file does not name it (slot_hosts), so "
        "what it serves was not looked at"
        for one in listed
        if one.ref.slot is not None and one.ref.slot.casefold() not in known
    )


def _parked(environment: Environment, name: str, slot: str, seen: Observation) -> bool:
    stable = environment.surface(name).stable_slot
    quiet = not seen.get("auto_swap") and not seen.get("preview_target")
    return slot == stable and slot != PRODUCTION and quiet


def _led_to(environment: Environment, name: str, traffic: Observation) -> set[str]:
    """Slots that a ramp-up rule leads to; every slot where the rules could not be read."""
    surface = environment.surface(name)
    if traffic.gaps:
        return {surface.stable_slot}
    return {slot_at(surface, rule.host) for rule in rules_of(traffic.get("rules"))}
