"""Slots of a surface: how one is addressed, and the host it answers on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.model.views import SlotRef

if TYPE_CHECKING:
    from rollback.model.environment import Environment, Surface

PRODUCTION: Final = "production"
"""The site itself, beside its slots."""


def reference(environment: Environment, surface: Surface, slot: str = PRODUCTION) -> SlotRef:
    """The address of a slot; ``production`` is the site itself."""
    return SlotRef(
        resource_group=surface.resource_group or environment.azure.resource_group,
        site=surface.site or "",
        slot=None if slot == PRODUCTION else slot,
    )


def host_of(surface: Surface, slot: str) -> str:
    """The host a slot answers on: as the environment names it, else App Service's default."""
    if slot == PRODUCTION:
        return surface.hosts[0]
    named = dict(surface.slot_hosts).get(slot)
    return named or f"{surface.site}-{slot}.azurewebsites.net".lower()


def slots_of(surface: Surface) -> tuple[str, ...]:
    """The slots that the environment names, the stable one first. Nothing else is ever asked."""
    return tuple(dict.fromkeys((surface.stable_slot, *(name for name, _ in surface.slot_hosts))))


def slot_at(surface: Surface, host: str) -> str:
    """The slot that a ramp rule's host leads to; empty for one the environment does not name."""
    return next((slot for slot in slots_of(surface) if host_of(surface, slot) == host.lower()), "")
