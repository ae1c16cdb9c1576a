"""How many users ramp-up rules lead to the stable slot: a fact of its own, apart from the rules.

A swap turns such a rule around: who was led to the stable release is led to the bad one. So a
revert of the surface that carries halt authority is held against this number. It is held against
no more of the rules: a halt that could not empty a rule to another slot must keep nobody on the
bad release. On other surfaces nothing is held against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.base import facts
from rollback.model.observation import Observation, Prediction
from rollback.model.ramp_rules import RULES, rules_of, rules_seen
from rollback.model.slots import slot_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.model.base import Value
    from rollback.model.environment import Surface
    from rollback.model.observation import World
    from rollback.model.views import RampRule

PERCENT = "percent_hundredths"


def led_resource(name: str, surface: Surface) -> str:
    """The address of the number."""
    return f"{name}/users-led/{surface.stable_slot}"


def led_by(surface: Surface, rules: Iterable[RampRule]) -> int:
    """Hundredths of a percent of users that these rules send to the stable slot."""
    stable = surface.stable_slot
    return sum(one.percent_hundredths for one in rules if slot_at(surface, one.host) == stable)


def users_led(world: World, name: str, surface: Surface) -> int | None:
    """The number at this point of the plan; None where nobody could read the rules.

    Other steps of the plan predict the rules, so theirs count before those that were seen.
    """
    told: Value = world.get(led_resource(name, surface), PERCENT)
    if isinstance(told, int):
        return told
    rules = rules_seen(world, name)
    return None if rules is None else led_by(surface, rules)


def observe_led(name: str, surface: Surface, slots: tuple[Observation, ...]) -> Observation:
    """The number, concluded from the look at production, the first of `slots`."""
    production, resource = slots[0], led_resource(name, surface)
    seen = production.get(RULES)
    if seen is None:
        return production.model_copy(update={"resource": resource, "compared": (), "context": ()})
    led = led_by(surface, rules_of(seen))
    return Observation(
        resource=resource,
        compared=facts(**{PERCENT: led}),
        where=f"{production.where}/config/web",
        at=production.at,
    )


def predict_led(
    name: str, surface: Surface, before: Iterable[RampRule], after: Iterable[RampRule]
) -> tuple[Prediction, ...]:
    """What setting other rules makes of the number; empty where it stays, or nobody observes it."""
    if not surface.carries_authority:
        return ()
    was, becomes = led_by(surface, before), led_by(surface, after)
    if was == becomes:
        return ()
    resource = led_resource(name, surface)
    return (Prediction(resource=resource, compared=facts(**{PERCENT: becomes})),)
