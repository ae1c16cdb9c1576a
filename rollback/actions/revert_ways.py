"""The ways back to a release, in a surface's order of preference. Pure.

image: pin the container image by digest (absolute). swap: swap the slot that is proved, by every
instance, to hold the release. artifact: fill the slot by digest, prove it, swap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.seen import builds_of
from rollback.actions.swap_refusals import refused_by_the_world
from rollback.connectors.app_service_effects import (
    image_effect,
    start_effect,
    swap_effect,
)
from rollback.model.base import facts
from rollback.model.change import Change, Update
from rollback.model.direction import Direction, Undo
from rollback.model.observation import Prediction
from rollback.model.slots import PRODUCTION, reference

if TYPE_CHECKING:
    from rollback.actions.revert_target import Target

VOLATILE = ("routing", "settings", "worker-logs", "probes")
"""Evidence that a restart or a swap destroys."""

THROUGH_SLOT = frozenset({"fill", "start", "swap"})
"""Changes after which users who are led to the stable slot meet another release."""

UNTOLD = "what production serves"
"""Where no instance of production says its build."""

NO_DIGEST = "the catalogue has no image digest for it"


def unavailable(target: Target, way: str) -> str:
    """Why a way cannot be taken; empty when it can."""
    if way == "image":
        return _no_image(target)
    if target.unread:
        return f"slot {target.slot} cannot be read"
    starts = target.stopped or (way == "artifact" and target.filled)
    if starts and target.led and target.surface.carries_authority:
        return (
            f"a ramp-up rule sends users to slot {target.slot}, so what is started there would "
            "have them before it proved halt authority"
        )
    return _no_artifact(target) if way == "artifact" else _no_swap(target)


def _no_image(target: Target) -> str:
    if not target.image:
        return NO_DIGEST
    if not str(target.fact(PRODUCTION, "image") or ""):
        return "the site is not seen to run a container image"
    if not target.filled and not target.stopped and target.proved != target.build:
        return "the slot is set to the same image, and not every instance there serves it"
    if target.surface.carries_authority and target.proved != target.build:
        return "no slot serves it, so it could not prove halt authority before users reach it"
    return ""


def _no_artifact(target: Target) -> str:
    if not target.image:
        return NO_DIGEST
    if target.filled or target.stopped:
        return ""
    if target.proved == target.build:
        return ""  # a person chose this way; the slot is full already, so only the swap is left
    return "the slot is set to its image already, yet not every instance serves it"


def _no_swap(target: Target) -> str:
    if target.stopped:
        held = bool(target.image) and not target.filled
        return "" if held else "the stopped slot is not seen to hold its image"
    there = builds_of(target.world, target.name, target.slot)
    if len(there) > 1:
        return f"instances of the slot disagree: {', '.join(there)}"
    if not there:
        return "no instance of the slot says what it serves"
    if there != (target.build,):
        return f"the slot serves {there[0]}, not {target.build}"
    return "" if target.proved else "not every instance of the slot says what it serves"


def changes_by(target: Target, way: str) -> list[Change]:
    """The updates of one way, in order; a refusal where the swap in it may not be."""
    if way == "image":
        return [_pin(target, PRODUCTION, "pin")]
    if refusal := refused_by_the_world(target):
        return [refusal]
    out: list[Change] = []
    if way == "artifact" and target.filled:
        out.append(_pin(target, target.slot, "fill"))
    if target.stopped:
        out.append(_start(target))
    held = target.image if way == "artifact" else str(target.fact(target.slot, "image") or "")
    out.append(_swap(target, held))
    return out


def _swap(target: Target, slot_image: str) -> Update:
    policy = target.step.environment.policy
    production, slot = (
        f"{target.name}/slot/{PRODUCTION}",
        f"{target.name}/slot/{target.slot}",
    )
    images = (
        str(target.fact(PRODUCTION, "image") or ""),
        slot_image,
    )
    return Update(
        id="swap",
        resource=production,
        summary=f"swap {target.surface.site}/{target.slot} ({target.build}) with production "
        f"({', '.join(target.bad) or 'unknown'})",
        before=facts(
            builds=target.bad,
            slot=target.slot,
            slot_builds=(target.build,),
            swap_at=str(target.fact(PRODUCTION, "swap_at") or ""),
        ),
        after=facts(builds=(target.build,), slot=target.slot, slot_builds=target.bad),
        effects=(
            swap_effect(
                target.step.environment.azure,
                reference(target.step.environment, target.surface, target.slot),
                PRODUCTION,
                id=f"{target.step.name}#swap",
            ),
        ),
        direction=Direction.AWAY,
        surface=target.name,
        moves_users=True,
        to_build=target.build,
        also_to=(target.bad or (UNTOLD,)) if target.led else (),
        volatile=VOLATILE,
        absolute=False,
        settle_s_max=policy.swap_s_max,
        poll_s=policy.poll_s,
        predicts=(
            Prediction(
                resource=production,
                compared=facts(builds=(target.build,), image=images[1], operation=""),
            ),
            Prediction(
                resource=slot,
                compared=facts(builds=target.bad, image=images[0], operation="", state="Running"),
            ),
        ),
    )


def _start(target: Target) -> Update:
    policy = target.step.environment.policy
    slot = f"{target.name}/slot/{target.slot}"
    return Update(
        id="start",
        resource=slot,
        summary=f"start the stopped slot {target.surface.site}/{target.slot}",
        before=facts(state="Stopped", slot=target.slot),
        after=facts(state="Running", slot=target.slot, slot_builds=(target.build,)),
        effects=(
            start_effect(
                target.step.environment.azure,
                reference(target.step.environment, target.surface, target.slot),
                id=f"{target.step.name}#start",
            ),
        ),
        direction=Direction.AWAY,
        surface=target.name,
        starts_build=target.build,
        volatile=VOLATILE,
        settle_s_max=policy.swap_s_max,
        poll_s=policy.poll_s,
        predicts=(
            Prediction(resource=slot, compared=facts(state="Running", builds=(target.build,))),
        ),
    )


def _pin(target: Target, slot: str, identifier: str) -> Update:
    image = target.image
    policy = target.step.environment.policy
    resource = f"{target.name}/slot/{slot}"
    before = str(target.fact(slot, "image") or "")
    production = slot == PRODUCTION
    # A stopped slot serves nothing until it is started; only its image can be told.
    serves = () if target.stopped and not production else (target.build,)
    given = facts(image=image, builds=serves) if serves else facts(image=image)
    return Update(
        id=identifier,
        resource=resource,
        summary=f"pin {target.surface.site}/{slot} to {image}",
        before=facts(
            image=before,
            slot=slot,
            slot_builds=builds_of(target.world, target.name, slot),
        ),
        after=facts(image=image, slot=slot, slot_builds=serves),
        effects=(
            image_effect(
                target.step.environment.azure,
                reference(target.step.environment, target.surface, slot),
                image,
                id=f"{target.step.name}#{identifier}",
                undo=Undo(
                    possible=bool(before),
                    by=f"pinning {before or 'the earlier image'} again",
                ),
            ),
        ),
        direction=Direction.AWAY,
        surface=target.name,
        moves_users=production,
        to_build=target.build if production else None,
        starts_build=target.build if serves else None,
        volatile=VOLATILE,
        settle_s_max=policy.swap_s_max,
        poll_s=policy.poll_s,
        predicts=(Prediction(resource=resource, compared=given),),
    )
