"""Why a swap may not be, whatever the two slots serve. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.led_users import led_resource, users_led
from rollback.actions.seen import CONTROL_PREFIXES, texts
from rollback.model.change import RefusedChange
from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from rollback.actions.revert_target import Target


def refused_by_the_world(target: Target) -> RefusedChange | None:
    """The first refusal, None where the world stands in no swap's way."""
    asked = (_by_settings, _by_preview, _by_rules)
    return next((found for ask in asked if (found := ask(target)) is not None), None)


def _by_settings(target: Target) -> RefusedChange | None:
    """A swap that would carry Cosmos or platform settings across is a rewrite by the back door."""
    seen = target.world.find(f"{target.name}/settings-difference/{target.slot}")
    if seen is None or seen.gaps:
        return RefusedChange(
            id="settings",
            resource=f"{target.name}/settings-difference/{target.slot}",
            code="settings.unreadable",
            reason="what a swap would carry across cannot be read",
            next_move="plan again when Resource Manager answers",
            promise="fail-closed",
        )
    named = (one for one in texts(seen.get("moving")) if one.upper().startswith(CONTROL_PREFIXES))
    control = sorted({*named, *texts(seen.get("cosmos_or_platform"))})
    if not control:
        return None
    return RefusedChange(
        id="settings",
        resource=seen.resource,
        code="settings.control-plane",
        reason=f"a swap would carry {', '.join(control)} across, and point the release at another "
        "control plane or sign-in",
        next_move="have a person mark these settings as slot settings, then plan again",
        promise="no-control-plane-rewrite",
    )


def _by_preview(target: Target) -> RefusedChange | None:
    """A forgotten first phase leaves the slot with production's settings."""
    for slot in (target.slot, PRODUCTION):
        if pending := str(target.fact(slot, "preview_target") or ""):
            return RefusedChange(
                id="swap",
                resource=f"{target.name}/slot/{slot}",
                code="swap.preview-pending",
                reason=f"a swap with preview towards {pending} is pending: a slot already runs "
                "with the settings of the other one",
                next_move="complete or cancel the preview in the portal, then plan again",
            )
    return None


def _by_rules(target: Target) -> RefusedChange | None:
    """Nobody knows whom a swap would put back on the bad release."""
    if not target.surface.carries_authority:
        return None
    if users_led(target.world, target.name, target.surface) is not None:
        return None
    return RefusedChange(
        id="rules",
        resource=led_resource(target.name, target.surface),
        code="rules.unreadable",
        reason=f"whether ramp-up rules lead users to slot {target.slot} cannot be read",
        next_move="plan again when Resource Manager answers",
        promise="halt-authority-retained",
    )
