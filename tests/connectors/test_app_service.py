"""App Service through the real SDK, guarded, against the simulator."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785

from rollback.connectors import app_service, resource_manager
from rollback.connectors import app_service_effects as effects
from rollback.errors import ConnectorError, GuardRefusal, ProductDefect
from rollback.model.direction import Direction
from rollback.model.effect import ExactBody, HttpWrite, NoBody
from rollback.model.views import OperationState, RampRule, SlotRef
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import digest_of, instance_id
from tests.connectors.stand import BACKEND, BACKEND_HOST, STAGING, environment, stand

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.ports import ArmPort
    from rollback.rehearsal.simulator.process import Simulator

IMAGE = f"registry.trading.example/backend@{digest_of(names.BACKEND, names.STABLE_BUILD)}"
RULES = (
    RampRule(name="staging", host=f"{names.BACKEND}-staging.azurewebsites.net",
             percent_hundredths=1550),
)  # fmt: skip
AZURE = environment().azure

WRITES: dict[str, tuple[HttpWrite, Callable[[ArmPort], object]]] = {
    "swap-slot": (
        effects.swap_effect(AZURE, STAGING, "production", id="s#swap"),
        lambda arm: arm.swap(STAGING, "production"),
    ),
    "swap-site": (
        effects.swap_effect(AZURE, BACKEND, "staging", id="s#swap"),
        lambda arm: arm.swap(BACKEND, "staging"),
    ),
    "ramp": (
        effects.ramp_rules_effect(AZURE, BACKEND, RULES, id="s#ramp", direction=Direction.AWAY),
        lambda arm: arm.set_ramp_rules(BACKEND, RULES),
    ),
    "ramp-none": (
        effects.ramp_rules_effect(AZURE, BACKEND, (), id="s#ramp", direction=Direction.TOWARD),
        lambda arm: arm.set_ramp_rules(BACKEND, ()),
    ),
    "auto-swap": (
        effects.auto_swap_effect(AZURE, STAGING, "", id="s#auto", direction=Direction.TOWARD),
        lambda arm: arm.set_auto_swap(STAGING, ""),
    ),
    "image": (
        effects.image_effect(AZURE, STAGING, IMAGE, id="s#image"),
        lambda arm: arm.set_image(STAGING, IMAGE),
    ),
    "image-production": (
        effects.image_effect(AZURE, BACKEND, IMAGE, id="s#image"),
        lambda arm: arm.set_image(BACKEND, IMAGE),
    ),
    "start": (
        effects.start_effect(AZURE, STAGING, id="s#start"),
        lambda arm: arm.start(STAGING),
    ),
}


def test_a_slot_is_read_with_what_tells_whether_it_was_swapped(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        production = here.clients.arm().slot(BACKEND)
        (staging,) = here.clients.arm().slots(BACKEND)
        same = here.clients.arm().slot(STAGING)
    assert production.ref == BACKEND
    assert production.state == "Running"
    assert production.host == BACKEND_HOST
    assert BACKEND_HOST in production.hosts
    assert production.swap_at
    assert production.swap_at == staging.swap_at
    assert production.deployment_id
    assert production.etag
    assert staging.ref == STAGING
    assert staging.model_copy(update={"etag": same.etag}) == same


def test_configuration_settings_and_differences(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        arm = here.clients.arm()
        configuration = arm.configuration(STAGING)
        settings = arm.settings(STAGING)
        differences = arm.differences(STAGING, "production")
        values = arm.setting_values(STAGING, ("RELEASE", "NOT_THERE"))
    world = sim.control.world()
    held = world.sites[names.BACKEND].slots["staging"]
    assert configuration.image == held.image
    assert configuration.ramp_rules == ()
    assert {view.name for view in settings} == set(held.settings)
    assert {view.name for view in settings if view.sticky} <= set(world.sites[names.BACKEND].sticky)
    assert dict(values) == {"RELEASE": held.settings["RELEASE"]}
    assert "RELEASE" in {view.name for view in differences}
    for value in held.settings.values():
        assert value not in repr(settings), "a digest, never the value"


def test_digests_of_settings_agree_within_a_run_and_differ_between_runs(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        first = here.clients.arm().settings(BACKEND)
        again = here.clients.arm().settings(BACKEND)
    with stand(environment(sim)) as other:
        object.__setattr__(other.parts, "digest_key", b"another run's key" * 2)
        elsewhere = other.clients.arm().settings(BACKEND)
    assert first == again
    assert {view.digest for view in first}.isdisjoint({view.digest for view in elsewhere})


@pytest.mark.parametrize("name", ["COSMOS_KEY", "Api_Token", "DB_CONNECTION", "WEBHOOK_URL"])
def test_the_value_of_a_setting_that_may_be_secret_is_not_read(sim: Simulator, name: str) -> None:
    with stand(environment(sim)) as here, pytest.raises(ProductDefect) as caught:
        here.clients.arm().setting_values(BACKEND, (name,))
    assert caught.value.promise == "no-secret-leaves"
    assert not here.exchanges.seen_all


def test_instances_deployments_activity_logs_and_permissions(sim: Simulator) -> None:
    now = datetime.now(UTC)
    with stand(environment(sim)) as here:
        arm = here.clients.arm()
        instances = arm.instances(BACKEND)
        deployments = arm.deployments(BACKEND)
        activity = arm.activity(BACKEND, now - timedelta(days=7), now + timedelta(minutes=1))
        early = arm.activity(BACKEND, now - timedelta(days=9), now - timedelta(days=8))
        logs = arm.worker_logs(BACKEND)
        group = f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}"
        permissions = arm.permissions(group)
        account = arm.resource(
            f"{group}/providers/Microsoft.DocumentDB/databaseAccounts/{names.COSMOS_ACCOUNT}",
            "2024-11-15",
        )
    ids = {instance_id(names.BACKEND, "production", index) for index in range(3)}
    assert {instance.id for instance in instances} == ids
    assert {instance.state for instance in instances} == {"READY"}
    (active,) = [entry for entry in deployments if entry.active]
    assert active.build == names.BAD_BUILD
    assert active.ended_at is not None
    assert [entry.at for entry in activity] == sorted(entry.at for entry in activity)
    assert any("slotsswap" in entry.operation for entry in activity)
    assert all(f"/sites/{names.BACKEND}" in entry.resource for entry in activity)
    assert early == ()
    assert logs
    assert "Microsoft.Web/sites/*" in permissions[0].actions
    facts = {fact.name: fact.value for fact in account}
    assert facts["properties.disableKeyBasedMetadataWriteAccess"] is True


@pytest.mark.parametrize("name", WRITES)
def test_what_the_sdk_sends_is_the_planned_effect_and_nothing_else(
    fresh: Simulator, name: str
) -> None:
    effect, write = WRITES[name]
    with stand(environment(fresh), effect) as here:
        write(here.clients.arm())
    assert here.latch.tripped() is None
    assert [spent for spent, _ in here.ledger.spent] == [effect.id]
    (sent,) = [entry for entry in fresh.control.ledger() if entry.write and "sites" in entry.path]
    (shape,) = [shape for _, shape in here.ledger.spent]
    assert (sent.method, sent.host, sent.path) == (effect.method, effect.host, effect.path)
    assert shape.path == effect.path
    if isinstance(effect.body, ExactBody):
        assert shape.body_sha256 == effect.body.sha256, "byte for byte"
    else:
        assert effect.body == NoBody()
        assert shape.body_bytes == 0


@pytest.mark.parametrize("name", WRITES)
def test_without_its_permission_the_same_write_does_not_leave(sim: Simulator, name: str) -> None:
    other, _ = WRITES["auto-swap" if name != "auto-swap" else "start"]
    before = len(sim.control.ledger())
    with stand(environment(sim), other) as here, pytest.raises(GuardRefusal) as caught:
        WRITES[name][1](here.clients.arm())
    assert caught.value.promise == "plan-is-permission"
    assert here.latch.tripped() is not None
    assert not [entry for entry in sim.control.ledger()[before:] if entry.write]


def test_the_bodies_are_those_of_the_sdks_own_models() -> None:
    from azure.mgmt.web import models
    from azure.mgmt.web._utils.model_base import SdkJSONEncoder

    def written(model: Any) -> bytes:
        return rfc8785.dumps(json.loads(json.dumps(model, cls=SdkJSONEncoder)))

    def configured(**properties: Any) -> bytes:
        return written(models.SiteConfigResource(properties=models.SiteConfig(**properties)))

    swapped = models.CsmSlotEntity(target_slot="production", preserve_vnet=True)
    ramp = models.RampUpRule(
        name=RULES[0].name, action_host_name=RULES[0].host, reroute_percentage=15.5
    )
    assert effects.canonical(effects.swap_content("production")) == written(swapped)
    assert effects.canonical(effects.ramp_rules_content(RULES)) == configured(
        experiments=models.Experiments(ramp_up_rules=[ramp])
    )
    assert effects.canonical(effects.auto_swap_content("")) == configured(auto_swap_slot_name="")
    assert effects.canonical(effects.image_content(IMAGE)) == configured(
        linux_fx_version=f"DOCKER|{IMAGE}"
    )


def test_a_swap_is_followed_by_looking(fresh: Simulator) -> None:
    effect, _ = WRITES["swap-slot"]
    with stand(environment(fresh), effect) as here:
        arm = here.clients.arm()
        before = arm.slot(BACKEND)
        fresh.control.fault("swap_never_ends", site=names.BACKEND)
        location = arm.swap(STAGING, "production")
        running = arm.operation(location)
        busy = arm.slot(BACKEND).operation
        fresh.control.clear_faults()
        view = running
        while view.state is OperationState.RUNNING:
            view = arm.operation(view.location)
        after = arm.slot(BACKEND)
    assert running.state is OperationState.RUNNING
    assert running.location != location, "a new place at every look"
    assert busy
    assert view.state is OperationState.DONE
    assert after.swap_at > before.swap_at
    assert not after.operation
    assert fresh.control.swaps(names.BACKEND) == 1


@pytest.mark.parametrize("status", [429, 500, 503, 504])
@pytest.mark.parametrize("name", ["swap-slot", "ramp-none", "start"])
def test_a_write_that_fails_is_sent_once(fresh: Simulator, status: int, name: str) -> None:
    effect, write = WRITES[name]
    more = effect.model_copy(update={"times_max": 9})
    path = effect.path.rpartition("/")[2]
    fresh.control.fault(
        "status", method=effect.method, path=path, status=status, count=0,
        headers={"Retry-After": "0"},
    )  # fmt: skip
    with stand(environment(fresh), more) as here, pytest.raises(ConnectorError) as caught:
        write(here.clients.arm())
    assert caught.value.status == status
    assert caught.value.transient
    assert len(here.ledger.spent) == 1
    assert len([entry for entry in fresh.control.ledger() if entry.path == effect.path]) == 1


@pytest.mark.parametrize("after", ["after_effect", "without_effect"])
def test_a_lost_answer_is_an_unknown_not_a_second_swap(fresh: Simulator, after: str) -> None:
    effect, write = WRITES["swap-slot"]
    fresh.control.fault(f"swap_response_dropped_{after}")
    more = effect.model_copy(update={"times_max": 9})
    with stand(environment(fresh), more) as here, pytest.raises(ConnectorError) as caught:
        write(here.clients.arm())
    assert caught.value.code == "app-service.dropped"
    assert caught.value.status is None
    assert len(here.ledger.spent) == 1


def test_a_read_is_asked_again_and_a_lasting_failure_is_told(sim: Simulator) -> None:
    sim.control.fault("status", method="GET", path="/instances", status=503, count=2)
    with stand(environment(sim)) as here:
        assert len(here.clients.arm().instances(BACKEND)) == 3
        assert here.clock.waited == [0.2, 0.4]
        sim.control.fault("drop", method="GET", path="/instances", count=0)
        with pytest.raises(ConnectorError) as caught:
            here.clients.arm().instances(BACKEND)
    assert caught.value.transient


def test_somebody_elses_operation_is_named(fresh: Simulator) -> None:
    effect, write = WRITES["ramp-none"]
    fresh.control.fault("other_operation_in_progress", site=names.BACKEND, seconds=None)
    with stand(environment(fresh), effect) as here, pytest.raises(ConnectorError) as caught:
        write(here.clients.arm())
    assert caught.value.code == "app-service.busy"
    assert "ScaleWebSite" in caught.value.reason


def test_a_warm_up_that_failed_is_told_by_the_operation(fresh: Simulator) -> None:
    message = (
        "Cannot swap slots for site 'trading-backend' because the worker process for 'staging' "
        "slot could not be started. AccountKey=hunter2hunter2"
    )
    effect, write = WRITES["swap-slot"]
    fresh.control.fault(
        "status", method="GET", path="operationresults", status=400, count=0,
        body={"Code": "BadRequest", "Message": message},
    )  # fmt: skip
    with stand(environment(fresh), effect) as here:
        location = str(write(here.clients.arm()))
        view = here.clients.arm().operation(location)
    assert view.state is OperationState.FAILED
    assert "staging could not be started; nothing was swapped" in view.message
    assert "hunter2" not in view.message


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/subscriptions/{s}/operationresults/1",
        "http://management.azure.com/subscriptions/{s}/operationresults/1",
        "https://management.azure.com@evil.example/subscriptions/{s}/operationresults/1",
        "https://management.azure.com/subscriptions/other/operationresults/1",
        "https://management.azure.com/subscriptions/{s}/resourceGroups/trading",
        "https://management.azure.com/subscriptions/{s}/providers/Microsoft.DocumentDB/locations/x/operationresults/1",
        "https://management.azure.com/subscriptions/{s}/providers/Microsoft.Web/x/providers/Other/operations/1",
        "https://management.azure.com/subscriptions/{s}//operationresults/1",
        "https://[/subscriptions/{s}/operationresults/1",
        "",
    ],
)
def test_an_operations_place_is_pinned(sim: Simulator, place: str) -> None:
    with stand(environment(sim)) as here, pytest.raises(ConnectorError) as caught:
        here.clients.arm().operation(place.format(s=names.SUBSCRIPTION))
    assert caught.value.code == "app-service.wrong-place"
    assert not here.exchanges.seen_all
    assert here.latch.tripped() is None, "an odd answer does not end the run"


def test_an_operation_nobody_knows_is_gone(sim: Simulator) -> None:
    place = effects.site_path(names.SUBSCRIPTION, BACKEND) + "/operationresults/nobody"
    with stand(environment(sim)) as here:
        view = here.clients.arm().operation(
            f"https://{names.ARM_HOST}{place}?api-version=2025-05-01"
        )
    assert view.state is OperationState.GONE


def test_what_is_not_there_and_what_cannot_be_read(sim: Simulator) -> None:
    nowhere = SlotRef(resource_group=names.RESOURCE_GROUP, site="nowhere")
    with stand(environment(sim)) as here:
        with pytest.raises(ConnectorError) as missing:
            here.clients.arm().slot(nowhere)
        sim.control.fault("status", method="GET", path="/config/web", status=200, body="<html>")
        configuration = here.clients.arm().configuration(BACKEND)
    assert (missing.value.status, missing.value.transient) == (404, False)
    assert configuration.image == "", "a wrong type reads as absent"


def test_no_answer_of_the_service_is_quoted(sim: Simulator) -> None:
    sim.control.fault(
        "status", method="GET", path="/instances", status=403, count=0,
        body={"error": {"code": "Forbidden", "message": "AccountKey=hunter2hunter2"}},
    )  # fmt: skip
    with stand(environment(sim)) as here, pytest.raises(ConnectorError) as caught:
        here.clients.arm().instances(BACKEND)
    import traceback

    shown = "".join(traceback.format_exception(caught.value))
    assert "Forbidden" in caught.value.reason
    assert "azure.core.exceptions" in shown, "the chain says what it was"
    assert "hunter2" not in shown


def test_a_sign_in_service_that_nobody_reaches_is_no_credential_problem(sim: Simulator) -> None:
    sim.control.fault("drop", host=names.LOGIN_HOST, count=0)
    with stand(environment(sim)) as here, pytest.raises(ConnectorError) as caught:
        here.clients.arm().slot(BACKEND)
    assert (caught.value.code, caught.value.transient) == ("app-service.dropped", True)
    assert "no token was had" in caught.value.reason
    assert "credential" not in caught.value.reason


def test_a_wrong_secret_is_a_credential_problem_and_is_not_shown(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        object.__setattr__(here.secrets, "variables", {"AZURE_CLIENT_SECRET": "not-the-secret"})
        with pytest.raises(ConnectorError) as caught:
            here.clients.arm().slot(BACKEND)
    assert caught.value.code == "app-service.denied"
    assert "not-the-secret" not in str(caught.value)
    assert here.latch.tripped() is None


def test_a_list_that_is_too_long_is_an_error_and_not_its_beginning(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource_manager, "ITEMS_MAX", 2)
    now = datetime.now(UTC)
    with stand(environment(sim)) as here:
        arm = here.clients.arm()
        with pytest.raises(ConnectorError, match="more than 2"):
            arm.instances(BACKEND)
        with pytest.raises(ConnectorError, match="more than 2"):
            arm.activity(BACKEND, now - timedelta(days=7), now + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "a page of it holds no list"),
        ([], "a page of it holds no list"),
        ({"value": None}, "a page of it holds no list"),
        ({"value": {"0": {}}}, "a page of it holds no list"),
        ({"value": [None]}, "an entry of it says no time"),
        ({"value": [{"eventTimestamp": "yesterday"}]}, "an entry of it says no time"),
    ],
    ids=str,
)
def test_an_activity_log_that_cannot_be_read_is_not_an_empty_one(
    fresh: Simulator, body: Any, why: str
) -> None:
    path = "/eventtypes/management/values"
    fresh.control.fault("status", method="GET", path=path, status=200, body=body, count=0)
    now = datetime.now(UTC)
    with stand(environment(fresh)) as here, pytest.raises(ConnectorError, match=why):
        here.clients.arm().activity(BACKEND, now - timedelta(days=7), now)


LISTS: dict[str, Callable[[ArmPort], object]] = {
    "slots": lambda arm: arm.slots(BACKEND),
    "differences": lambda arm: arm.differences(BACKEND, "staging"),
    "differences of a slot": lambda arm: arm.differences(STAGING, "production"),
    "instances": lambda arm: arm.instances(BACKEND),
    "instances of a slot": lambda arm: arm.instances(STAGING),
    "deployments": lambda arm: arm.deployments(BACKEND),
    "deployments of a slot": lambda arm: arm.deployments(STAGING),
    "settings": lambda arm: arm.settings(BACKEND),
}


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {}}, {"error": {"code": "x"}}], ids=str)
def test_an_answer_that_holds_no_list_is_not_an_empty_one(fresh: Simulator, body: Any) -> None:
    fresh.control.fault("status", host=names.ARM_HOST, status=200, body=body, count=0)
    with stand(environment(fresh)) as here:
        for name, read in LISTS.items():
            with pytest.raises(ConnectorError) as caught:
                read(here.clients.arm())
            assert caught.value.code == "app-service.unreadable", name


def test_of_a_log_that_is_too_long_the_last_bytes_are_kept(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stand(environment(sim)) as here:
        arm = here.clients.arm()
        whole = arm.worker_logs(BACKEND)
        monkeypatch.setattr(app_service, "LOG_BYTES_MAX", 40)
        assert arm.worker_logs(BACKEND) == whole[-40:]
        assert len(whole) > 40
