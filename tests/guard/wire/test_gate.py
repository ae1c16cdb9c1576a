"""The gate's own duties: latch, spend, and the canaries that prove it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from rollback.errors import GuardRefusal, JournalBroken
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.request import Request
from rollback.guard.rules.verdicts import READS
from rollback.guard.wire import Wire, azure_wire, canaries, httpx_wire
from rollback.guard.wire.gate import Admitted
from rollback.guard.wire.trap import CanaryEscaped
from rollback.model.scope import HostKind, Perimeter, Phase, Shape, VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.support import (
    API,
    SWAP_PATH,
    Bench,
    MemoryLedger,
    WallClock,
    bench,
    environment,
    exact,
    swap,
)

JSON = ("Content-Type", "application/json")
SWAP = Request(
    "POST",
    f"https://{names.ARM_HOST}{SWAP_PATH}?{API[0][0]}={API[0][1]}",
    (JSON, ("x-request-id", "r-1.revert.1.1")),
    b'{"targetSlot":"staging", "preserveVnet":true}',
)
UPSERT = Request(
    "POST",
    f"https://{names.COSMOS_HOST}/dbs/trading/colls/dynamic_config/docs/",
    (JSON, ("x-ms-documentdb-is-upsert", "True")),
    b'{"id":"x","secret":"hunter2"}',
)


def test_a_permission_is_spent_before_it_leaves() -> None:
    """The ledger has the shape when the verdict is out; the second try finds none left."""
    told = bench([swap()])
    assert told.wire.check(SWAP).effect == "revert#swap"
    ((effect, shape),) = told.ledger.spent
    assert effect == "revert#swap"
    assert shape.path == SWAP_PATH
    assert shape.query_names == ("api-version",)
    with pytest.raises(GuardRefusal) as refused:
        told.wire.check(SWAP)
    assert refused.value.promise == "plan-is-permission"


def test_a_refusal_latches_and_then_no_write_leaves() -> None:
    """After a refusal even a permitted write is denied; reads still pass."""
    told = bench([swap()])
    with pytest.raises(GuardRefusal):
        told.wire.check(UPSERT)
    with pytest.raises(GuardRefusal) as refused:
        told.wire.check(SWAP)
    assert refused.value.code == "guard.latched"
    assert told.ledger.spent == []
    read = Request("GET", f"https://{names.BACKEND}.azurewebsites.net/api/release")
    assert told.wire.check(read).kind is VerdictKind.ALLOW


def test_the_journal_holds_a_shape_and_no_secret() -> None:
    """Neither body, header values, query values, nor a path outside the perimeter."""
    told = bench()
    for request in (
        UPSERT,
        Request("POST", "https://hooks.elsewhere.example/services/T0/hunter2?key=hunter2", (JSON,)),
        Request("POST", f"https://user:hunter2@{names.ARM_HOST}/hunter2?sig=hunter2"),
        Request("POST", f"https://{names.WEBHOOK_HOST}/services/hunter2", (("a", "hunter2"),)),
        Request("hunter2 " * 9, f"https://{names.ARM_HOST}/"),
    ):
        with pytest.raises(GuardRefusal) as refused:
            told.wire.check(request)
        assert "hunter2" not in str(refused.value)
    written = [shape.model_dump_json() for _, shape in told.latch.refusals[:4]]
    assert not [line for line in written if "hunter2" in line]


def test_an_observing_scope_writes_nothing() -> None:
    """The same permission, while observing, opens nothing."""
    told = bench([swap()], phase=Phase.OBSERVE)
    with pytest.raises(GuardRefusal):
        told.wire.check(SWAP)
    assert told.ledger.spent == []


def test_a_ledger_that_cannot_write_lets_nothing_leave() -> None:
    """What the journal raises comes out, and no byte does."""
    told = bench([swap()])

    class Broken:
        def left(self, effect_id: str) -> int:
            return len(effect_id)

        def spend(self, effect_id: str, shape: Shape) -> int:
            raise JournalBroken("journal.full", f"no space for {effect_id} at {shape.path}")

    wire = Wire(
        told.wire.scope,
        told.wire.perimeter,
        Broken(),
        told.latch,
        told.exchanges,
        told.wire.network,
        told.wire.clock,
    )
    with pytest.raises(JournalBroken):
        wire.check(SWAP)


def test_a_ledger_that_fails_to_count_is_a_denial() -> None:
    """An error while judging is a no (fail-closed)."""
    told = bench([swap()])

    class Broken:
        def left(self, effect_id: str) -> int:
            raise OSError(effect_id)

        def spend(self, effect_id: str, shape: Shape) -> int:
            raise AssertionError(effect_id, shape)

    wire = Wire(
        told.wire.scope,
        told.wire.perimeter,
        Broken(),
        told.latch,
        told.exchanges,
        told.wire.network,
        told.wire.clock,
    )
    with pytest.raises(GuardRefusal) as refused:
        wire.check(SWAP)
    assert refused.value.code == "guard.guard.error"


def test_an_empty_perimeter_denies_everything() -> None:
    """No rules, no way through."""
    told = bench([swap()], perimeter=Perimeter(hosts=()))
    for request in (SWAP, UPSERT, Request("GET", f"https://{names.ARM_HOST}/")):
        with pytest.raises(GuardRefusal):
            told.wire.check(request)


def _carriers(told: Bench) -> tuple[canaries.Carrier, ...]:
    azure: Any = azure_wire.transport(told.wire)
    aio: Any = azure_wire.aio_transport(told.wire)
    return (httpx_wire.transport(told.wire), httpx_wire.async_transport(told.wire), azure, aio)


def test_every_canary_is_caught_in_every_client() -> None:
    """Five kinds, four clients; the run's own latch stays untouched and nothing is spent."""
    told = bench([swap()])
    results = canaries.plant(told.wire, environment(), _carriers(told))
    assert len(results) == 20
    assert all(result.caught for result in results)
    assert len({result.kind for result in results}) == 5
    assert told.latch.tripped() is None
    assert told.ledger.spent == []
    assert told.exchanges.seen_all == []


def test_a_client_of_an_apply_scope_is_proved_as_it_is_built() -> None:
    """The very object that will be used; nothing of it is latched, spent or told."""
    told = bench([swap()], proving=True)
    assert len(_carriers(told)) == 4
    assert (told.latch.refusals, told.ledger.spent, told.exchanges.seen_all) == ([], [], [])
    assert next(told.wire.numbers) == 4 * 5 + 1


@pytest.mark.parametrize(
    "build",
    [
        httpx_wire.transport,
        httpx_wire.async_transport,
        azure_wire.transport,
        azure_wire.aio_transport,
    ],
)
def test_a_client_over_a_broken_guard_cannot_be_built(build: Any) -> None:
    """Nobody gets a client whose canaries escaped; while observing, none are put."""
    with pytest.raises(GuardRefusal) as refused:
        build(bench(make=UnsafeWire, proving=True).wire)
    assert refused.value.code == "guard.canary"
    assert build(bench(make=UnsafeWire, proving=True, phase=Phase.OBSERVE).wire) is not None


def test_no_client_no_apply() -> None:
    """Nothing to put a canary through is a refusal, not a pass."""
    told = bench()
    with pytest.raises(GuardRefusal) as refused:
        canaries.plant(told.wire, environment(), ())
    assert refused.value.code == "guard.canary"


@dataclass(frozen=True, slots=True)
class UnsafeWire(Wire):
    """A wire whose guard lets everything through. Tests only."""

    def admit(self, request: Request) -> Admitted:
        headers = {name.lower(): value for name, value in request.headers}
        verdict = READS[HostKind.BACKEND]
        return Admitted(verdict, request.method, "h", "/", headers["x-request-id"], False, 0.0)


@pytest.mark.parametrize("index", range(4))
def test_a_guard_that_lets_through_is_found_and_still_nothing_leaves(index: int) -> None:
    """With the rules taken out, the trap below swallows each canary and the run does not start.

    Sockets would fail here anyway: no name resolves. The trap speaks first.
    """
    told = bench(make=UnsafeWire)
    carrier = _carriers(told)[index]
    with pytest.raises(GuardRefusal) as refused:
        canaries.plant(told.wire, environment(), (carrier,))
    assert refused.value.code == "guard.canary"
    assert "cosmos-upsert" in refused.value.reason
    assert "off-plan-swap" in refused.value.reason


def test_a_canary_caught_for_the_wrong_reason_is_not_caught() -> None:
    """A guard that errs denies all; that is safe, but it is no guard, and the run does not start."""
    told = bench(perimeter=perimeter_without_arm())
    with pytest.raises(GuardRefusal) as refused:
        canaries.plant(told.wire, environment(), _carriers(told)[:1])
    assert refused.value.code == "guard.canary"


def perimeter_without_arm() -> Perimeter:
    """The perimeter with Resource Manager's host taken out."""
    known = perimeter_of(environment())
    return Perimeter(hosts=tuple(host for host in known.hosts if host.kind is not HostKind.ARM))


def test_a_canary_that_a_permission_covers_escapes_and_spends_nothing() -> None:
    """A plan that names the canary's own swap is found out, and its permission is kept."""
    body = exact('{"preserveVnet":true,"targetSlot":"canary-no-such-slot"}')
    told = bench([swap(body=body)])
    with pytest.raises(GuardRefusal, match="off-plan-swap in httpx"):
        canaries.plant(told.wire, environment(), _carriers(told)[:1])
    assert told.ledger.spent == []
    assert told.latch.tripped() is None
    with pytest.raises(GuardRefusal):
        told.wire.check(UPSERT)
    with pytest.raises(GuardRefusal, match="off-plan-swap in httpx"):
        canaries.plant(told.wire, environment(), _carriers(told)[:1])


def test_a_write_under_a_canarys_name_never_leaves() -> None:
    """Nothing was spent for it, so that the trap keeps it, even when the canary is back meanwhile."""
    told = bench([swap()])
    told.wire.trap.arm("r-1.revert.1.1.canary")
    request = Request(
        "POST", f"https://{names.ARM_HOST}{SWAP_PATH}?api-version=2025-05-01",
        (("content-type", "application/json"), ("x-request-id", "r-1.revert.1.1.canary")),
        b'{"preserveVnet":true,"targetSlot":"staging"}',
    )  # fmt: skip
    admitted = told.wire.admit(request)
    told.wire.trap.disarm("r-1.revert.1.1.canary")
    assert told.ledger.spent == []
    with pytest.raises(CanaryEscaped):
        told.wire.trap.swallow(admitted.request_id)


def test_an_echo_is_expected_of_our_own_services_only() -> None:
    """Surfaces and the platform-service, token requests included; never of a provider."""
    told = bench()
    form = (("Content-Type", "application/x-www-form-urlencoded"), ("x-request-id", "i"))
    token = f"https://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/token"
    said = (("x-request-id", "i"),)
    for request, echoed in (
        (Request("GET", f"https://{names.BACKEND}.azurewebsites.net/", said), True),
        (Request("GET", f"https://{names.PLATFORM_HOST}/healthz", said), True),
        (
            Request(
                "POST", f"https://{names.PLATFORM_HOST}/auth/token", form, b"grant_type=password"
            ),
            True,
        ),
        (Request("POST", token, form, b"grant_type=client_credentials"), None),
        (Request("GET", f"https://{names.COSMOS_HOST}/", said), None),
    ):
        admitted = told.wire.admit(request)
        told.wire.answered(admitted, 200, {"x-request-id": "i"})
        assert told.exchanges.seen_all[-1].echoed is echoed
        for status in (200, 100):
            told.wire.answered(admitted, status, {})
            assert told.exchanges.seen_all[-1].echoed is (None if echoed is None else False)
        told.wire.answered(admitted, 101, {})
        assert told.exchanges.seen_all[-1].echoed is None


def test_a_permission_that_another_used_up_is_latched() -> None:
    """There when it was judged and gone when it was spent: the run is stopped, and knows why."""
    told = bench([swap()])

    class Late(MemoryLedger):
        def spend(self, effect_id: str, shape: Shape) -> int:
            self.counts.clear()
            return MemoryLedger.spend(self, effect_id, shape)

    wire = replace(told.wire, ledger=Late(told.ledger.counts))
    with pytest.raises(GuardRefusal):
        wire.check(SWAP)
    ((verdict, shape),) = told.latch.refusals
    assert (verdict.rule, verdict.promise) == ("permission.spent", "plan-is-permission")
    assert shape.path == SWAP_PATH


def test_what_comes_after_a_refusal_names_its_promise() -> None:
    told = bench([swap()])
    with pytest.raises(GuardRefusal) as first:
        told.wire.check(UPSERT)
    with pytest.raises(GuardRefusal) as second:
        told.wire.check(SWAP)
    assert second.value.code == "guard.latched"
    assert second.value.promise == first.value.promise == "no-control-plane-rewrite"


@pytest.mark.parametrize(
    "name",
    [
        "x-ms-correlation-request-id",
        "x-ms-request-id",
        "x-ms-activity-id",
        "x-amz-request-id",
        "x-github-request-id",
    ],
)
def test_a_providers_own_number_is_told(name: str) -> None:
    """By which its support, and its own log, finds the exchange."""
    told = bench()
    admitted = told.wire.admit(Request("GET", f"https://{names.COSMOS_HOST}/"))
    told.wire.answered(admitted, 200, {"content-type": "a/b", name: "n-1"})
    assert told.exchanges.seen_all[-1].provider_id == "n-1"
    told.wire.answered(admitted, 200, {name: "n-1", "x-ms-correlation-request-id": "first"})
    assert told.exchanges.seen_all[-1].provider_id == "first"


def test_how_long_an_exchange_took_is_told_in_milliseconds() -> None:
    told = bench()

    class Ticking(WallClock):
        at = 100.0

        def monotonic(self) -> float:
            return self.at

    clock = Ticking()
    wire = replace(told.wire, clock=clock)
    admitted = wire.admit(Request("GET", f"https://{names.COSMOS_HOST}/"))
    clock.at = 102.5
    wire.answered(admitted, 200, {})
    assert told.exchanges.seen_all[-1].elapsed_ms == 2500


def test_a_scope_that_has_ended_writes_nothing() -> None:
    """Whoever still holds a client of it may read; a write is refused, and ends the run."""
    told = bench([swap()])
    told.wire.end()
    read = Request("GET", f"https://{names.BACKEND}.azurewebsites.net/api/release")
    assert told.wire.check(read).kind is VerdictKind.ALLOW
    with pytest.raises(GuardRefusal) as refused:
        told.wire.check(SWAP)
    assert (refused.value.code, refused.value.promise) == (
        "guard.scope.ended",
        "plan-is-permission",
    )
    assert told.ledger.spent == []
    first = told.latch.tripped()
    assert first is not None
    assert first.rule == "scope.ended"


def test_of_two_reasons_to_hold_back_the_first_refusal_is_told() -> None:
    told = bench([swap()])
    with pytest.raises(GuardRefusal):
        told.wire.check(UPSERT)
    told.wire.end()
    with pytest.raises(GuardRefusal) as refused:
        told.wire.check(SWAP)
    assert refused.value.code == "guard.latched"
