"""The simulated Resource Manager held against recorded exchanges with the real one."""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from rollback.rehearsal.simulator import names, stories
from rollback.rehearsal.simulator.arm import handle
from rollback.rehearsal.simulator.exchange import Call
from rollback.rehearsal.simulator.simulation import Simulation
from rollback.rehearsal.simulator.transitions import (
    begin_swap,
    finish_swap,
    move_instance,
    resource_id,
    warm_up,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "recordings"
pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"the recorded exchanges are not here ({RECORDINGS})"
)
SITE, SLOT = names.BACKEND, names.STAGING
VERSION = "api-version=2025-05-01"
NEWER = {"healthCheckPath", "privateEndpointConnections", "buildVersion", "targetBuildVersion"}
"""Properties that a later api-version than the recorded one has."""


class Recorded(NamedTuple):
    """A recorded exchange; header names in lower case."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: Any


def recorded(name: str) -> list[Recorded]:
    """Return the exchanges of a session in the order of time."""
    entries = json.loads((RECORDINGS / "net" / name).read_text("utf-8-sig"))["Entries"]
    entries.sort(key=lambda entry: parsedate_to_datetime(entry["ResponseHeaders"]["Date"][0]))
    return [
        Recorded(
            entry["RequestMethod"],
            entry["RequestUri"].split("?")[0],
            entry["StatusCode"],
            {key.lower(): values[0] for key, values in entry["ResponseHeaders"].items()},
            json.loads(entry["ResponseBody"]) if entry["ResponseBody"] else None,
        )
        for entry in entries
    ]


@pytest.fixture(scope="module")
def slots_session() -> list[Recorded]:
    """Return the session with three swaps to production."""
    return recorded("AppService__ManageWebAppSlotsTest.json")


def one(session: list[Recorded], method: str, end: str) -> Recorded:
    """Return the first successful exchange of a method with a path that ends so."""
    return next(
        each
        for each in session
        if each.method == method and each.status == 200 and re.search(end + "$", each.path)
    )


class Asked(NamedTuple):
    """An answer of the simulator."""

    status: int
    headers: dict[str, str]
    body: Any


class Arm:
    """The simulated Resource Manager without a server; background work is left to the test."""

    def __init__(self) -> None:
        """Begin with the standard story and one issued token."""
        self.simulation = Simulation(stories.default_world())
        expiry = self.simulation.now().replace(year=2999)
        self.simulation.arm_tokens["t"] = ("conformance", expiry)

    def ask(self, method: str, path: str, body: Any = None, query: str = VERSION) -> Asked:
        """Send one request."""
        call = Call(
            method=method,
            host=names.ARM_HOST,
            path=path,
            raw_query=query,
            headers={"authorization": "Bearer t"},
            body=json.dumps(body).encode() if body is not None else b"",
        )
        reply = handle(self.simulation, call)
        headers = {name.lower(): value for name, value in reply.headers}
        return Asked(reply.status, headers, json.loads(reply.body) if reply.body else None)


@pytest.fixture
def arm() -> Arm:
    """Return the simulated Resource Manager."""
    return Arm()


def same_kind(here: object, there: object) -> bool:
    """Return whether two values have one JSON type; null fits anything."""
    if here is None or there is None:
        return True
    number = (int, float)
    if isinstance(here, bool) or isinstance(there, bool):
        return isinstance(here, bool) and isinstance(there, bool)
    if isinstance(here, number):
        return isinstance(there, number)
    return type(here) is type(there)


def differing(here: dict[str, Any], there: dict[str, Any], newer: set[str] = NEWER) -> list[str]:
    """Return the keys of `here` that `there` lacks, or has with another type."""
    return sorted(
        key
        for key, value in here.items()
        if key not in newer and (key not in there or not same_kind(value, there[key]))
    )


def recorded_swaps(session: list[Recorded]) -> Iterator[list[Recorded]]:
    """Return each swap: its POST and the polls up to the first 200."""
    for start, each in enumerate(session):
        if not each.path.endswith("/slotsswap"):
            continue
        place = each.headers["location"].split("?")[0].removeprefix(f"https://{names.ARM_HOST}")
        polls = [later for later in session[start:] if later.path == place]
        end = next(index for index, poll in enumerate(polls) if poll.status == 200)
        yield [each, *polls[: end + 1]]


def told_by(status: int, headers: dict[str, str], body: Any) -> tuple[Any, ...]:
    """Return what a poller reads of an answer."""
    present = tuple(name in headers for name in ("location", "retry-after", "etag"))
    return status, present, body is None


@pytest.mark.parametrize(
    "name", ["AppService__ManageWebAppSlotsTest.json", "DeploymentSlots__CanCRUDSwapSlots.json"]
)
def test_a_swap_answers_as_recorded(arm: Arm, name: str) -> None:
    swaps = list(recorded_swaps(recorded(name)))
    assert swaps
    base = resource_id(SITE, SLOT)
    world, now = arm.simulation.world, arm.simulation.now()
    operation = begin_swap(
        world, now, SITE, source=SLOT, target=names.PRODUCTION, principal="client:conformance"
    )
    place = f"{base}/operationresults/{operation.id}"
    running = arm.ask("GET", place)
    assert warm_up(world, now, operation) is None
    while move_instance(world, now, operation):
        again = arm.ask("GET", place)
    finish_swap(world, now, operation)
    ended = arm.ask("GET", place)
    for _, *polls in swaps:
        *waiting, final = polls
        assert {told_by(p.status, p.headers, p.body) for p in waiting} == {told_by(*running)}
        assert told_by(final.status, final.headers, final.body) == told_by(*ended)
        assert final.body["type"] == ended.body["type"] == "Microsoft.Web/sites/slots"
        status = final.body["properties"]["slotSwapStatus"]
        assert set(status) == set(ended.body["properties"]["slotSwapStatus"])
        assert re.fullmatch(r"[\d-]+T[\d:]+\.\d+Z", status["timestampUtc"])
    assert told_by(*again) == told_by(*running)
    assert running.headers["location"] != again.headers["location"]


def test_a_swap_is_accepted_as_recorded(
    arm: Arm, slots_session: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without an event loop there is nothing to run the phases on; only the answer matters here.
    monkeypatch.setattr(arm.simulation, "spawn", lambda work: work.close())
    path = resource_id(SITE, SLOT) + "/slotsswap"
    accepted = arm.ask("POST", path, {"targetSlot": "production", "preserveVnet": False})
    posted = next(recorded_swaps(slots_session))[0]
    assert told_by(*accepted) == told_by(posted.status, posted.headers, posted.body)
    shape = r"https://management\.azure\.com/.*/slots/staging/operationresults/[0-9a-f-]{36}"
    for place in (accepted.headers["location"], posted.headers["location"]):
        assert re.fullmatch(shape, place.split("?")[0])


def test_locations_are_signed_anew_as_since_2025(arm: Arm) -> None:
    seen = json.loads((RECORDINGS / "cli" / "slot_swap_2025.json").read_text())["exchanges"]
    place = next(each["headers"]["location"] for each in seen if each["status"] == 202)
    operation = begin_swap(
        arm.simulation.world,
        arm.simulation.now(),
        SITE,
        source=SLOT,
        target=names.PRODUCTION,
        principal="x",
    )
    base = resource_id(SITE, SLOT)
    polled = arm.ask("GET", f"{base}/operationresults/{operation.id}").headers["location"]
    assert set(parse_qs(urlsplit(polled).query)) == set(parse_qs(urlsplit(place).query))
    assert len(parse_qs(urlsplit(polled).query)["t"][0]) == len("638881593760620464")


def test_the_fields_that_tell_of_a_swap_are_as_in_2025(arm: Arm) -> None:
    seen = json.loads((RECORDINGS / "cli" / "slot_swap_2025.json").read_text())["exchanges"]
    bodies = [each["body"] for each in seen if each["status"] == 200 and each["body"]]
    slot, site, sticky = bodies
    for there, path in ((slot, resource_id(SITE, SLOT)), (site, resource_id(SITE))):
        here = arm.ask("GET", path).body
        assert differing(there["properties"], here["properties"]) == []
        assert there["type"] == here["type"]
        stamp = there["properties"]["lastModifiedTimeUtc"]
        assert re.fullmatch(r"[\d-]+T[\d:]+\.\d+", stamp)
        assert re.fullmatch(r"[\d-]+T[\d:]+\.\d+", here["properties"]["lastModifiedTimeUtc"])
    assert re.fullmatch(r".+/staging", slot["name"])
    assert re.fullmatch(r".+\(staging\)", slot["properties"]["name"])
    here = arm.ask("GET", resource_id(SITE) + "/config/slotConfigNames").body
    assert set(sticky["properties"]) == set(here["properties"])
    assert differing(sticky, here) == []


def test_the_slot_resource_has_only_recorded_fields(
    arm: Arm, slots_session: list[Recorded]
) -> None:
    there = one(slots_session, "GET", "/sites/[^/]+/slots/staging").body
    here = arm.ask("GET", resource_id(SITE, SLOT)).body
    assert set(here) == set(there)
    assert differing(here["properties"], there["properties"]) == []
    ssl_here, ssl_there = (body["properties"]["hostNameSslStates"][0] for body in (here, there))
    assert set(ssl_here) == set(ssl_there)


def test_sticky_names_and_settings_are_as_recorded(arm: Arm, slots_session: list[Recorded]) -> None:
    there = one(slots_session, "GET", "/config/slotConfigNames").body
    here = arm.ask("GET", resource_id(SITE) + "/config/slotConfigNames").body
    assert set(here) == set(there)
    assert set(here["properties"]) == set(there["properties"])
    path = resource_id(SITE, SLOT) + "/config/appsettings"
    there = one(slots_session, "POST", "/slots/staging/config/appsettings/list").body
    here = arm.ask("POST", path + "/list").body
    assert set(here) == set(there)
    assert (here["name"], here["type"]) == (there["name"], there["type"])
    assert there["id"].endswith("/slots/staging/config/appsettings")
    assert here["id"].endswith("/slots/staging/config/appsettings")


def test_the_slot_configuration_is_as_recorded(arm: Arm, slots_session: list[Recorded]) -> None:
    there = one(slots_session, "GET", "/slots/staging/config/web").body
    here = arm.ask("GET", resource_id(SITE, SLOT) + "/config/web").body
    assert set(here) == set(there)
    assert here["type"] == there["type"]
    assert differing(here["properties"], there["properties"]) == []


def test_routing_rules_are_read_and_changed_as_recorded(arm: Arm) -> None:
    text = (RECORDINGS / "cli" / "traffic_routing_2022.json").read_text()
    read, change = json.loads(text)["exchanges"]
    world = stories.ramped(arm.simulation.world, SITE, 15)
    arm.simulation.world = world
    path = resource_id(SITE) + "/config/web"
    here = arm.ask("GET", path).body
    (rule_there,) = read["body"]["properties"]["routingRules"]
    (rule_here,) = here["properties"]["routingRules"]
    assert set(rule_here) == set(rule_there)
    assert rule_here["reroutePercentage"] == rule_there["reroutePercentage"]
    assert here["properties"]["experiments"] == {"rampUpRules": [rule_here]}
    changed = arm.ask("PATCH", path, change["request"])
    assert changed.status == change["status"]
    assert "etag" in changed.headers
    assert changed.body["type"] == change["body"]["type"] == "Microsoft.Web/sites"
    assert changed.body["id"] == resource_id(SITE)
    for field, value in change["body"]["properties"].items():
        assert changed.body["properties"][field] == value
