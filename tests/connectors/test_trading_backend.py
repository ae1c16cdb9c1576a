"""The backend's typed reads, against the simulator and against answers nobody agreed on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from rollback.connectors import trading_backend as backend
from rollback.errors import ConnectorError
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import instance_id
from tests.connectors.loopback import answer, host_at, serving
from tests.connectors.stand import BACKEND_HOST, environment, stand

if TYPE_CHECKING:
    from rollback.model.authority import AuthorityProbe
    from rollback.model.ports import HttpPort
    from rollback.rehearsal.simulator.process import Simulator

IDS = tuple(instance_id(names.BACKEND, "production", index) for index in range(3))
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_every_instance_is_asked_and_says_who_it_is(sim: Simulator) -> None:
    sim.control.fault("instance_serves", site=names.BACKEND, slot="production", index=1,
                      build=names.STABLE_BUILD)  # fmt: skip
    with stand(environment(sim)) as here:
        probes = backend.releases(here.clients.http(BACKEND_HOST), "/api/release", IDS)
    sim.control.fault("instance_serves", site=names.BACKEND, slot="production", index=1, build=None)
    assert [probe.instance for probe in probes] == list(IDS)
    assert [probe.build for probe in probes] == [
        names.BAD_BUILD, names.STABLE_BUILD, names.BAD_BUILD,
    ]  # fmt: skip
    assert all(probe.answered and probe.echoed for probe in probes)
    assert all(probe.artifact.startswith("sha256:") for probe in probes)
    assert all(probe.started_at is not None and probe.trading_loop for probe in probes)


def test_another_instance_answering_is_no_answer(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        http = here.clients.http(BACKEND_HOST)
        probe = backend.release(http, "/api/release", instance="f" * 64)
    assert not probe.answered
    assert probe.instance in IDS
    assert f"answered for {'f' * 64}" in probe.problem


def test_a_probe_of_production_is_not_moved_by_a_ramp_rule(fresh: Simulator) -> None:
    fresh.control.act("set_ramp", site=names.BACKEND, percent=100)
    with stand(environment(fresh)) as here:
        http = here.clients.http(BACKEND_HOST)
        probes = backend.releases(http, "/api/release", IDS)
        anybody = backend.release(http, "/api/release", fresh=True)
    assert {probe.build for probe in probes} == {names.BAD_BUILD}
    assert anybody.build == names.STABLE_BUILD, "a user is moved"


def test_nobody_answering_is_a_finding(sim: Simulator) -> None:
    sim.control.fault("drop", host=BACKEND_HOST, count=0)
    with stand(environment(sim)) as here:
        http = here.clients.http(BACKEND_HOST)
        release = backend.release(http, "/api/release", instance=IDS[0])
        authority = _authority(http, names.OPERATOR_TOKEN)
    assert not release.answered
    assert not authority.answered
    assert authority.status is None
    assert authority.at == NOW


def _authority(http: HttpPort, token: str, *, control: bool = False) -> AuthorityProbe:
    return backend.authority(
        http, "/api/control/authority", surface="backend", slot="production", instance=IDS[0],
        token=token, nonce="n-1", now=NOW, control=control,
    )  # fmt: skip


def test_authority_is_told_per_scope_with_the_nonce_just_sent(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        http = here.clients.http(BACKEND_HOST)
        may, control, nobody = (
            _authority(http, names.OPERATOR_TOKEN),
            _authority(http, names.VIEWER_TOKEN, control=True),
            _authority(http, "unknown-token"),
        )
    assert may.answered
    assert may.nonce_matches
    assert may.instance_matches
    assert may.store_reachable
    assert {claim.scope: claim.can_halt for claim in may.scopes} == {
        "global": True, "tenant": True, "strategy": True,
    }  # fmt: skip
    assert (may.schema_document, may.build) == (4, names.BAD_BUILD)
    assert control.control
    assert control.scopes
    assert not any(claim.can_halt for claim in control.scopes)
    assert (nobody.answered, nobody.status) == (False, 401)


def test_a_stale_nonce_is_seen(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        http = here.clients.http(BACKEND_HOST)
        _authority(http, names.OPERATOR_TOKEN)
        sim.control.act("halt_trading", halted=False)
        sim.control.fault("authority", behaviour="stale-nonce")
        probe = backend.authority(
            http, "/api/control/authority", surface="backend", slot="production",
            instance=IDS[0], token=names.OPERATOR_TOKEN, nonce="n-2", now=NOW,
        )  # fmt: skip
    assert probe.answered
    assert not probe.nonce_matches


def test_control_state_flags_orders_and_socket(fresh: Simulator) -> None:
    fresh.control.act("deploy", site=names.BACKEND, slot="production", build=names.STABLE_BUILD)
    fresh.control.act("halt_trading", scope="tenant:alpha")
    token = names.OPERATOR_TOKEN
    with stand(environment(fresh)) as here:
        http = here.clients.http(BACKEND_HOST)
        control = backend.trading_control(http, "/api/control/trading", token)
        flags = backend.feature_flags(http, "/api/feature-flags", token)
        orders = backend.open_orders(http, "/api/orders/open", token)
        hello = backend.socket_hello(http, "/ws", token)
        stranger = backend.socket_hello(http, "/ws")
        with pytest.raises(ConnectorError) as denied:
            backend.feature_flags(http, "/api/feature-flags", "unknown-token")
    assert [(halt.scope, halt.by) for halt in control.halted] == [("tenant:alpha", "operator:dana")]
    assert control.etag
    assert control.schema_version == 4
    assert {flag.name: flag.enabled for flag in flags}["dark-pool"] is False
    assert orders.count == len(orders.ids) == 2
    assert (hello.opened, hello.build) == (True, names.STABLE_BUILD)
    assert hello.instance
    assert not stranger.opened
    assert stranger.status == 401
    assert denied.value.code == "trading-backend.denied"


STRANGE: list[Any] = [
    None, [], "x", 7, {}, {"flags": []}, {"flags": {"a": {"enabled": "yes"}}, "schema": 1},
    {"flags": {"a": {"enabled": 1}}, "schema": 1}, {"flags": {}, "schema": 2}, {"flags": {}},
    {"global": {"halted": "no"}, "tenants": {}, "strategies": {}}, {"count": -1}, {"count": True},
]  # fmt: skip


@pytest.mark.parametrize("said", [*map(json.dumps, STRANGE), "[" * 100_000, "{", "\xff"])
def test_what_has_not_the_agreed_form_is_no_state(said: str) -> None:
    body = said.encode("latin-1")
    with (
        serving(lambda _: answer("200 OK", body)) as little,
        host_at(little, bytes_max=2**20) as (http, *_),
    ):
        for read in (backend.trading_control, backend.feature_flags, backend.open_orders):
            with pytest.raises(ConnectorError) as caught:
                read(http, "/x")
            assert caught.value.code == "trading-backend.unreadable"
            assert not caught.value.transient
        assert not backend.release(http, "/api/release").answered
        assert not _authority(http, "t").answered


def test_an_authority_answer_that_may_be_cached_proves_nothing() -> None:
    body = json.dumps({"nonce": "n-1", "scopes": [{"scope": "global", "canHalt": True}]}).encode()
    with serving(lambda _: answer("200 OK", body)) as little, host_at(little) as (http, *_):
        cached = _authority(http, "t")
    with (
        serving(lambda _: answer("200 OK", body, "Cache-Control: no-store")) as little,
        host_at(little) as (http, *_),
    ):
        fresh = _authority(http, "t")
    assert not cached.answered
    assert fresh.answered


def test_half_a_surrogate_pair_is_read_as_its_escape() -> None:
    """A plan and a journal hold what was read, and both are Unicode."""
    said = rb'{"build":"\ud800","instance":"a","tradingLoop":"\udfff"}'
    with serving(lambda _: answer("200 OK", said)) as little, host_at(little) as (http, *_):
        probe = backend.release(http, "/api/release")
    assert (probe.build, probe.trading_loop) == (r"\ud800", r"\udfff")
