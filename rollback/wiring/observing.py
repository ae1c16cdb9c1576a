"""Looking at the world for a plan."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.model.ports import StepContext
from rollback.model.scope import Phase, Scope
from rollback.model.steps import RetainTradeHalt
from rollback.planning.order import OrderedStep
from rollback.running.pool import ThreadPool
from rollback.wiring.discreet import discreetly
from rollback.wiring.setting import planning_opener

if TYPE_CHECKING:
    from rollback.model.observation import Observation
    from rollback.wiring.setting import Setting

AUTHORITY_STEP = "authority-observation"


def observe_steps(
    setting: Setting, steps: tuple[OrderedStep, ...], run: str, evidence: str
) -> tuple[tuple[str, tuple[Observation, ...]], ...]:
    """What each step's action sees, side by side; authority is looked at whatever is planned."""
    opener = planning_opener(setting)
    asked = [*steps]
    if not any(step.spec.action == "retain_trade_halt" for step in steps):
        asked.append(OrderedStep(AUTHORITY_STEP, RetainTradeHalt(), (), "stop"))

    def look(step: OrderedStep) -> tuple[str, tuple[Observation, ...]]:
        action = setting.catalogue.find(step.spec.action)
        if action is None:
            return step.name, ()
        clients = opener(Scope(run=run, step=step.name, phase=Phase.OBSERVE))
        try:
            context = StepContext(
                name=step.name,
                spec=step.spec,
                environment=setting.environment,
                surface=step.surface,
                evidence_path=evidence,
            )
            return step.name, discreetly(action.observe(context, clients), setting.secrets)
        finally:
            opener.close(clients)

    pool_size = setting.environment.policy.steps_at_once_max
    with setting.watching(), ThreadPool(pool_size) as pool:
        futures = [pool.submit(partial(look, step)) for step in asked]
        return tuple(future.result() for future in futures)
