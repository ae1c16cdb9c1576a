"""What a halt changes on one surface. Pure.

The direction of emptying a ramp-up rule is computed. It narrows exposure only where the rule's slot
is proved to serve the release being rolled out; where production serves that release and the slot
serves the stable one, emptying it would send users to the bad release, so the rule stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.actions.led_users import predict_led
from rollback.actions.seen import fact, one_build
from rollback.connectors.app_service_effects import auto_swap_effect, ramp_rules_effect
from rollback.model.base import facts
from rollback.model.change import Change, Finding, NoOp, RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.observation import Prediction
from rollback.model.plan import Exposure
from rollback.model.ramp_rules import rules_as_texts, rules_of
from rollback.model.slots import PRODUCTION, reference, slot_at

if TYPE_CHECKING:
    from rollback.model.environment import Surface
    from rollback.model.observation import World
    from rollback.model.ports import StepContext
    from rollback.model.views import RampRule

PINNED_S = 3600
"""How long a routing cookie holds a user (Max-Age of one hour)."""

SETTLE_S = 30


@dataclass(frozen=True, slots=True)
class Halted:
    """What one part of a halt makes."""

    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    exposures: tuple[Exposure, ...] = ()


def pinned(name: str, surface: Surface) -> Exposure:
    """Users that a removed rule does not recall."""
    return Exposure(
        surface=name,
        who="users pinned to a slot by the x-ms-routing-name cookie",
        count=surface.pinned_users,
        until_s=PINNED_S,
    )


def bad_build(world: World, name: str, surface: Surface, slot: str) -> tuple[str, str]:
    """(the build proved to be the one being rolled out, empty where none is; why).

    What production serves, unless that is the stable release; then what the rule's slot serves.
    """
    there = one_build(world, name, slot)
    if not there:
        return "", f"it is not proved what slot {slot} serves"
    held = surface.release(there)
    if held is not None and held.on_hold:
        return there, f"{there} is on hold"
    stable = str(world.get(f"{name}/history", "last_stable") or surface.last_stable or "")
    live = one_build(world, name, PRODUCTION)
    if not live:
        return "", "it is not proved what production serves"
    if not stable:
        if live == there:
            return there, f"production and slot {slot} both serve {there}"
        return "", f"no last stable release of {name} is known"
    if live == stable:
        return (
            ("", f"production and slot {slot} both serve the stable {there}")
            if there == stable
            else (there, f"production serves the stable {stable}, slot {slot} serves {there}")
        )
    return live, f"production serves {live}, and {stable} was last stable"


def halt_slots(step: StepContext, world: World, name: str) -> Halted:
    """Ramp-up rules and auto-swap of one surface."""
    rules = _rules(step, world, name)
    swaps = tuple(
        _auto_swap(step, world, name, seen.resource.rpartition("/")[2])
        for seen in world.under(f"{name}/slot/")
        if not seen.resource.endswith(f"/{PRODUCTION}")
    )
    return Halted((*rules.changes, *swaps), rules.findings, rules.exposures)


def _rules(step: StepContext, world: World, name: str) -> Halted:
    surface = step.environment.surface(name)
    change_id, resource = f"ramp-rules-{name}", f"{name}/traffic"
    seen = world.find(resource)
    if seen is None or not seen.compared:
        return Halted(
            (
                RefusedChange(
                    id=change_id,
                    resource=resource,
                    code="halt.unreadable",
                    reason=f"the traffic rules of {name} cannot be read"
                    + "".join(f": {gap}" for gap in (() if seen is None else seen.gaps)),
                    next_move="look at the site in the portal; remove rules to the bad slot by "
                    "hand",
                ),
            )
        )
    rules = rules_of(seen.get("rules"))
    if not rules:
        reason = "no ramp-up rule sends users anywhere"
        return Halted((NoOp(id=change_id, resource=resource, reason=reason),))
    kept: list[RampRule] = []
    why: list[str] = []
    findings: list[Finding] = []
    for rule in rules:
        slot = slot_at(surface, rule.host)
        bad, because = bad_build(world, name, surface, slot)
        there = one_build(world, name, slot) if slot else ""
        if bad and there == bad:
            continue
        kept.append(rule)
        said = because if slot else f"{rule.host} is no slot that the environment names"
        why.append(f"the rule to {rule.name} stays: {said}")
        proved = bool(bad and there)
        findings.append(
            Finding(
                weight="note" if proved else "unknown",
                code="halt.rule-kept" if proved else "halt.rule-unproved",
                text=f"the ramp-up rule to {rule.name} "
                f"({rule.percent_hundredths / 100:g} %) stays: {said}"
                + (
                    f"; the slot serves {there}, so emptying it would move users away from safety"
                    if proved
                    else "; a person has to decide"
                ),
                step=step.name,
                surface=name,
            )
        )
    if len(kept) == len(rules):
        no = NoOp(id=change_id, resource=resource, reason="; ".join(why))
        return Halted((no,), tuple(findings), (pinned(name, surface),))
    return Halted(
        (_ramp_update(step, name, surface, rules, tuple(kept)),),
        tuple(findings),
        (pinned(name, surface),),
    )


def _ramp_update(
    step: StepContext,
    name: str,
    surface: Surface,
    rules: tuple[RampRule, ...],
    kept: tuple[RampRule, ...],
) -> Update:
    change_id, resource = f"ramp-rules-{name}", f"{name}/traffic"
    gone = ", ".join(
        f"{one.name} ({one.percent_hundredths / 100:g} %)" for one in rules if one not in kept
    )
    after = rules_as_texts(kept)
    shown = ", ".join(f"{one.name} {one.percent_hundredths / 100:g} %" for one in rules)
    return Update(
        id=change_id,
        resource=resource,
        summary=f"stop sending new {name} users to {gone}",
        before=facts(rules=rules_as_texts(rules)),
        after=facts(rules=after),
        effects=(
            ramp_rules_effect(
                step.environment.azure,
                reference(step.environment, surface),
                kept,
                id=f"{step.name}#{change_id}",
                direction=Direction.TOWARD,
                undo=Undo(possible=True, by=f"setting the recorded rules again ({shown})"),
            ),
        ),
        direction=Direction.TOWARD,
        surface=name,
        settle_s_max=settle_s(step),
        predicts=(
            Prediction(resource=resource, compared=facts(rules=after)),
            *predict_led(name, surface, rules, kept),
        ),
    )


def settle_s(step: StepContext) -> int:
    """How long a halt may take to show: it is looked for during the quiet period, and a little."""
    return step.environment.policy.quiet_s + SETTLE_S


def _auto_swap(step: StepContext, world: World, name: str, slot: str) -> Change:
    surface = step.environment.surface(name)
    resource, change_id = f"{name}/slot/{slot}", f"auto-swap-{name}-{slot}".lower()
    seen = world.find(resource)
    if seen is None or not seen.compared:
        return RefusedChange(
            id=change_id,
            resource=resource,
            code="halt.unreadable",
            reason=f"the configuration of slot {slot} of {name} cannot be read"
            + "".join(f": {gap}" for gap in (() if seen is None else seen.gaps)),
            next_move="look at the slot in the portal; switch auto-swap off by hand",
        )
    target = str(fact(seen.compared, "auto_swap") or "")
    if not target:
        return NoOp(id=change_id, resource=resource, reason=f"auto-swap of slot {slot} is off")
    return Update(
        id=change_id,
        resource=resource,
        summary=f"switch off auto-swap of {surface.site}/{slot} into {target}",
        before=facts(auto_swap=target),
        after=facts(auto_swap=""),
        effects=(
            auto_swap_effect(
                step.environment.azure,
                reference(step.environment, surface, slot),
                "",
                id=f"{step.name}#{change_id}",
                direction=Direction.TOWARD,
                undo=Undo(possible=True, by=f"setting auto-swap into {target} again"),
            ),
        ),
        direction=Direction.TOWARD,
        surface=name,
        settle_s_max=settle_s(step),
        predicts=(Prediction(resource=resource, compared=facts(auto_swap="")),),
    )
