"""Looking at the world for a plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rollback.errors import InputError, Interrupted, Refused
from rollback.model.ports import StepContext
from rollback.model.scope import Phase, Scope
from rollback.model.steps import RetainTradeHalt, traits_of
from rollback.planning.defects import MISSING, as_observed, looked_in_vain
from rollback.planning.order import OrderedStep
from rollback.running.pool import ThreadPool
from rollback.wiring.discreet import discreetly
from rollback.wiring.holds_here import spooled_here
from rollback.wiring.setting import log_of, planning_opener

if TYPE_CHECKING:
    from rollback.model.observation import Observation
    from rollback.wiring.setting import Setting

AUTHORITY_STEP = "authority-observation"


@dataclass(frozen=True, slots=True)
class Seen:
    """What each step's action saw. missing: a secret that one of them needs is not set."""

    steps: tuple[tuple[str, tuple[Observation, ...]], ...]
    missing: InputError | None


def observe_steps(
    setting: Setting, steps: tuple[OrderedStep, ...], run: str, evidence: str
) -> Seen:
    """What each step's action sees, side by side; authority is looked at whatever is planned.

    An action that fails, or whose secret is not set, fails its own step
    (`rollback.planning.defects`).
    """
    missing: list[InputError] = []
    opener = planning_opener(setting)
    asked = [*steps]
    if not any(traits_of(step.spec.action).proves_authority for step in steps):
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
            seen = as_observed(action, action.observe(context, clients))
        except InputError as error:  # a person's
            if error.code != MISSING:
                raise
            missing.append(error)
            seen = (looked_in_vain(step.name, action, error, setting.clock.now()),)
        except (Refused, Interrupted):  # the guard's, or a person's
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a defect withholds no other's halt
            seen = (looked_in_vain(step.name, action, error, setting.clock.now()),)
            log_of(setting).event("failed", step=step.name, reason=seen[0].gaps[0])
        finally:
            opener.close(clients)
        return step.name, discreetly(seen, setting.secrets)

    pool_size = setting.environment.policy.steps_at_once_max
    with setting.watching(), ThreadPool(pool_size) as pool:
        futures = [pool.submit(partial(look, step)) for step in asked]
        seen = tuple(future.result() for future in futures)
    seen = _with_holds_here(setting, seen)
    return Seen(seen, missing[0] if missing else None)


def _with_holds_here(
    setting: Setting, seen: tuple[tuple[str, tuple[Observation, ...]], ...]
) -> tuple[tuple[str, tuple[Observation, ...]], ...]:
    """With each step that asks who is on hold, what only a spool of this machine tells."""
    name, now = setting.environment.environment, setting.clock.now()
    here = spooled_here(setting.state, name, seen, now)

    def more(found: tuple[Observation, ...]) -> tuple[Observation, ...]:
        asked = {one.resource.partition("/")[0] for one in found if "/holds" in one.resource}
        return tuple(here[surface] for surface in sorted(asked & set(here)))

    return tuple((step, (*found, *more(found))) for step, found in seen) if here else seen
