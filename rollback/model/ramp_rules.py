"""Ramp-up rules as observations hold them, and the slots they lead to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.model.slots import PRODUCTION, slot_at
from rollback.model.views import RampRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.model.base import Value
    from rollback.model.environment import Surface
    from rollback.model.observation import World

RULES: Final = "ramp_rules"
"""The rules as the look at production itself found them; context of that."""


def rules_of(value: Value) -> tuple[RampRule, ...]:
    """The traffic rules that an observation holds."""
    found = []
    for one in value if isinstance(value, tuple) else ():
        name, host, percent = str(one).rsplit("=", 2)
        found.append(RampRule(name=name, host=host, percent_hundredths=int(percent)))
    return tuple(found)


def rules_as_texts(rules: Iterable[RampRule]) -> tuple[str, ...]:
    """Traffic rules as an observation holds them."""
    return tuple(sorted(f"{one.name}={one.host}={one.percent_hundredths}" for one in rules))


def rules_seen(world: World, name: str) -> tuple[RampRule, ...] | None:
    """The rules of a surface; None where nobody could read them.

    As the steps that read them predict them, else as they were seen with production.
    """
    held = world.get(f"{name}/traffic", "rules")
    if held is None:
        held = world.get(f"{name}/slot/{PRODUCTION}", RULES)
    return None if held is None else rules_of(held)


def led_slots(surface: Surface, rules: Iterable[RampRule]) -> tuple[str, ...]:
    """The slots that rules send users to, of those that the environment names."""
    return tuple(sorted({slot for one in rules if (slot := slot_at(surface, one.host))}))
