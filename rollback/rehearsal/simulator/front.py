"""The front of a site: which slot and which instance answer a request, and the cookies they set.

Without a cookie users of production are spread over ramp-up rules and instances in turn, not by
chance: the same requests always meet the same instances. A routing cookie is honoured as long as
it lives, also after the rule is gone; that is why a rule of 0 % recalls nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import names, sites
from rollback.rehearsal.simulator.exchange import Call, Reply, text_reply

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Site

ROUTING_COOKIE = "x-ms-routing-name"
AFFINITY_COOKIE = "ARRAffinity"
_STOPPED_PAGE = (
    "<!DOCTYPE html><html><head><title>Web App - Unavailable</title></head>"
    "<body><h1>Error 403 - This web app is stopped.</h1></body></html>"
)


@dataclass
class Place:
    """Where a request was routed, and the cookies to set."""

    at: sites.Where
    cookies: list[str]


def owner(simulation: Simulation, host: str) -> tuple[Site, str] | None:
    """Return the site and the slot whose public host this is."""
    for home in simulation.world.sites.values():
        for slot in home.slots:
            if names.slot_host(home.name, slot) == host:
                return home, slot
    return None


def place(simulation: Simulation, call: Call, home: Site, slot: str) -> Place | None:
    """Route a request; None where the slot that it belongs to is stopped."""
    cookies: list[str] = []
    if slot == names.PRODUCTION:
        slot = _routed(simulation, call, home, cookies)
    held = home.slots[slot]
    if held.state == "Stopped":
        return None
    wanted = call.cookies.get(AFFINITY_COOKIE)
    worker = next((each for each in held.instances if each.id == wanted), None)
    if worker is None:
        turn = simulation.turn(f"round-robin/{home.name}/{slot}")
        worker = held.instances[turn % len(held.instances)]
        if home.client_affinity:
            tail = f"Path=/;HttpOnly;Secure;Domain={call.host}"
            cookies.append(f"{AFFINITY_COOKIE}={worker.id};{tail}")
            cookies.append(f"{AFFINITY_COOKIE}SameSite={worker.id};{tail};SameSite=None")
    return Place(sites.Where(home, held, worker), cookies)


def _routed(simulation: Simulation, call: Call, home: Site, cookies: list[str]) -> str:
    pinned = call.cookies.get(ROUTING_COOKIE)
    if pinned == "self":
        return names.PRODUCTION
    if pinned in home.slots:
        return pinned
    rules = home.slots[names.PRODUCTION].ramp_rules
    if not rules:
        return names.PRODUCTION
    seconds = simulation.world.timings.pin_s
    turn = simulation.turn(f"ramp/{home.name}")
    chosen = "self"
    for rule in rules:
        before, after = turn * rule.percent / 100, (turn + 1) * rule.percent / 100
        if int(after) > int(before) and chosen == "self":
            chosen = _slot_of_host(home, rule.host)
    cookies.append(f"{ROUTING_COOKIE}={chosen};Max-Age={int(seconds)};Path=/;Secure")
    if chosen == "self":
        return names.PRODUCTION
    expiry = simulation.now() + timedelta(seconds=seconds)
    home.pinned_until.setdefault(chosen, []).append(expiry)
    return chosen


def _slot_of_host(home: Site, host: str) -> str:
    for slot in home.slots:
        if slot != names.PRODUCTION and names.slot_host(home.name, slot) == host:
            return slot
    return "self"


def handle(simulation: Simulation, call: Call) -> Reply:
    """Answer a request to a site."""
    found = owner(simulation, call.host)
    if found is None:
        return text_reply("404 Web Site not found.", 404, "text/html")
    routed = place(simulation, call, *found)
    if routed is None:
        return text_reply(_STOPPED_PAGE, 403, "text/html")
    reply = sites.answer(simulation, call, routed.at)
    reply.headers += [("Set-Cookie", cookie) for cookie in routed.cookies]
    if "x-request-id" in call.headers:
        reply.headers.append(("x-request-id", call.headers["x-request-id"]))
    return reply
