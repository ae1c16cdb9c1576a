"""halt_rollout: stop new users reaching the release that is being rolled out (row A1).

Ramp-up rules to slots that serve it are removed by one absolute write, and auto-swap is switched
off. It waits for nothing. It does not recall users pinned to a slot by cookie (up to an hour,
measured), and never touches a dynamic-configuration flag: that would rewrite the control plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.surfaces import PRODUCTION, observe_surface, reference
from rollback.connectors.app_service_effects import auto_swap_effect, ramp_rules_effect
from rollback.model.base import facts
from rollback.model.change import Change, Finding, NoOp, RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.observation import Prediction
from rollback.model.plan import Exposure
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import HaltRollout
from rollback.model.views import RampRule

if TYPE_CHECKING:
    from rollback.model.base import Facts, Value
    from rollback.model.observation import Observation, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

PINNED_S = 3600
"""How long a routing cookie holds a user (Max-Age of one hour)."""


def builds_of(world: World, name: str, slot: str) -> tuple[str, ...]:
    """The distinct builds a slot's instances serve."""
    found = world.get(f"{name}/slot/{slot}", "builds", ())
    return tuple(str(one) for one in found) if isinstance(found, tuple) else ()


def rules_of(value: Value) -> tuple[RampRule, ...]:
    """The traffic rules an observation holds."""
    found = []
    for one in value if isinstance(value, tuple) else ():
        name, host, percent = str(one).rsplit("=", 2)
        found.append(RampRule(name=name, host=host, percent_hundredths=int(percent)))
    return tuple(found)


class HaltRolloutAction:
    """See the module."""

    name = "halt_rollout"
    spec: type[StepSpec] = HaltRollout

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Slots, rules and history of every surface of the step."""
        return tuple(
            seen
            for name in getattr(step.spec, "surfaces", ())
            for seen in observe_surface(step, name, clients)
        )

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Absolute writes that only ever narrow who reaches the bad release."""
        changes: list[Change] = []
        findings: list[Finding] = []
        exposures: list[Exposure] = []
        for name in getattr(step.spec, "surfaces", ()):
            changes.append(_rules(step, world, name, findings, exposures))
            changes.extend(_auto_swap(step, world, name))
        return ActionPlan(tuple(changes), tuple(findings), tuple(exposures), (), 30)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Send the one absolute write."""
        name = change.surface or ""
        environment = step.environment
        surface = environment.surface(name)
        if change.id.startswith("ramp-rules"):
            kept = next(fact.value for fact in change.after if fact.name == "rules")
            clients.arm().set_ramp_rules(
                reference(environment, surface), rules_of(kept)
            )
        else:
            slot = change.resource.rsplit("/", 1)[-1]
            clients.arm().set_auto_swap(reference(environment, surface, slot), "")
        return Performed()

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """Read the value that was set."""
        del performed
        name = change.surface or ""
        surface = step.environment.surface(name)
        wanted = {fact.name: fact.value for fact in change.after}
        if "rules" in wanted:
            view = clients.arm().configuration(reference(step.environment, surface))
            now: Value = tuple(
                sorted(
                    f"{one.name}={one.host}={one.percent_hundredths}"
                    for one in view.ramp_rules
                )
            )
            same = now == wanted["rules"]
        else:
            slot = change.resource.rsplit("/", 1)[-1]
            view = clients.arm().configuration(
                reference(step.environment, surface, slot)
            )
            now = view.auto_swap
            same = now == wanted["auto_swap"]
        if same:
            return Look(Outcome.APPLIED, "read back as written")
        return Look(Outcome.NOT_APPLIED, f"read back as {now!r}")

    def verify(
        self, step: StepContext, planned: PlannedStep, clients: Clients
    ) -> Verification:
        """Every value is as the plan says."""
        checks = []
        for change in planned.changes:
            if isinstance(change, Update):
                look = self.look(step, change, clients, ())
                checks.append(
                    Check(change.id, look.outcome is Outcome.APPLIED, look.reason)
                )
        return Verification(tuple(checks))


def _rules(
    step: StepContext,
    world: World,
    name: str,
    findings: list[Finding],
    exposures: list[Exposure],
) -> Change:
    surface = step.environment.surface(name)
    identifier = f"ramp-rules-{name}"
    resource = f"{name}/traffic"
    if world.find(resource) is None or world.find(resource).gaps:  # type: ignore[union-attr]
        return RefusedChange(
            id=identifier,
            resource=resource,
            code="halt.unreadable",
            reason=f"the traffic rules of {name} cannot be read",
            next_move="look at the site in the portal; remove rules to the bad slot by hand",
        )
    rules = rules_of(world.get(resource, "rules", ()))
    if not rules:
        return NoOp(
            id=identifier,
            resource=resource,
            reason="no ramp-up rule sends users anywhere",
        )
    production = builds_of(world, name, PRODUCTION)
    stable = str(
        world.get(f"{name}/history", "last_stable", "") or surface.last_stable or ""
    )
    kept: list[RampRule] = []
    gone: list[RampRule] = []
    for rule in rules:
        there = builds_of(world, name, rule.name)
        serves_stable = there == (stable,) and bool(stable)
        (kept if serves_stable and production != there else gone).append(rule)
    for rule in kept:
        findings.append(
            Finding(
                weight="note",
                code="halt.rule-kept",
                text=f"the rule to {rule.name} sends users to the stable release while production "
                "serves the bad one; emptying it would move them away from safety, so it stays",
                step=step.name,
                surface=name,
            )
        )
    if not gone:
        reason = "every rule sends users to the stable release; emptying them would be the opposite"
        return NoOp(id=identifier, resource=resource, reason=reason)
    exposures.append(
        Exposure(
            surface=name,
            who="users pinned to a slot by the x-ms-routing-name cookie",
            count=surface.pinned_users,
            until_s=PINNED_S,
        )
    )
    before = tuple(
        sorted(f"{one.name}={one.host}={one.percent_hundredths}" for one in rules)
    )
    after = tuple(
        sorted(f"{one.name}={one.host}={one.percent_hundredths}" for one in kept)
    )
    shown = ", ".join(f"{one.name} {one.percent_hundredths / 100:g} %" for one in rules)
    return Update(
        id=identifier,
        resource=resource,
        summary=f"stop sending new {name} users to {', '.join(one.name for one in gone)}",
        before=facts(rules=before),
        after=facts(rules=after),
        effects=(
            ramp_rules_effect(
                step.environment.azure,
                reference(step.environment, surface),
                tuple(kept),
                id=f"{step.name}#{identifier}",
                direction=Direction.TOWARD,
                undo=Undo(
                    possible=True, by=f"setting the recorded rules again ({shown})"
                ),
            ),
        ),
        direction=Direction.TOWARD,
        surface=name,
        settle_s_max=30,
        poll_s=1,
        predicts=(Prediction(resource=resource, compared=facts(rules=after)),),
    )


def _auto_swap(step: StepContext, world: World, name: str) -> list[Change]:
    surface = step.environment.surface(name)
    slot = surface.stable_slot
    resource = f"{name}/slot/{slot}"
    target = str(world.get(resource, "auto_swap", "") or "")
    identifier = f"auto-swap-{name}"
    if not target:
        return [NoOp(id=identifier, resource=resource, reason="auto-swap is off")]
    return [
        Update(
            id=identifier,
            resource=resource,
            summary=f"switch off auto-swap of {surface.site}/{slot}",
            before=facts(auto_swap=target),
            after=facts(auto_swap=""),
            effects=(
                auto_swap_effect(
                    step.environment.azure,
                    reference(step.environment, surface, slot),
                    "",
                    id=f"{step.name}#{identifier}",
                    direction=Direction.TOWARD,
                ),
            ),
            direction=Direction.TOWARD,
            surface=name,
            settle_s_max=30,
            poll_s=1,
            predicts=(Prediction(resource=resource, compared=facts(auto_swap="")),),
        )
    ]
