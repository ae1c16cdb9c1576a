"""The ways back to a release, in a surface's order of preference. Pure.

image: pin the container image by digest (absolute). swap: swap the slot that is proved, by every
instance, to hold the release. artifact: fill the slot by digest, prove it, swap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.actions.halt_rollout import builds_of
from rollback.actions.surfaces import CONTROL_PREFIXES, PRODUCTION, reference
from rollback.connectors.app_service_effects import (
    image_effect,
    start_effect,
    swap_effect,
)
from rollback.model.base import facts
from rollback.model.change import Change, RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.observation import Prediction

if TYPE_CHECKING:
    from rollback.model.environment import Surface
    from rollback.model.observation import World
    from rollback.model.ports import StepContext

VOLATILE = ("routing", "settings", "worker-logs", "probes")
"""Evidence that a restart or a swap destroys."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one revert is about."""

    step: StepContext
    name: str
    surface: Surface
    world: World
    build: str

    @property
    def slot(self) -> str:
        """The slot that holds, or will hold, the release."""
        return self.surface.stable_slot

    def fact(self, slot: str, name: str) -> object:
        """One fact of one slot."""
        return self.world.get(f"{self.name}/slot/{slot}", name)

    @property
    def bad(self) -> tuple[str, ...]:
        """What production serves now."""
        return builds_of(self.world, self.name, PRODUCTION)


def unavailable(target: Target, way: str) -> str:
    """Why a way cannot be taken; empty when it can."""
    entry = target.surface.release(target.build)
    if way == "image":
        if entry is None or entry.image is None:
            return "the catalogue has no image digest for it"
        if not str(target.fact(PRODUCTION, "image") or ""):
            return "the site does not run a container image"
        if target.surface.carries_authority and builds_of(
            target.world, target.name, target.slot
        ) != (target.build,):
            return "no slot serves it, so it could not prove halt authority before users reach it"
        return ""
    if way == "artifact":
        if entry is None or entry.image is None:
            return "the catalogue has no image digest for it"
        return ""
    there = builds_of(target.world, target.name, target.slot)
    if str(target.fact(target.slot, "state")) == "Stopped":
        image = str(target.fact(target.slot, "image") or "")
        held = entry is not None and entry.image is not None and image == entry.image
        return "" if held else "the stopped slot does not name the image it would start"
    if len(there) > 1:
        return f"instances of the slot disagree: {', '.join(there)}"
    if not there:
        return "no instance of the slot says what it serves"
    if there != (target.build,):
        return f"the slot serves {there[0]}, not {target.build}"
    if target.world.get(f"{target.name}/slot/{target.slot}", "unanswered", ()):
        return "not every instance of the slot says what it serves"
    return ""


def refused_by_settings(target: Target) -> RefusedChange | None:
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
    moving = seen.get("moving", ())
    control = sorted(
        str(one)
        for one in (moving if isinstance(moving, tuple) else ())
        if str(one).upper().startswith(CONTROL_PREFIXES)
    )
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


def changes_by(target: Target, way: str) -> list[Change]:
    """The updates of one way, in order."""
    if way == "image":
        return [_pin(target, PRODUCTION, "pin")]
    out: list[Change] = []
    if way == "artifact":
        if builds_of(target.world, target.name, target.slot) != (target.build,):
            out.append(_pin(target, target.slot, "fill"))
        if str(target.fact(target.slot, "state")) == "Stopped":
            out.append(_start(target))
    elif str(target.fact(target.slot, "state")) == "Stopped":
        out.append(_start(target))
    if refusal := refused_by_settings(target):
        return [refusal]
    if pending := str(target.fact(target.slot, "preview_target") or ""):
        return [
            RefusedChange(
                id="swap",
                resource=f"{target.name}/slot/{target.slot}",
                code="swap.preview-pending",
                reason=f"a swap with preview towards {pending} is pending: the slot holds "
                "production settings",
                next_move="complete or cancel the preview in the portal, then plan again",
            )
        ]
    out.append(_swap(target))
    return out


def _swap(target: Target) -> Update:
    policy = target.step.environment.policy
    production, slot = (
        f"{target.name}/slot/{PRODUCTION}",
        f"{target.name}/slot/{target.slot}",
    )
    images = (
        str(target.fact(PRODUCTION, "image") or ""),
        str(target.fact(target.slot, "image") or ""),
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
                compared=facts(
                    builds=target.bad, image=images[0], operation="", state="Running"
                ),
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
            Prediction(
                resource=slot, compared=facts(state="Running", builds=(target.build,))
            ),
        ),
    )


def _pin(target: Target, slot: str, identifier: str) -> Update:
    entry = target.surface.release(target.build)
    image = "" if entry is None or entry.image is None else entry.image
    policy = target.step.environment.policy
    resource = f"{target.name}/slot/{slot}"
    before = str(target.fact(slot, "image") or "")
    production = slot == PRODUCTION
    return Update(
        id=identifier,
        resource=resource,
        summary=f"pin {target.surface.site}/{slot} to {image}",
        before=facts(
            image=before,
            slot=slot,
            slot_builds=builds_of(target.world, target.name, slot),
        ),
        after=facts(image=image, slot=slot, slot_builds=(target.build,)),
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
        starts_build=target.build,
        volatile=VOLATILE,
        settle_s_max=policy.swap_s_max,
        poll_s=policy.poll_s,
        predicts=(
            Prediction(
                resource=resource, compared=facts(image=image, builds=(target.build,))
            ),
        ),
    )
