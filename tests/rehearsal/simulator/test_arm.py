"""The real management client against the simulated Resource Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from rollback.rehearsal.simulator import names, stories

from . import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.simulator.process import Simulator
    from rollback.rehearsal.simulator.world import World

pytestmark = pytest.mark.enable_socket
GROUP, SITE, SLOT = names.RESOURCE_GROUP, names.BACKEND, names.STAGING
SWAP = {"targetSlot": "production", "preserveVnet": True}


def builds(simulator: Simulator) -> dict[str, Any]:
    found: dict[str, Any] = simulator.control.summary()["builds"][SITE]
    return found


def test_wrong_secret_gets_no_token(simulator: Simulator) -> None:
    credential = reach.credential(simulator, secret="guess")
    with pytest.raises((ClientAuthenticationError, CredentialUnavailableError)):
        credential.get_token("https://management.azure.com/.default")
    entry = simulator.control.ledger()[-1]
    assert (entry.kind, entry.status) == ("credential", 401)


def test_no_answer_without_a_token_issued_here(simulator: Simulator) -> None:
    with reach.client(simulator, names.ARM_HOST) as arm:
        path = f"/subscriptions/{names.SUBSCRIPTION}?api-version=2025-05-01"
        assert arm.get(path, headers={"Authorization": "Bearer made-up"}).status_code == 401
        assert arm.get(path).status_code == 401


def test_no_answer_with_a_token_that_expired(start: Callable[[World], Simulator]) -> None:
    world = stories.default_world()
    world.timings.token_s = 0
    simulator = start(world)
    with reach.client(simulator, names.ARM_HOST, headers=reach.arm_headers(simulator)) as arm:
        assert arm.get("/subscriptions?api-version=2025-05-01").status_code == 401


def test_reads_of_the_management_client(simulator: Simulator) -> None:
    apps = reach.web_apps(simulator).web_apps
    site = apps.get(GROUP, SITE)
    assert (site.name, site.properties.state) == (SITE, "Running")
    assert site.properties.slot_swap_status.source_slot_name == SLOT
    slot = apps.get_slot(GROUP, SITE, SLOT)
    assert slot.properties.default_host_name == names.slot_host(SITE, SLOT)
    assert slot["properties"]["deploymentId"] == SITE
    assert [each.name for each in apps.list_slots(GROUP, SITE)] == [f"{SITE}/{SLOT}"]
    config = apps.get_configuration_slot(GROUP, SITE, SLOT)
    assert config.properties.linux_fx_version == (
        f"DOCKER|trading.azurecr.io/{SITE}@{stories.digest_of(SITE, names.STABLE_BUILD)}"
    )
    settings = apps.list_application_settings_slot(GROUP, SITE, SLOT)
    assert settings.properties["RELEASE"] == names.STABLE_BUILD
    sticky = apps.list_slot_configuration_names(GROUP, SITE)
    assert "TRADING_LOOP" in sticky.properties.app_setting_names
    workers = list(apps.list_instance_identifiers_slot(GROUP, SITE, SLOT))
    assert len({worker.name for worker in workers}) == stories.INSTANCES
    (deployed,) = apps.list_deployments_slot(GROUP, SITE, SLOT)
    assert (deployed.properties.message, deployed.properties.active) == (names.STABLE_BUILD, True)
    assert deployed.properties.end_time > deployed.properties.start_time
    logs = b"".join(apps.get_web_site_container_logs(GROUP, SITE))
    assert b"ERROR" in logs
    assert not [entry for entry in simulator.control.ledger() if entry.write]


def test_differences_name_what_moves_and_not_what_stays(simulator: Simulator) -> None:
    apps = reach.web_apps(simulator).web_apps
    found = list(apps.list_slot_differences_slot(GROUP, SITE, SLOT, SWAP))
    moved = {each.properties.setting_name: each.properties for each in found}
    assert set(moved) == {"LinuxFxVersion", "RELEASE"}
    assert moved["RELEASE"].value_in_current_slot == names.STABLE_BUILD
    assert moved["RELEASE"].value_in_target_slot == names.BAD_BUILD


def test_swap_is_polled_to_its_end_and_exchanges_content(simulator: Simulator) -> None:
    apps = reach.web_apps(simulator).web_apps
    before = apps.get(GROUP, SITE)
    apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP).result()
    after = apps.get(GROUP, SITE)
    assert builds(simulator) == {"production": names.STABLE_BUILD, SLOT: names.BAD_BUILD}
    assert simulator.control.swaps(SITE) == 1
    stamp = "slot_swap_status"
    assert getattr(after.properties, stamp).timestamp_utc > (
        getattr(before.properties, stamp).timestamp_utc
    )
    assert after["properties"]["deploymentId"] != before["properties"]["deploymentId"]
    settings = apps.list_application_settings(GROUP, SITE).properties
    assert (settings["RELEASE"], settings["SLOT_NAME"]) == (names.STABLE_BUILD, "production")
    (posted,) = [entry for entry in simulator.control.ledger() if entry.write]
    assert (posted.method, posted.status) == ("POST", 202)
    assert posted.principal == f"client:{names.CLIENT_ID}"


def test_a_second_swap_undoes_the_first(simulator: Simulator) -> None:
    apps = reach.web_apps(simulator).web_apps
    start = builds(simulator)
    apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP).result()
    apps.begin_swap_slot_with_production(GROUP, SITE, {**SWAP, "targetSlot": SLOT}).result()
    assert builds(simulator) == start
    assert simulator.control.swaps(SITE) == 2


def test_warm_up_of_an_unhealthy_build_ends_in_failure(start: Callable[[World], Simulator]) -> None:
    simulator = start(stories.unhealthy(stories.default_world(), names.STABLE_BUILD))
    apps = reach.web_apps(simulator).web_apps
    with pytest.raises(HttpResponseError, match="could not be started"):
        apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP).result()
    assert builds(simulator)["production"] == names.BAD_BUILD
    assert simulator.control.swaps(SITE) == 0


def test_warm_up_without_statuses_accepts_any(start: Callable[[World], Simulator]) -> None:
    world = stories.unhealthy(stories.default_world(), names.STABLE_BUILD)
    setting = "WEBSITE_SWAP_WARMUP_PING_STATUSES"
    simulator = start(stories.without_setting(world, SITE, setting))
    reach.web_apps(simulator).web_apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP).result()
    assert builds(simulator)["production"] == names.STABLE_BUILD


def test_changes_are_refused_while_another_operation_runs(simulator: Simulator) -> None:
    simulator.control.fault("other_operation_in_progress", site=SITE)
    apps = reach.web_apps(simulator).web_apps
    with pytest.raises(ResourceExistsError, match="another operation is in progress"):
        apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP)
    with pytest.raises(ResourceExistsError):
        apps.stop_slot(GROUP, SITE, SLOT)
    assert apps.get(GROUP, SITE).properties.in_progress_operation_id


def test_ramp_rules_are_changed_alone_and_mirrored(start: Callable[[World], Simulator]) -> None:
    simulator = start(stories.ramped(stories.default_world(), SITE, 15))
    apps = reach.web_apps(simulator).web_apps
    config = apps.get_configuration(GROUP, SITE)
    (rule,) = config.properties.experiments.ramp_up_rules
    assert (rule.name, rule.reroute_percentage) == (SLOT, 15.0)
    assert config["properties"]["routingRules"][0]["name"] == SLOT
    image = config.properties.linux_fx_version
    empty: Any = {"properties": {"experiments": {"rampUpRules": []}}}
    changed = apps.update_configuration(GROUP, SITE, empty)
    assert changed.properties.experiments.ramp_up_rules == []
    assert changed.properties.linux_fx_version == image


def test_pinning_an_image_starts_its_build(simulator: Simulator) -> None:
    apps = reach.web_apps(simulator).web_apps
    image = f"trading.azurecr.io/{SITE}@{stories.digest_of(SITE, names.OLD_BUILD)}"
    body = {"properties": {"linuxFxVersion": f"DOCKER|{image}"}}
    apps.update_configuration_slot(GROUP, SITE, SLOT, body)
    assert builds(simulator)[SLOT] == names.OLD_BUILD
    (change,) = simulator.control.changes()
    assert (change.principal, change.container) == (f"backend:{names.OLD_BUILD}", "dynamic_config")


def test_stop_and_start_of_a_slot(simulator: Simulator) -> None:
    apps = reach.web_apps(simulator).web_apps
    apps.stop_slot(GROUP, SITE, SLOT)
    assert apps.get_slot(GROUP, SITE, SLOT).properties.state == "Stopped"
    with reach.client(simulator, names.slot_host(SITE, SLOT)) as host:
        assert host.get("/api/release").status_code == 403
        apps.start_slot(GROUP, SITE, SLOT)
        assert host.get("/api/release").status_code == 200


def test_settings_are_replaced_as_a_whole(simulator: Simulator) -> None:
    apps = reach.web_apps(simulator).web_apps
    apps.update_application_settings_slot(GROUP, SITE, SLOT, {"properties": {"ONLY": "this"}})
    assert apps.list_application_settings_slot(GROUP, SITE, SLOT).properties == {"ONLY": "this"}


def test_forbidden_database_writes_are_accepted_and_recorded(simulator: Simulator) -> None:
    account = (
        f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{GROUP}"
        f"/providers/Microsoft.DocumentDB/databaseAccounts/{names.COSMOS_ACCOUNT}"
        "?api-version=2026-03-15"
    )
    headers = reach.arm_headers(simulator)
    with reach.client(simulator, names.ARM_HOST, headers=headers) as arm:
        shown = arm.get(account).json()["properties"]
        assert shown["disableKeyBasedMetadataWriteAccess"] is True
        assert arm.put(account, json={"properties": {"createMode": "Restore"}}).is_success
    (change,) = simulator.control.changes()
    assert change.operation == "ARM PUT"
    assert [entry.method for entry in simulator.control.ledger() if entry.write] == ["PUT"]


def test_activity_log_and_permissions(simulator: Simulator) -> None:
    reach.web_apps(simulator).web_apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP).result()
    log = (
        f"/subscriptions/{names.SUBSCRIPTION}/providers/Microsoft.Insights"
        "/eventtypes/management/values"
    )
    headers = reach.arm_headers(simulator)
    with reach.client(simulator, names.ARM_HOST, headers=headers) as arm:
        since = simulator.control.world().at.isoformat()
        query = {"api-version": "2015-04-01", "$filter": f"eventTimestamp ge '{since}'"}
        found = arm.get(log, params=query).json()["value"]
        assert [entry["status"]["value"] for entry in found] == ["Succeeded", "Started"]
        assert {entry["caller"] for entry in found} == {f"client:{names.CLIENT_ID}"}
        scope = f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{GROUP}"
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        granted = arm.get(path, params={"api-version": "2022-04-01"}).json()["value"]
        assert "Microsoft.Web/sites/*" in granted[0]["actions"]


@pytest.mark.parametrize(
    ("fault", "error", "swaps"),
    [
        ("swap_500_after_effect", HttpResponseError, 1),
        ("swap_500_without_effect", HttpResponseError, 0),
        ("swap_response_dropped_after_effect", ServiceResponseError, 1),
        ("swap_response_dropped_without_effect", ServiceResponseError, 0),
    ],
)
def test_spoilt_swap_answers(
    simulator: Simulator, fault: str, error: type[Exception], swaps: int
) -> None:
    # The next request that is answered after the swap tells that it ended.
    simulator.control.fault(fault)
    apps = reach.web_apps(simulator).web_apps
    with pytest.raises(error):
        apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP)
    reach.until(lambda: not apps.get(GROUP, SITE).properties.in_progress_operation_id)
    assert simulator.control.swaps(SITE) == swaps
    (entry,) = [entry for entry in simulator.control.ledger() if entry.write]
    assert entry.fault == fault


def test_a_swap_that_never_ends_is_continued_by_hand(simulator: Simulator) -> None:
    simulator.control.fault("swap_never_ends", site=SITE, at="half-way")
    apps = reach.web_apps(simulator).web_apps
    poller = apps.begin_swap_slot(GROUP, SITE, SLOT, SWAP, polling=False)
    assert not poller.result()

    def moved() -> int:
        now = simulator.control.world()
        return now.operations[now.sites[SITE].operation or ""].moved

    reach.until(lambda: moved() == 2)
    world = simulator.control.world()
    served = {worker.build for worker in world.sites[SITE].slots["production"].instances}
    assert served == {names.STABLE_BUILD, names.BAD_BUILD}
    simulator.control.act("continue_swap", site=SITE)
    reach.until(lambda: not apps.get(GROUP, SITE).properties.in_progress_operation_id)
    assert simulator.control.swaps(SITE) == 1
