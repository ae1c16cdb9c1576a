"""What users, probes and other systems see: slots, instances, sockets, sessions, pipelines."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rollback.rehearsal.simulator import names, stories

from . import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.rehearsal.simulator.process import Simulator
    from rollback.rehearsal.simulator.world import World

pytestmark = pytest.mark.enable_socket
BACKEND_HOST = names.slot_host(names.BACKEND, names.PRODUCTION)
STAGING_HOST = names.slot_host(names.BACKEND, names.STAGING)
OPERATOR = {"Authorization": f"Bearer {names.OPERATOR_TOKEN}"}
VIEWER = {"Authorization": f"Bearer {names.VIEWER_TOKEN}"}


def fresh(simulator: Simulator, host: str, path: str, **kwargs: Any) -> Any:
    with reach.client(simulator, host) as client:
        return client.get(path, **kwargs)


def workers(simulator: Simulator, slot: str = names.PRODUCTION) -> list[str]:
    held = simulator.control.world().sites[names.BACKEND].slots[slot]
    return [worker.id for worker in held.instances]


def test_new_users_meet_every_instance_and_keep_theirs(simulator: Simulator) -> None:
    met = set()
    for _ in range(stories.INSTANCES):
        with reach.client(simulator, BACKEND_HOST) as client:
            first = client.get("/api/release", headers={"x-request-id": "r-1"})
            again = client.get("/api/release")
            assert first.headers["x-request-id"] == "r-1"
            assert first.headers["Cache-Control"] == "no-store"
            assert first.json()["instance"] == again.json()["instance"]
            met.add(first.json()["instance"])
    assert met == set(workers(simulator))


def test_an_instance_is_addressed_by_its_affinity_cookie(simulator: Simulator) -> None:
    simulator.control.fault(
        "instance_serves",
        site=names.BACKEND,
        slot=names.STAGING,
        index=1,
        build=names.THIRD_BUILD,
    )
    found = [
        fresh(simulator, STAGING_HOST, "/api/release", headers={"Cookie": f"ARRAffinity={one}"})
        for one in workers(simulator, names.STAGING)
    ]
    shown = [answer.json()["build"] for answer in found]
    assert shown == [names.STABLE_BUILD, names.THIRD_BUILD, names.STABLE_BUILD]
    digest = stories.digest_of(names.BACKEND, names.THIRD_BUILD)
    assert found[1].json()["artifactDigest"] == digest
    assert {answer.json()["tradingLoop"] for answer in found} == {"sticky-off"}


def test_a_rule_takes_its_share_and_its_cookie_outlives_it(
    start: Callable[[World], Simulator],
) -> None:
    simulator = start(stories.ramped(stories.default_world(), names.BACKEND, 25))
    answers = [fresh(simulator, BACKEND_HOST, "/api/release") for _ in range(8)]
    shares = [answer.json()["build"] for answer in answers]
    assert shares.count(names.STABLE_BUILD) == 2
    assert simulator.control.summary()["pinned_users"][names.BACKEND] == {names.STAGING: 2}
    simulator.control.act("set_ramp", site=names.BACKEND, percent=0)
    pinned = {"Cookie": f"x-ms-routing-name={names.STAGING}"}
    still = fresh(simulator, BACKEND_HOST, "/api/release", headers=pinned)
    assert still.json()["build"] == names.STABLE_BUILD
    none = fresh(simulator, BACKEND_HOST, "/api/release")
    assert none.json()["build"] == names.BAD_BUILD


def ask(simulator: Simulator, headers: dict[str, str], nonce: str = "n-1") -> Any:
    path = f"/api/control/authority?nonce={nonce}"
    return fresh(simulator, BACKEND_HOST, path, headers=headers)


def test_authority_is_told_per_scope_and_by_principal(simulator: Simulator) -> None:
    allowed = ask(simulator, OPERATOR).json()
    assert [scope["scope"] for scope in allowed["scopes"]] == ["global", "tenant", "strategy"]
    assert all(scope["canHalt"] for scope in allowed["scopes"])
    assert (allowed["nonce"], allowed["build"]) == ("n-1", names.BAD_BUILD)
    assert allowed["controlSchema"] == {"document": 4, "supportedMin": 3, "supportedMax": 5}
    assert allowed["store"]["reachable"] is True
    refused = ask(simulator, VIEWER).json()
    assert not any(scope["canHalt"] for scope in refused["scopes"])
    assert ask(simulator, {"Authorization": "Bearer x"}).status_code == 401
    assert ask(simulator, {}).status_code == 401


@pytest.mark.parametrize(
    ("fault", "operator", "viewer"),
    [
        ("authority_denies", (200, False), (200, False)),
        ("authority_yes_to_everyone", (200, True), (200, True)),
        ("authority_missing", (404, None), (404, None)),
    ],
)
def test_broken_authority(
    simulator: Simulator, fault: str, operator: tuple[int, Any], viewer: tuple[int, Any]
) -> None:
    simulator.control.fault(fault, build=names.BAD_BUILD)

    def seen(headers: dict[str, str]) -> tuple[int, Any]:
        answer = ask(simulator, headers)
        scopes = answer.json().get("scopes")
        return answer.status_code, scopes[0]["canHalt"] if scopes else None

    assert (seen(OPERATOR), seen(VIEWER)) == (operator, viewer)
    simulator.control.clear_faults()
    assert seen(OPERATOR) == (200, True)


def test_an_operators_halt_shows_in_state_and_in_its_etag(simulator: Simulator) -> None:
    before = fresh(simulator, BACKEND_HOST, "/api/control/trading").json()
    assert before["global"] == {"halted": False, "by": None, "at": None}
    simulator.control.act("halt_trading", scope="global")
    simulator.control.act("halt_trading", scope="tenant:beta", by="operator:lee")
    after = fresh(simulator, BACKEND_HOST, "/api/control/trading").json()
    assert (after["global"]["halted"], after["global"]["by"]) == (True, "operator:dana")
    assert after["tenants"]["beta"]["by"] == "operator:lee"
    assert after["etag"] != before["etag"]


def test_a_control_write_of_anybody_is_accepted_and_recorded(simulator: Simulator) -> None:
    with reach.client(simulator, BACKEND_HOST, headers=OPERATOR) as backend:
        assert backend.put("/api/control/trading", json={"halted": True}).is_success
        assert backend.post("/api/dynamic-config", json={"maxOrderValue": 1}).is_success
    changes = simulator.control.changes()
    assert [change.principal for change in changes] == ["rollback-operator"] * 2
    writes = [entry for entry in simulator.control.ledger() if entry.write]
    assert [entry.path for entry in writes] == ["/api/control/trading", "/api/dynamic-config"]


def test_the_bad_release_fails_now_and_then(simulator: Simulator) -> None:
    bad = [fresh(simulator, BACKEND_HOST, "/api/orders/open").status_code for _ in range(6)]
    good = [fresh(simulator, STAGING_HOST, "/api/orders/open").status_code for _ in range(6)]
    assert (bad.count(500), good.count(500)) == (2, 0)
    assert fresh(simulator, STAGING_HOST, "/api/orders/open").json()["count"] == 2
    flags = fresh(simulator, STAGING_HOST, "/api/feature-flags").json()
    assert flags["flags"]["backtest"]["enabled"] is True


def test_the_page_and_its_chunks_are_of_one_build(simulator: Simulator) -> None:
    host = names.slot_host(names.WEB, names.PRODUCTION)
    other = names.slot_host(names.WEB, names.STAGING)
    page = fresh(simulator, host, "/").text
    assert f'<meta name="build" content="{names.BAD_BUILD}">' in page
    chunks = re.findall(r'src="(/assets/[^"]+)"', page)
    assert len(chunks) == 3
    for chunk in chunks:
        assert f"/*build:{names.BAD_BUILD}*/" in fresh(simulator, host, chunk).text
        assert fresh(simulator, other, chunk).status_code == 404
    assert fresh(simulator, other, "/release.json").json()["build"] == names.STABLE_BUILD


def sign_in(simulator: Simulator, tenant: str = "alpha") -> Any:
    body = {
        "grant_type": "password",
        "username": f"probe@{tenant}",
        "password": f"rehearsal-{tenant}",
    }
    with reach.client(simulator, names.PLATFORM_HOST) as platform:
        return platform.post("/auth/token", json=body).json()


def test_sessions_are_signed_refreshed_once_and_kept_to_their_tenant(simulator: Simulator) -> None:
    session = sign_in(simulator)
    keys = fresh(simulator, names.PLATFORM_HOST, "/.well-known/jwks.json").json()["keys"]
    key = jwt.PyJWK(keys[0])
    claims = jwt.decode(
        session["access_token"], key, ["RS256"], issuer=f"https://{names.PLATFORM_HOST}"
    )
    assert (claims["sub"], claims["tenant"]) == ("probe@alpha", "alpha")
    assert jwt.get_unverified_header(session["access_token"])["kid"] == keys[0]["kid"]
    again = {"grant_type": "refresh_token", "refresh_token": session["refresh_token"]}
    with reach.client(simulator, names.PLATFORM_HOST) as platform:
        renewed = platform.post("/auth/token", json=again)
        assert renewed.json()["access_token"] != session["access_token"]
        assert platform.post("/auth/token", json=again).status_code == 401
        assert platform.get("/healthz").is_success
    bearer = {"Authorization": f"Bearer {session['access_token']}"}

    def status(path: str) -> int:
        answer: int = fresh(simulator, STAGING_HOST, path, headers=bearer).status_code
        return answer

    assert status("/api/me/profile") == 200
    assert status("/api/tenants/alpha/profile") == 200
    assert status("/api/tenants/beta/profile") == 403
    assert fresh(simulator, STAGING_HOST, "/api/me/profile").status_code == 401


def socket(simulator: Simulator, **kwargs: Any) -> connect:
    """A client of one thread: that of two reads and writes one TLS connection at once, and hangs."""
    return connect(
        f"wss://{BACKEND_HOST}/ws",
        host="127.0.0.1",
        port=simulator.port,
        ssl=ssl.create_default_context(cafile=simulator.ca_file),
        server_hostname=BACKEND_HOST,
        proxy=None,
        open_timeout=None,
        **kwargs,
    )


def test_a_socket_needs_a_token_and_greets_with_its_build(simulator: Simulator) -> None:
    async def use() -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with socket(simulator):
                pass
        assert refused.value.response.status_code == 401
        async with socket(simulator, additional_headers=OPERATOR) as opened:
            assert names.BAD_BUILD in str(await opened.recv())
            await opened.send("still there?")
            assert await opened.recv() == "still there?"
        token = sign_in(simulator)["access_token"]
        async with socket(simulator, subprotocols=[f"bearer.{token}"]) as opened:
            assert '"type": "hello"' in str(await opened.recv())

    asyncio.run(use())


def test_a_swap_drops_open_sockets(simulator: Simulator) -> None:
    async def use() -> None:
        async with socket(simulator, additional_headers=OPERATOR) as opened:
            await opened.recv()
            await asyncio.to_thread(simulator.control.act, "swap", site=names.BACKEND)
            with pytest.raises(ConnectionClosed):
                await opened.recv()
        async with socket(simulator, additional_headers=OPERATOR) as opened:
            assert names.STABLE_BUILD in str(await opened.recv())

    asyncio.run(use())


def test_pipelines_are_disabled_once_and_runs_cancelled(simulator: Simulator) -> None:
    base = f"/repos/{names.REPOSITORY}/actions"
    headers = {"Authorization": f"Bearer {names.GITHUB_TOKEN}"}
    file = f"{base}/workflows/release-backend.yml"
    with reach.client(simulator, names.GITHUB_HOST, headers=headers) as github:
        assert github.get(file).json()["state"] == "active"
        assert github.put(f"{file}/disable").status_code == 204
        assert github.put(f"{file}/disable").status_code == 403
        assert github.get(file).json()["state"] == "disabled_manually"
        (queued,) = github.get(f"{base}/runs", params={"status": "queued"}).json()["workflow_runs"]
        assert github.post(f"{base}/runs/{queued['id']}/cancel").status_code == 202
        assert github.post(f"{base}/runs/{queued['id']}/cancel").status_code == 409
        (waiting,) = github.get(f"{base}/runs?status=waiting").json()["workflow_runs"]
        place = f"{base}/runs/{waiting['id']}/pending_deployments"
        (pending,) = github.get(place).json()
        body = {
            "environment_ids": [pending["environment"]["id"]],
            "state": "rejected",
            "comment": "rolling back",
        }
        assert github.post(place, json=body).status_code == 200
        assert github.get(place).json() == []
    assert fresh(simulator, names.GITHUB_HOST, file).status_code == 401


def test_the_webhook_keeps_what_it_is_sent(simulator: Simulator) -> None:
    with reach.client(simulator, names.WEBHOOK_HOST) as hook:
        assert hook.post("/incident", json={"text": "halted"}).status_code == 202
    assert simulator.control.world().incidents == [{"text": "halted"}]
    (entry,) = simulator.control.ledger()
    assert entry.write
