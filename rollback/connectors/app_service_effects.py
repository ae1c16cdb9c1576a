"""The App Service writes a plan may permit, as the SDK really sends them. Pure.

The bodies built here are also what the connector sends, byte for byte, so that what a reviewer
read is what leaves. Paths and the API version are those of azure-mgmt-web 11 (2025-05-01).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import rfc8785

from rollback.model.direction import Direction, Undo
from rollback.model.effect import Body, ExactBody, HttpWrite, NoBody, Purpose, returns_max

if TYPE_CHECKING:
    from rollback.model.environment import Azure
    from rollback.model.views import RampRule, SlotRef

API_VERSION = "2025-05-01"

Content = dict[str, Any]


def site_path(subscription: str, ref: SlotRef) -> str:
    """The Resource Manager path of a site, or of one of its slots."""
    path = (
        f"/subscriptions/{subscription}/resourceGroups/{ref.resource_group}"
        f"/providers/Microsoft.Web/sites/{ref.site}"
    )
    return path if ref.slot is None else f"{path}/slots/{ref.slot}"


def canonical(content: Content) -> bytes:
    """The RFC 8785 form of a body: what is sent, and what the permission is bound to."""
    return rfc8785.dumps(content)


def swap_content(target: str) -> Content:
    """Body of a swap. target: ``production`` or a slot's name. Networks stay where they are."""
    return {"targetSlot": target, "preserveVnet": True}


def ramp_rules_content(rules: tuple[RampRule, ...]) -> Content:
    """Body that sets exactly these ramp-up rules; none empties them."""
    shown = [
        {
            "actionHostName": rule.host,
            "reroutePercentage": rule.percent_hundredths / 100,
            "name": rule.name,
        }
        for rule in sorted(rules, key=lambda rule: rule.name)
    ]
    return {"properties": {"experiments": {"rampUpRules": shown}}}


def auto_swap_content(target: str) -> Content:
    """Body that sets the slot a deployment is swapped into by itself; empty switches it off."""
    return {"properties": {"autoSwapSlotName": target}}


def image_content(image: str) -> Content:
    """Body that pins a Linux container image by digest (``host/repo@sha256:...``)."""
    return {"properties": {"linuxFxVersion": f"DOCKER|{image}"}}


def swap_effect(
    azure: Azure,
    ref: SlotRef,
    target: str,
    *,
    id: str,
    direction: Direction = Direction.AWAY,
    undo: Undo | None = None,
    says: str = "",
) -> HttpWrite:
    """Swap `ref`'s slot with `target`. A toggle: permitted once."""
    back = Undo(possible=True, by=f"swapping {ref.label} with {target} again, by a new plan")
    return _write(
        azure,
        f"{site_path(azure.subscription, ref)}/slotsswap",
        swap_content(target),
        method="POST",
        id=id,
        direction=direction,
        undo=undo or back,
        says=says or f"swap {ref.label} with {target}",
    )


def ramp_rules_effect(
    azure: Azure,
    ref: SlotRef,
    rules: tuple[RampRule, ...],
    *,
    id: str,
    direction: Direction,
    undo: Undo | None = None,
    says: str = "",
) -> HttpWrite:
    """Set exactly these ramp-up rules. Absolute: repeating it changes nothing."""
    named = ", ".join(f"{rule.name} {rule.percent_hundredths / 100:g} %" for rule in rules)
    return _configuration(
        azure,
        ref,
        ramp_rules_content(rules),
        id=id,
        direction=direction,
        undo=undo or Undo(possible=True, by="setting the recorded rules again"),
        says=says or f"ramp-up rules of {ref.label}: {named or 'none'}",
    )


def auto_swap_effect(
    azure: Azure,
    ref: SlotRef,
    target: str,
    *,
    id: str,
    direction: Direction,
    undo: Undo | None = None,
    says: str = "",
) -> HttpWrite:
    """Set the slot a deployment is swapped into by itself; empty switches auto-swap off."""
    return _configuration(
        azure,
        ref,
        auto_swap_content(target),
        id=id,
        direction=direction,
        undo=undo or Undo(possible=True, by="setting the recorded auto-swap target again"),
        says=says or f"auto-swap of {ref.label}: {target or 'off'}",
    )


def image_effect(
    azure: Azure,
    ref: SlotRef,
    image: str,
    *,
    id: str,
    direction: Direction = Direction.AWAY,
    undo: Undo | None = None,
    says: str = "",
) -> HttpWrite:
    """Pin a slot's container image by digest. Absolute, but the slot restarts."""
    return _configuration(
        azure,
        ref,
        image_content(image),
        id=id,
        direction=direction,
        undo=undo or Undo(possible=True, by="pinning the recorded image again"),
        says=says or f"image of {ref.label}: {image}",
    )


def start_effect(
    azure: Azure,
    ref: SlotRef,
    *,
    id: str,
    direction: Direction = Direction.AWAY,
    undo: Undo | None = None,
    says: str = "",
) -> HttpWrite:
    """Start a stopped slot."""
    return _write(
        azure,
        f"{site_path(azure.subscription, ref)}/start",
        None,
        method="POST",
        id=id,
        direction=direction,
        undo=undo or Undo(possible=True, by="stopping the slot"),
        says=says or f"start {ref.label}",
    )


def stop_effect(
    azure: Azure,
    ref: SlotRef,
    *,
    id: str,
    direction: Direction = Direction.AWAY,
    undo: Undo | None = None,
    says: str = "",
) -> HttpWrite:
    """Stop a slot. Never production: no rule names that shape."""
    return _write(
        azure,
        f"{site_path(azure.subscription, ref)}/stop",
        None,
        method="POST",
        id=id,
        direction=direction,
        undo=undo or Undo(possible=True, by="starting the slot"),
        says=says or f"stop {ref.label}",
    )


def _configuration(
    azure: Azure,
    ref: SlotRef,
    content: Content,
    *,
    id: str,
    direction: Direction,
    undo: Undo,
    says: str,
) -> HttpWrite:
    return _write(
        azure,
        f"{site_path(azure.subscription, ref)}/config/web",
        content,
        method="PATCH",
        id=id,
        direction=direction,
        undo=undo,
        says=says,
    )


def _write(
    azure: Azure,
    path: str,
    content: Content | None,
    *,
    method: Literal["POST", "PATCH"],
    id: str,
    direction: Direction,
    undo: Undo,
    says: str,
) -> HttpWrite:
    body: Body = NoBody()
    if content is not None:
        text = canonical(content)
        body = ExactBody(sha256=hashlib.sha256(text).hexdigest(), content=text.decode())
    return HttpWrite(
        id=id,
        method=method,
        host=azure.host,
        path=path,
        query=(("api-version", API_VERSION),),
        body=body,
        times_max=1,
        returns_max=returns_max(direction),
        direction=direction,
        purpose=Purpose.CHANGE,
        undo=undo,
        says=says,
    )
