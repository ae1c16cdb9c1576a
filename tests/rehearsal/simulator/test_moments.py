"""Faults and verbs that fire at a moment: when a request arrives, is answered, a swap moves."""

from __future__ import annotations

import httpx
import pytest
from azure.core.exceptions import HttpResponseError

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator, SimulatorError

from . import reach

pytestmark = pytest.mark.enable_socket
SITE, SLOT = names.BACKEND, names.STAGING
SWAP = {"targetSlot": "production", "preserveVnet": True}
HOST = names.slot_host(SITE, names.PRODUCTION)


def test_an_operator_halts_while_the_swap_is_half_way(simulator: Simulator) -> None:
    simulator.control.act("halt_trading", when={"moment": "phase", "phase": "half-way"})
    apps = reach.web_apps(simulator).web_apps
    apps.begin_swap_slot(names.RESOURCE_GROUP, SITE, SLOT, SWAP).result()
    world = simulator.control.world()
    kinds = [event.kind for event in world.events]
    assert kinds == ["release-started", "control-read", "halt_trading"]
    assert world.events[-1].principal == "operator:dana"
    (halt,) = simulator.control.changes()
    swapped = world.sites[SITE].swap_status
    assert swapped is not None
    assert halt.at < swapped.at


def test_authority_is_lost_once_the_nth_question_was_answered(simulator: Simulator) -> None:
    simulator.control.fault(
        "authority_denies",
        when={"moment": "answered", "host": HOST, "path": "/authority$", "nth": 2},
    )
    headers = {"Authorization": f"Bearer {names.OPERATOR_TOKEN}"}
    with reach.client(simulator, HOST, headers=headers) as backend:
        path = "/api/control/authority?nonce=n"
        seen = [backend.get(path).json()["scopes"][0]["canHalt"] for _ in range(4)]
    assert seen == [True, True, False, False]


def test_a_build_is_deployed_just_before_the_request_that_finds_it(simulator: Simulator) -> None:
    host = names.slot_host(SITE, SLOT)
    simulator.control.act(
        "deploy",
        site=SITE,
        build=names.THIRD_BUILD,
        when={"host": host, "path": "/api/release", "nth": 2},
    )
    with reach.client(simulator, host) as slot:
        seen = [slot.get("/api/release").json()["build"] for _ in range(3)]
    assert seen == [names.STABLE_BUILD, names.THIRD_BUILD, names.THIRD_BUILD]


def test_what_the_service_refuses_at_its_moment_is_noted(simulator: Simulator) -> None:
    when = {"moment": "phase", "phase": "half-way"}
    simulator.control.act("swap", site=SITE, when=when)
    apps = reach.web_apps(simulator).web_apps
    apps.begin_swap_slot(names.RESOURCE_GROUP, SITE, SLOT, SWAP).result()
    assert simulator.control.swaps(SITE) == 1
    assert simulator.control.world().events[-1].kind == "refused"


def test_only_the_named_site_is_meant(simulator: Simulator) -> None:
    simulator.control.act(
        "halt_trading", when={"moment": "phase", "phase": "swapped", "site": names.WEB}
    )
    apps = reach.web_apps(simulator).web_apps
    apps.begin_swap_slot(names.RESOURCE_GROUP, SITE, SLOT, SWAP).result()
    assert simulator.control.changes() == []
    assert simulator.control.summary()["armed"] == 1


def test_a_status_strikes_from_the_nth_and_so_many_times(simulator: Simulator) -> None:
    simulator.control.fault("status", host=HOST, path="^/api/release$", status=503, nth=2, count=2)
    with reach.client(simulator, HOST) as backend:
        seen = [backend.get("/api/release").status_code for _ in range(5)]
    assert seen == [200, 503, 503, 200, 200]
    faults = [entry.fault for entry in simulator.control.ledger()]
    assert faults == [None, "status", "status", None, None]


def test_an_unreachable_host_drops_connections_until_cleared(simulator: Simulator) -> None:
    simulator.control.fault("platform_down")
    with reach.client(simulator, names.PLATFORM_HOST) as platform:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                platform.get("/healthz")
        simulator.control.clear_faults()
        assert platform.get("/healthz").is_success
    assert [entry.status for entry in simulator.control.ledger()] == [0, 0, 200]


def test_a_planted_secret_is_in_settings_tokens_and_error_bodies(simulator: Simulator) -> None:
    secret = "canary-7f3a"
    simulator.control.fault("plant_secret", secret=secret)
    apps = reach.web_apps(simulator).web_apps
    settings = apps.list_application_settings(names.RESOURCE_GROUP, SITE).properties
    assert secret in settings["PAYMENTS_CONNECTION"]
    with pytest.raises(HttpResponseError, match=secret):
        apps.get(names.RESOURCE_GROUP, "no-such-site")
    assert secret in reach.arm_headers(simulator)["Authorization"]
    with reach.client(simulator, HOST) as backend:
        assert secret in backend.get("/nowhere").text


def test_a_deployment_to_an_auto_swapping_slot_is_swapped_by_the_platform(
    simulator: Simulator,
) -> None:
    apps = reach.web_apps(simulator).web_apps
    body = {"properties": {"autoSwapSlotName": "production"}}
    apps.update_configuration_slot(names.RESOURCE_GROUP, SITE, SLOT, body)
    simulator.control.act("deploy", site=SITE, build=names.THIRD_BUILD)
    reach.until(lambda: not simulator.control.summary()["operations"][SITE])
    assert simulator.control.summary()["builds"][SITE]["production"] == names.THIRD_BUILD


@pytest.mark.parametrize(
    ("name", "params"),
    [("no_such_fault", {}), ("status", {"typo": 1}), ("instance_serves", {"site": SITE})],
)
def test_what_does_not_exist_is_refused(
    simulator: Simulator, name: str, params: dict[str, object]
) -> None:
    with pytest.raises(SimulatorError):
        simulator.control.fault(name, **params)  # type: ignore[arg-type]
    with pytest.raises(SimulatorError):
        simulator.control.act(name)
