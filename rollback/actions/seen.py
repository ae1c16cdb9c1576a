"""Reading facts back out of a world: builds, rules, texts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollback.model.base import Facts, Value
    from rollback.model.observation import World

CONTROL_PREFIXES = ("COSMOS_", "PLATFORM_", "JWT_")
"""Settings that say where the control plane and the sign-in live (the runbook's own names)."""

ORDERS_MAX = 20
"""Open orders beyond so many are counted, not listed."""


def fact(held: Facts, name: str) -> Value:
    """The value of one fact; None where it is not there."""
    return next((one.value for one in held if one.name == name), None)


def texts(value: Value) -> tuple[str, ...]:
    """A tuple of texts; empty for anything else."""
    return tuple(str(one) for one in value) if isinstance(value, tuple) else ()


def builds_of(world: World, name: str, slot: str) -> tuple[str, ...]:
    """The distinct builds a slot's instances serve."""
    return texts(world.get(f"{name}/slot/{slot}", "builds"))


def one_build(world: World, name: str, slot: str) -> str:
    """The build that every listed instance is proved to serve; empty where there is no such."""
    builds = builds_of(world, name, slot)
    silent = texts(world.get(f"{name}/slot/{slot}", "unanswered"))
    return builds[0] if len(builds) == 1 and not silent else ""


def orders_text(count: Value, ids: tuple[str, ...]) -> str:
    """How many orders are open, and which, up to a screenful."""
    if not isinstance(count, int):
        return "unknown"
    shown_ids = ids[:ORDERS_MAX]
    more = f" and {count - len(shown_ids)} more" if shown_ids and count > len(shown_ids) else ""
    return f"{count} ({', '.join(shown_ids)}{more})" if shown_ids else str(count)
