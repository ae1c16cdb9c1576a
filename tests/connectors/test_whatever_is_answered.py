"""Whatever JSON the world answers with: a reader gives what can be written down, or its own error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from rollback.connectors import pipelines, trading_backend, web_hosts
from rollback.errors import RollbackError
from rollback.model.environment import Pipeline, Secret
from rollback.rehearsal.simulator import names
from tests.connectors.stand import BACKEND, BACKEND_HOST, STAGING, WEB_HOST, environment, stand

if TYPE_CHECKING:
    from rollback.model.ports import Clients
    from rollback.rehearsal.simulator.process import Simulator

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
OPERATION = f"https://{names.ARM_HOST}/subscriptions/{names.SUBSCRIPTION}/providers/Microsoft.Web/locations/x/operationresults/1"
WHICH = Pipeline(repository=names.REPOSITORY, file="backend.yml", token=Secret(variable="GITHUB_TOKEN"))

NAMES = (
    "value", "properties", "id", "name", "nextLink", "instance", "build", "artifactDigest", "startedAt",
    "tradingLoop", "nonce", "principal", "scopes", "scope", "allowed", "controlSchema", "document",
    "supportedMin", "supportedMax", "store", "reachable", "etag", "global", "tenants", "strategies",
    "halted", "schema", "at", "by", "flags", "enabled", "count", "orders", "state", "siteConfig",
    "experiments", "rampUpRules", "reroutePercentage", "actionHostName", "autoSwapSlotName",
    "linuxFxVersion", "slotSwapStatus", "timestampUtc", "sourceSlotName", "tags", "settingName", "diffRule",
    "eventTimestamp", "operationName", "resourceId", "status", "caller", "correlationId", "end_time",
    "received_time", "active", "workflow_runs", "display_title", "path", "environment", "actions",
    "notActions", "dataActions", "appSettingNames", "message", "error", "code", "targetWorkerCount",
)  # fmt: skip
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53, -(2**63), 10**30, 0, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from([
        "", "\ud800", "2026-11-23T02:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "2026-11-23", "24:00", "http://[", "https://x:y@z:99999/", "//", "\x00", "'\"<>&;", "Running",
        "a" * 5000, "1" * 5000, "active", "true", "100", "a=b=c", "../..",
    ]),
)  # fmt: skip
KEYS = st.sampled_from(NAMES) | st.text(max_size=5)
ANSWERS = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)
# Half of them have the form of a list of resources, so that what is within is looked at.
LISTED = st.fixed_dictionaries({"value": st.lists(ANSWERS, max_size=3)}, optional={"nextLink": ODD})

Reads = tuple[Callable[["Clients"], object], ...]
READS: dict[str, Reads] = {
    BACKEND_HOST: (
        lambda clients: trading_backend.release(clients.http(BACKEND_HOST), "/api/release"),
        lambda clients: trading_backend.trading_control(clients.http(BACKEND_HOST), "/api/control/trading"),
        lambda clients: trading_backend.feature_flags(clients.http(BACKEND_HOST), "/api/flags"),
        lambda clients: trading_backend.open_orders(clients.http(BACKEND_HOST), "/api/orders/open"),
        lambda clients: trading_backend.authority(
            clients.http(BACKEND_HOST), "/api/control/authority", surface="backend", slot="production",
            instance="i-1", token="t" * 20, nonce="n", now=NOW,
        ),
    ),
    WEB_HOST: (lambda clients: web_hosts.page(clients.http(WEB_HOST), WEB_HOST),),
    names.GITHUB_HOST: (
        lambda clients: pipelines.pipeline(clients.http(names.GITHUB_HOST), WHICH, names.GITHUB_TOKEN),
        lambda clients: pipelines.pending(clients.http(names.GITHUB_HOST), WHICH, names.GITHUB_TOKEN, "71"),
    ),
}  # fmt: skip
ARM_READS: Reads = (
    lambda clients: clients.arm().slot(STAGING),
    lambda clients: clients.arm().slots(BACKEND),
    lambda clients: clients.arm().configuration(BACKEND),
    lambda clients: clients.arm().settings(BACKEND),
    lambda clients: clients.arm().differences(STAGING, "production"),
    lambda clients: clients.arm().instances(BACKEND),
    lambda clients: clients.arm().deployments(BACKEND),
    lambda clients: clients.arm().activity(BACKEND, NOW, NOW + timedelta(hours=1)),
    lambda clients: clients.arm().operation(OPERATION),
    lambda clients: clients.arm().permissions(f"/subscriptions/{names.SUBSCRIPTION}"),
    lambda clients: clients.arm().resource(f"/subscriptions/{names.SUBSCRIPTION}", "2022-12-01"),
)


def has_a_written_form(value: object) -> None:
    """Every text is Unicode, every whole number one of JSON's; raises where one is not."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int):
        assert abs(value) < 2**53, value
    elif isinstance(value, (tuple, list)):
        for one in value:
            has_a_written_form(one)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            has_a_written_form(getattr(value, name))
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            has_a_written_form(getattr(value, field.name))
    elif isinstance(value, datetime):
        value.astimezone(UTC)


def read_all(sim: Simulator, host: str, body: Any, reads: Reads) -> None:
    sim.control.clear_faults()
    sim.control.fault("status", host=host, status=200, count=0, body=body)
    with stand(environment(sim)) as here:
        for read in reads:
            try:
                has_a_written_form(read(here.clients))
            except RollbackError:
                continue
    assert here.latch.tripped() is None, "an odd answer does not end the run"


FUZZED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.parametrize("host", READS)
@FUZZED
@given(body=ANSWERS)
def test_of_a_host(sim: Simulator, host: str, body: Any) -> None:
    read_all(sim, host, body, READS[host])


@FUZZED
@given(body=ANSWERS | LISTED)
def test_of_resource_manager(sim: Simulator, body: Any) -> None:
    read_all(sim, names.ARM_HOST, body, ARM_READS)
