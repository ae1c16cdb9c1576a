"""Prove halt authority for every scope on every instance, by reading (row A4).

The step changes nothing. What it sees decides whether anything that moves users may be planned:
promise halt-authority-retained. It also records the live control state, the feature flags and the
open orders, so that an operator's halt during a run is reported and never taken for our doing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollback.actions.seen import ORDERS_MAX
from rollback.errors import ConnectorError
from rollback.model.authority import AuthorityJudgement, Verdict
from rollback.model.base import facts
from rollback.model.change import Finding, NoOp, RefusedChange
from rollback.model.observation import Observation
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.slots import PRODUCTION, host_of
from rollback.model.steps import RetainTradeHalt as RetainTradeHaltSpec
from rollback.planning.authority import finding, from_observation, judge, resource, to_observation

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.base import Facts, Value
    from rollback.model.change import Change, Update
    from rollback.model.environment import Environment
    from rollback.model.observation import Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext

PROMISE = "halt-authority-retained"
_SECONDS_MAX = 120
_OK = 200
_TRIES = 3
"""A bad release may fail some of its answers; a gap is what failed this often."""


def judge_now(
    environment: Environment, slot: str, clients: Clients, *, in_flight: bool = False
) -> AuthorityJudgement:
    """Read one slot and judge it by the clock of this moment."""
    from rollback.actions.authority_reading import read_authority

    reading = read_authority(environment, slot, clients)
    return judge(reading, environment.halt_authority, clients.now(), in_flight=in_flight)


def judge_all(
    environment: Environment, slots: tuple[str, ...], clients: Clients
) -> tuple[AuthorityJudgement, ...]:
    """Several slots, read and judged side by side."""
    return clients.together([partial(judge_now, environment, slot, clients) for slot in slots])


class RetainTradeHalt:
    """The action. Stateless."""

    name = "retain_trade_halt"
    spec = RetainTradeHaltSpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Authority of production and of the stable slot, control state, flags, orders, health."""
        environment = step.environment
        halt = environment.halt_authority

        def judged(slot: str) -> Observation:
            return to_observation(judge_now(environment, slot, clients), halt.surface, slot)

        reads = [partial(judged, slot) for slot in _slots(environment)]
        reads.append(partial(_look_at, environment, clients, "control/trading", _trading))
        reads.append(partial(_look_at, environment, clients, "control/flags", _flags))
        if halt.orders_path is not None:
            reads.append(partial(_look_at, environment, clients, "control/orders", _orders))
        reads.append(partial(_health, environment, clients))
        return clients.together(reads)

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """No change; a refusal where no slot proves authority, so that nothing may move users."""
        environment = step.environment
        surface = environment.halt_authority.surface
        judged = [
            found
            for slot in _slots(environment)
            if (seen := world.find(resource(surface, slot))) is not None
            and (found := from_observation(seen)) is not None
        ]
        proved = any(one.verdict is Verdict.RETAINED for one in judged)
        changes: list[Change] = [_no_op(surface, one) for one in judged]
        if not proved:
            changes = [_refusal(surface, judged)]
        notes = [text for one in judged if (text := finding(one, surface)) is not None]
        return ActionPlan(
            changes=tuple(changes),
            findings=(*notes, *_halted(world)),
            duration_s_max=_SECONDS_MAX,
        )

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Nothing is changed."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Nothing is sent."""
        del step, change, clients
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Nothing was sent, so there is nothing to look for."""
        del step, change, clients, performed
        return Look(Outcome.NOT_APPLIED, "this step sends nothing")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Judge again. It holds where production proves authority, or the slot to revert to does.

        A verdict that is not yet a yes is asked for again, up to `probes_lost` times.
        """
        del planned
        environment = step.environment
        halt = environment.halt_authority
        last: tuple[AuthorityJudgement, ...] = ()
        for attempt in range(halt.probes_lost):
            if attempt:
                clients.pause(halt.watch_interval_s)
            last = judge_all(environment, _slots(environment), clients)
            if last[0].verdict is Verdict.RETAINED:
                break
        recovery = any(one.verdict is Verdict.RETAINED for one in last[1:])
        checks = [
            Check(
                name=f"halt authority of {halt.surface}/{one.slot}",
                holds=one.verdict is Verdict.RETAINED,
                seen=f"{one.verdict.value} ({one.strength.value}): {'; '.join(one.reasons)}",
                weight="must" if one.slot == PRODUCTION and not recovery else "note",
            )
            for one in last
        ]
        notes = [found for one in last if (found := finding(one, halt.surface)) is not None]
        return Verification(checks=tuple(checks), notes=tuple(notes))


def _slots(environment: Environment) -> tuple[str, ...]:
    surface = environment.surface(environment.halt_authority.surface)
    return (PRODUCTION, surface.stable_slot) if surface.provider == "app-service" else ()


def _no_op(surface: str, judged: AuthorityJudgement) -> NoOp:
    because = "; ".join(judged.reasons)
    return NoOp(
        id=f"authority-{judged.slot}".lower(),
        resource=resource(surface, judged.slot),
        reason=f"halt authority is {judged.verdict.value} ({judged.strength.value}): {because}",
    )


def _refusal(surface: str, judged: list[AuthorityJudgement]) -> RefusedChange:
    said = "; ".join(
        f"{one.slot} is {one.verdict.value} ({', '.join(one.reasons)})" for one in judged
    )
    lost = bool(judged) and all(one.verdict is Verdict.LOST for one in judged)
    return RefusedChange(
        id="authority",
        resource=resource(surface, PRODUCTION),
        code="authority.lost" if lost else "authority.unknown",
        reason=f"no release proves halt authority: {said or 'nobody could be asked'}",
        next_move="halt trading at the venue or broker first; then find out why the proof fails. "
        "Halts and captures of this plan can be applied with --only-safe",
        promise=PROMISE,
    )


def _halted(world: World) -> tuple[Finding, ...]:
    halted = world.get("control/trading", "halted", ())
    if not isinstance(halted, tuple) or not halted:
        return ()
    who = world.get("control/trading", "by", ())
    by = ", ".join(str(one) for one in who) if isinstance(who, tuple) else ""
    scopes = ", ".join(str(one) for one in halted)
    return (
        Finding(
            weight="note",
            code="control.halted",
            text=f"trading is halted ({scopes}) by {by or 'somebody'}; no step resumes it",
        ),
    )


def _look_at(
    environment: Environment,
    clients: Clients,
    name: str,
    read: Callable[[Environment, Clients, str], dict[str, Value]],
) -> Observation:
    """One read of the backend, asked again while it may pass; what cannot be read is a gap."""
    halt = environment.halt_authority
    host = host_of(environment.surface(halt.surface), PRODUCTION)
    token = clients.secret(halt.token)
    at = clients.now()
    problem = ""
    for _ in range(_TRIES):
        try:
            values = read(environment, clients, token)
        except ConnectorError as error:
            problem = error.reason
            if not error.transient:
                break
        else:
            return Observation(resource=name, context=facts(**values), where=host, at=at)
    return Observation(resource=name, where=host, at=at, gaps=(problem,))


def _trading(environment: Environment, clients: Clients, token: str) -> dict[str, Value]:
    from rollback.connectors.trading_backend import trading_control

    halt = environment.halt_authority
    http = clients.http(host_of(environment.surface(halt.surface), PRODUCTION))
    state = trading_control(http, halt.control_path, token)
    return {
        "halted": tuple(one.scope for one in state.halted),
        "by": tuple(one.by for one in state.halted),
        "at": tuple(one.at for one in state.halted),
        "etag": state.etag,
        "schema": state.schema_version,
    }


def _flags(environment: Environment, clients: Clients, token: str) -> dict[str, Value]:
    from rollback.connectors.trading_backend import feature_flags

    halt = environment.halt_authority
    http = clients.http(host_of(environment.surface(halt.surface), PRODUCTION))
    flags = feature_flags(http, halt.flags_path, token)
    return {"enabled": tuple(flag.name for flag in flags if flag.enabled)}


def _orders(environment: Environment, clients: Clients, token: str) -> dict[str, Value]:
    from rollback.connectors.trading_backend import open_orders

    halt = environment.halt_authority
    http = clients.http(host_of(environment.surface(halt.surface), PRODUCTION))
    found = open_orders(http, halt.orders_path or "", token)
    return {"count": found.count, "ids": found.ids[:ORDERS_MAX]}


def _health(environment: Environment, clients: Clients) -> Observation:
    """platform-service. problem: empty where it answers well, otherwise why not."""
    platform = environment.platform
    host = urlsplit(platform.api_url).netloc.removesuffix(":443")
    base = urlsplit(platform.api_url).path.rstrip("/")
    at = clients.now()
    try:
        answer = clients.http(host).get(f"{base}{platform.health_path}")
        problem = "" if answer.status == _OK else f"its health page answered {answer.status}"
    except ConnectorError as error:
        problem = error.reason
    return Observation(
        resource="platform/health",
        context=facts(problem=problem),
        where=host,
        at=at,
        gaps=(problem,) if problem else (),
    )
