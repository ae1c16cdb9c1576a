"""What the canaries are, and what becomes of one that nothing catches rightly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from rollback.errors import GuardRefusal
from rollback.guard.rules.request import FAIL_CLOSED, NO_REWRITE, PLAN_IS_PERMISSION, Request
from rollback.guard.rules.verdicts import deny
from rollback.guard.wire import Wire, canaries, httpx_wire
from rollback.guard.wire.gate import Admitted, refusal
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from rollback.rehearsal.simulator import names
from tests.guard.support import bench, environment

ACCOUNTS = "/providers/Microsoft.DocumentDB/databaseAccounts/"
API = "?api-version=2026-03-15"


def _urls(told: Any, known: Any) -> dict[str, str]:
    return {one.kind: one.request.url for one in canaries.canaries(known, told.wire)}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"account": "prices", "resource_group": "data"}, f"data{ACCOUNTS}prices"),
        ({"account": None, "resource_group": None}, f"{names.RESOURCE_GROUP}{ACCOUNTS}account"),
    ],
)
def test_the_account_of_the_environment_is_tried(changes: dict[str, Any], named: str) -> None:
    """In its own resource group where it has one; a word of the same form where it has no name."""
    known = environment()
    known = known.model_copy(update={"cosmos": known.cosmos.model_copy(update=changes)})
    assert _urls(bench(), known)["account-put"] == (
        f"https://{names.ARM_HOST}/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{named}{API}"
    )


def test_on_this_machine_a_canary_is_plain() -> None:
    """A rehearsal's hosts may speak no TLS: a canary is addressed as the run's requests are."""
    kinds = {"127.0.0.1:7": HostKind.COSMOS, "localhost:7": HostKind.BACKEND, "arm.example": HostKind.ARM}
    perimeter = Perimeter(hosts=tuple(GuardedHost(host=host, kind=kind) for host, kind in kinds.items()))
    urls = _urls(bench(perimeter=perimeter), environment())
    assert urls["cosmos-upsert"].startswith("http://127.0.0.1:7/dbs/")
    assert urls["backend-control"].startswith("http://localhost:7/")
    assert urls["account-put"].startswith("https://arm.example/")


@dataclass(frozen=True, slots=True)
class Stubborn(Wire):
    """A guard that denies everything, for one reason."""

    promise: str = ""

    def admit(self, request: Request) -> Admitted:
        raise refusal(deny("any", request.method, promise=self.promise))


@pytest.mark.parametrize("promise", [FAIL_CLOSED, NO_REWRITE, PLAN_IS_PERMISSION])
def test_only_the_promise_that_forbids_a_canary_counts(promise: str) -> None:
    """A guard that is right by accident is not one."""
    told = bench()
    parts = {one: getattr(told.wire, one) for one in ("scope", "perimeter", "ledger", "latch", "exchanges", "network", "clock")}
    wire = Stubborn(**parts, promise=promise)
    with pytest.raises(GuardRefusal) as refused:
        canaries.plant(wire, environment(), (httpx_wire.transport(wire),))
    for one in canaries.canaries(environment(), told.wire):
        assert (one.kind in refused.value.reason) is (one.promise != promise)


class Deaf:
    """A client that sends nothing, and says nothing of it."""

    name = "deaf"

    def carry(self, request: Request) -> None:
        del request


def test_a_client_that_asks_no_guard_is_found() -> None:
    """What was not judged was not caught."""
    with pytest.raises(GuardRefusal) as refused:
        canaries.plant(bench().wire, environment(), (Deaf(),))
    assert refused.value.reason.count(" in deaf") == 5


def test_a_canary_that_is_back_lends_its_name_to_nobody() -> None:
    """What comes later under the same name is latched as any other."""
    told = bench()
    canaries.plant(told.wire, environment(), (httpx_wire.transport(told.wire),))
    tried = next(told.wire.numbers)
    assert told.latch.tripped() is None
    for number in range(1, tried):
        name = f"{told.wire.scope.request_prefix}.{number}.canary"
        with pytest.raises(GuardRefusal):
            told.wire.check(Request("DELETE", f"https://{names.ARM_HOST}/", (("x-request-id", name),)))
        assert len(told.latch.refusals) == number


def test_what_cannot_be_read_is_no_canary() -> None:
    """It is latched, whatever name it gives itself."""
    told = bench()
    told.wire.trap.arm("one")
    with pytest.raises(GuardRefusal):
        told.wire.check(Request("PUT", f"https://a:b@{names.ARM_HOST}/", (("x-request-id", "one"),)))
    assert told.latch.tripped() is not None
