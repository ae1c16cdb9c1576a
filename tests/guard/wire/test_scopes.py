"""The clients an action is given to apply: each is proved with canaries before anybody has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rollback.connectors.clients import GuardedClients, Parts
from rollback.errors import GuardRefusal
from rollback.guard.rules import cosmos
from rollback.guard.wire import gate, httpx_wire, requests_adapter
from rollback.guard.wire.botocore_wire import GuardedClient
from rollback.model.base import Facts
from rollback.model.ports import Clients
from rollback.model.scope import Phase, Scope
from rollback.rehearsal.simulator import names
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.wiring.scopes import MemoryLatch, NoPermissions, Opener, Unheard
from tests.guard.support import environment

SITE = f"{names.BACKEND}.azurewebsites.net"


class Secrets:
    """Any secret is the same word."""

    def get(self, secret: object) -> str:
        del secret
        return names.COSMOS_KEY

    def know(self, *values: str) -> None:
        del values

    def expect(self, secrets: object) -> None:
        del secrets

    def refuse_short(self) -> None:
        pass

    def redact(self, text: str) -> str:
        return text

    def redact_bytes(self, data: bytes | memoryview) -> bytes | memoryview:
        return data

    def redact_facts(self, told: Facts) -> Facts:
        return told


def opener(latch: MemoryLatch) -> Opener:
    known = environment(evidence={"store": {
        "kind": "s3", "region": "eu-west-1", "bucket": names.EVIDENCE_BUCKET,
        "access_key_id": "${S3_ID}", "secret_access_key": "${S3_KEY}",
    }})  # fmt: skip
    parts = Parts(known, Secrets(), SystemClock(), SystemRandomness(), b"k")
    return Opener(known, parts, NoPermissions(), latch, Unheard(), SystemClock())


def http(clients: Clients) -> None:
    clients.http(SITE).get("/api/release")


def arm(clients: Clients) -> None:
    clients.arm()


def s3(clients: Clients) -> None:
    clients.s3().get("anything")


BUILDS = {"http": http, "arm": arm, "s3": s3}


def scope(phase: Phase = Phase.APPLY) -> Scope:
    return Scope(run="r-1", step="revert", phase=phase)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_one_rule_that_fails_open_is_found_by_each_client(
    build: Callable[[Clients], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Cosmos rule says read to everything: no client of an apply scope can be had.

    The run is latched too: whoever asked for the client may swallow the refusal.
    """
    monkeypatch.setattr(cosmos, "write_reason", lambda _: None)
    latch = MemoryLatch()
    with pytest.raises(GuardRefusal) as refused:
        build(opener(latch)(scope()))
    assert refused.value.code == "guard.canary"
    assert refused.value.promise == "fail-closed"
    assert "cosmos-upsert" in refused.value.reason
    assert "account-put" not in refused.value.reason
    first = latch.tripped()
    assert first is not None
    assert (first.rule, first.promise) == ("canary", "fail-closed")


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_a_judge_that_errs_is_found_by_each_client(
    build: Callable[[Clients], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It denies everything, and so nothing leaves; but it is no guard, and nobody goes on with it."""

    def fail(*_: object) -> Any:
        raise RuntimeError

    monkeypatch.setattr("rollback.guard.rules.judge.judge_normal", fail)
    with pytest.raises(GuardRefusal) as refused:
        build(opener(MemoryLatch())(scope()))
    assert refused.value.code == "guard.canary"


def _past(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client alone goes round the judge: what it sends reaches its leaf unjudged."""
    if client == "http":

        def handle(self: Any, request: Any) -> Any:
            return self._leaf.handle_request(request)

        monkeypatch.setattr(httpx_wire.GuardedTransport, "handle_request", handle)
    elif client == "arm":

        def send(self: Any, request: Any, **_: Any) -> Any:
            self._wire.trap.swallow(request.headers[gate.REQUEST_ID])
            raise AssertionError(request.url)

        monkeypatch.setattr(requests_adapter.GuardedAdapter, "send", send)
    else:

        def before_send(self: Any, request: Any, **_: Any) -> Any:
            self._wire.trap.swallow(request.headers[gate.REQUEST_ID])
            raise AssertionError(request.url)

        monkeypatch.setattr(GuardedClient, "before_send", before_send)


@pytest.mark.parametrize("client", BUILDS)
def test_one_client_that_goes_round_the_judge_is_found_and_no_other(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules are whole, one wire is not: the armed leaf below it reports each canary."""
    _past(client, monkeypatch)
    for name, build in BUILDS.items():
        latch = MemoryLatch()
        clients = opener(latch)(scope())
        if name == client:
            with pytest.raises(GuardRefusal, match="the guard did not catch") as refused:
                build(clients)
            assert refused.value.reason.count(" in ") == 5
            assert latch.tripped() is not None
        elif name == "arm":
            build(clients)
            assert latch.tripped() is None


def test_while_observing_no_canary_is_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope that can only read costs nothing more."""

    def fail(*_: object) -> Any:
        pytest.fail("a canary was put")

    monkeypatch.setattr("rollback.guard.wire.canaries.plant", fail)
    clients = opener(MemoryLatch())(scope(Phase.OBSERVE))
    assert isinstance(clients, GuardedClients)
    arm(clients)
    clients.close()
