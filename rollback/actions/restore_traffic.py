"""restore_traffic: route all users to the reverted release, absolutely, and prove it (row A3).

Proof comes from outside: at least 20 samples a host without cache on fresh connections, the page
with every chunk it names, and the build over a new web socket. Old sockets, cached pages and users
pinned by cookie are counted as exposure.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.halt_changes import pinned
from rollback.actions.led_users import predict_led
from rollback.actions.seen import (
    builds_of,
    texts,
)
from rollback.actions.slot_outcome import told
from rollback.actions.surfaces import observe_surfaces
from rollback.connectors.app_service_effects import ramp_rules_effect
from rollback.model.base import facts
from rollback.model.change import Change, Finding, NoOp, RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.observation import Prediction
from rollback.model.plan import Exposure
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.ramp_rules import rules_as_texts, rules_of
from rollback.model.slots import PRODUCTION, reference
from rollback.model.steps import RestoreTraffic

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.observation import Observation, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

AROUND = frozenset({"traffic", "led"})
SETTLE_S = 30
JITTER_HUNDREDTHS = 25
"""The settle window is stretched by up to so much, so that runs do not sample in step."""

SAMPLE_S = 2
"""Budget for one sample of one host, for the plan's longest duration."""


class RestoreTrafficAction:
    """See the module."""

    name = "restore_traffic"
    spec: type[StepSpec] = RestoreTraffic

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Production, its rules and the slots they lead to, of every surface of the step."""
        return observe_surfaces(step, step.spec.surfaces_named, clients, AROUND)

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """No ramp-up rule is left: production, which holds the release, takes everybody."""
        changes: list[Change] = []
        findings: list[Finding] = []
        exposures: list[Exposure] = []
        hosts = 0
        for name in step.spec.surfaces_named:
            surface = step.environment.surface(name)
            if surface.provider != "app-service":
                continue
            hosts += len(surface.hosts)
            changes.append(_change(step, world, name))
            if rules_of(world.get(f"{name}/traffic", "rules")):
                exposures.append(pinned(name, surface))
        settle = _settle_s(step)
        samples = int(getattr(step.spec, "samples", 20))
        updates = sum(one.settle_s_max for one in changes if isinstance(one, Update))
        longest = settle + settle * JITTER_HUNDREDTHS // 100 + hosts * samples * SAMPLE_S + updates
        return ActionPlan(tuple(changes), tuple(findings), tuple(exposures), (), longest)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Set the rules."""
        surface = step.environment.surface(change.surface or "")
        clients.arm().set_ramp_rules(reference(step.environment, surface), ())
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Read the rules back; what is not there yet stays open for the quiet period."""
        surface = step.environment.surface(change.surface or "")
        left = clients.arm().configuration(reference(step.environment, surface)).ramp_rules
        names = ", ".join(one.name for one in left)
        said = f"rules are left: {names}" if left else "no rule is left"
        return told(step, clients, performed, said, holds=not left)

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Sample every host from outside, after the reconnect storm had time to settle."""
        from rollback.actions.outside import look_from_outside

        settle = _settle_s(step)
        stretch = int(clients.nonce()[:4], 16) % (JITTER_HUNDREDTHS + 1)
        clients.pause(settle + settle * stretch / 100)
        samples = int(getattr(step.spec, "samples", 20))
        environment = step.environment

        def looked(name: str) -> list[Check]:
            build = _expected(planned, name)
            return look_from_outside(environment, name, build, samples, clients)

        names = [
            name
            for name in step.spec.surfaces_named
            if environment.surface(name).provider == "app-service"
        ]
        made = clients.together([partial(looked, name) for name in names])
        return Verification(tuple(check for checks in made for check in checks))


def _settle_s(step: StepContext) -> int:
    given = getattr(step.spec, "settle", None)
    return step.environment.policy.settle_s if given is None else int(given)


def _expected(planned: PlannedStep, name: str) -> str:
    """The build that the plan's world holds in production when this step runs."""
    for seen in planned.expects:
        if seen.resource == f"{name}/slot/{PRODUCTION}":
            builds = texts(seen.get("builds"))
            return builds[0] if len(builds) == 1 else ""
    return ""


def _change(step: StepContext, world: World, name: str) -> Change:
    change_id, resource = f"rules-{name}", f"{name}/traffic"
    seen = world.find(resource)
    live = builds_of(world, name, PRODUCTION)
    if seen is None or not seen.compared:
        gaps = "; ".join(() if seen is None else seen.gaps) or "nobody looked"
        return _refused(
            change_id,
            resource,
            "traffic.unreadable",
            f"the traffic rules of {name} cannot be read: {gaps}",
            "plan again when Resource Manager answers",
        )
    wanted = getattr(step.spec, "release", None)
    bad = str(world.get(f"{name}/history", "rolled_out") or "")
    if len(live) != 1 or live[0] != (wanted or live[0]) or (wanted is None and live[0] == bad):
        what = f"serves {', '.join(live)}" if live else "does not say what it serves"
        return _refused(
            change_id,
            resource,
            "traffic.not-reverted",
            f"production of {name} {what} at this point of the plan, so all users would be routed "
            + ("to what is being rolled back" if wanted is None else f"elsewhere than {wanted}"),
            "put a revert that works before this step",
        )
    rules = rules_of(seen.get("rules"))
    if not rules:
        reason = f"no ramp-up rule: production, which serves {live[0]} by then, takes all users"
        return NoOp(id=change_id, resource=resource, reason=reason)
    return _update(step, world, name, live[0])


def _refused(
    change_id: str, resource: str, code: str, reason: str, next_move: str
) -> RefusedChange:
    return RefusedChange(
        id=change_id, resource=resource, code=code, reason=reason, next_move=next_move
    )


def _update(step: StepContext, world: World, name: str, live: str) -> Update:
    surface = step.environment.surface(name)
    change_id, resource = f"rules-{name}", f"{name}/traffic"
    rules = rules_of(world.get(resource, "rules"))
    # Users of a rule go to `live`, which moves them unless its slot serves the same.
    direction = Direction.AWAY
    shown = ", ".join(f"{one.name} {one.percent_hundredths / 100:g} %" for one in rules)
    return Update(
        id=change_id,
        resource=resource,
        summary=f"send all {name} users to production ({live}); rules now: {shown}",
        before=facts(rules=rules_as_texts(rules)),
        after=facts(rules=()),
        effects=(
            ramp_rules_effect(
                step.environment.azure,
                reference(step.environment, surface),
                (),
                id=f"{step.name}#{change_id}",
                direction=direction,
                undo=Undo(possible=True, by=f"setting the recorded rules again ({shown})"),
            ),
        ),
        direction=direction,
        surface=name,
        settle_s_max=step.environment.policy.quiet_s + SETTLE_S,
        predicts=(
            Prediction(resource=resource, compared=facts(rules=())),
            *predict_led(name, surface, rules, ()),
        ),
    )
