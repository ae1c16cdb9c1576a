"""Every rule through every transport: the same verdict, whichever client carries the request.

The requests are the generator's, those that the agreement with the oracle is measured on. Each is a
canary, so that one which passed the guard would be swallowed below it and told.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from rollback.errors import GuardRefusal
from rollback.guard.rules.judge import judge
from rollback.guard.rules.request import Request
from rollback.guard.wire import Wire, azure_wire, httpx_wire
from rollback.guard.wire.botocore_wire import GuardedClient
from rollback.guard.wire.gate import REQUEST_ID, Admitted
from rollback.guard.wire.trap import CanaryEscaped
from rollback.model.scope import Phase, Scope, VerdictKind
from tests.guard.rules.agreement import perimeter_of_cases
from tests.guard.rules.generator import EFFECTS, Case, case
from tests.guard.support import Bench, bench

CASES, SAMPLES = 12_000, 12
PERIMETER = perimeter_of_cases()
TRANSPORTS = ("httpx", "httpx-async", "azure-core", "azure-core-aio", "botocore")
# Ports in odd forms (``:0443``) are written anew by these clients before the guard sees them, and
# requests itself takes no ``wss``.
PORTS = frozenset({"normal.port"})
NOT_CARRIED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("httpx", "httpx-async", "azure-core-aio"), PORTS),
    "azure-core": PORTS | {"socket"},
    "botocore": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Recording(Wire):
    """Keeps what a transport had judged."""

    judged: list[Request] = field(default_factory=list)

    def admit(self, request: Request) -> Admitted:
        self.judged.append(request)
        return Wire.admit(self, request)


@cache
def samples() -> dict[str, list[Case]]:
    """A few denied requests of every rule."""
    chance = random.Random(20261126)
    scopes = {phase: Scope(run="r", step="s", phase=phase, permissions=EFFECTS) for phase in Phase}
    found: dict[str, list[Case]] = defaultdict(list)
    for _ in range(CASES):
        one = case(chance)
        phase = Phase.APPLY if one.applying else Phase.OBSERVE
        verdict = judge(one.request, scopes[phase], PERIMETER, one.left)
        if verdict.kind is VerdictKind.DENY and len(found[verdict.rule]) < SAMPLES:
            found[verdict.rule].append(one)
    return found


def _carrier(name: str, wire: Wire) -> Any:
    def leaf(request: Any) -> Any:
        pytest.fail(f"{request.url} left")

    match name:
        case "httpx":
            return httpx_wire.transport(wire)
        case "httpx-async":
            return httpx_wire.async_transport(wire)
        case "azure-core":
            return azure_wire.transport(wire)
        case "azure-core-aio":
            return azure_wire.aio_transport(wire)
        case _:
            return GuardedClient(wire, leaf, lambda: None)


def _put(one: Case, name: str) -> tuple[str, Bench]:
    """What became of it: the rule that refused it, ``passed``, or the client's own refusal."""
    phase = Phase.APPLY if one.applying else Phase.OBSERVE
    told = bench(EFFECTS, phase=phase, perimeter=PERIMETER, make=Recording)
    told.ledger.counts.update(one.left)
    carrier = _carrier(name, told.wire)
    headers = [(key, value) for key, value in one.request.headers if key.lower() != REQUEST_ID]
    marked = Request(
        one.request.method, one.request.url, (*headers, (REQUEST_ID, "canary")), one.request.body
    )
    told.wire.trap.arm("canary")
    try:
        carrier.carry(marked)
    except GuardRefusal as refused:
        return refused.code.removeprefix("guard."), told
    except CanaryEscaped:
        return "passed", told
    except Exception as error:  # noqa: BLE001 (whatever a client says of an address it does not take)
        return f"the client: {type(error).__name__}", told
    return "sent", told


@pytest.fixture(params=TRANSPORTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_generator_reaches_nearly_every_rule_of_the_wire() -> None:
    """So that what follows is not empty."""
    assert len(samples()) >= 50
    assert sum(map(len, samples().values())) >= 250


def test_each_rule_refuses_in_each_transport(name: str) -> None:
    missed = []
    for rule, cases in samples().items():
        if rule == "normal.streamed" or rule in NOT_CARRIED[name]:
            continue
        seen = [_put(one, name)[0] for one in cases]
        if rule not in seen:
            missed.append(f"{rule}: {seen}")
    assert missed == []


def test_what_is_refused_as_it_stands_passes_in_no_transport(name: str) -> None:
    """Unless the client itself wrote it anew, and then what it wrote was judged, and only reads."""
    for rule, cases in samples().items():
        for one in cases:
            became, told = _put(one, name)
            assert became != "sent", (rule, one)
            if became != "passed":
                continue
            (judged,) = told.wire.judged  # type: ignore[attr-defined]
            assert (judged.url, judged.body) != (one.request.url, one.request.body) or set(
                dict(judged.headers)
            ) != set(dict(one.request.headers)), (rule, one)
            phase = Phase.APPLY if one.applying else Phase.OBSERVE
            scope = Scope(run="r", step="s", phase=phase, permissions=EFFECTS)
            assert judge(judged, scope, PERIMETER, one.left).kind is not VerdictKind.DENY
            assert told.ledger.spent == []
