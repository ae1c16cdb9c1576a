"""revert_deployment: make the named stable release the deployed one (row A2).

Addressed by release identity, never by a blind toggle: a swap is sent once, and after a lost answer
the world is read (operation in progress, swap timestamp, build of every instance), not resent.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.led_users import led_resource, users_led
from rollback.actions.revert_findings import identify, shown
from rollback.actions.revert_target import Target
from rollback.actions.revert_ways import THROUGH_SLOT, changes_by, unavailable
from rollback.actions.seen import builds_of, fact, orders_text, texts
from rollback.actions.slot_outcome import look_at_slot
from rollback.actions.surfaces import observe_surface, served
from rollback.actions.swap_outcome import Serving, SwapReading, judge_swap
from rollback.actions.trading_loops import judge_loops
from rollback.connectors.together import both
from rollback.errors import ConnectorError
from rollback.model.base import facts
from rollback.model.change import TRADING_HALTED, Change, Finding, NoOp, RefusedChange, Update
from rollback.model.plan import Exposure, Summary
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.slots import PRODUCTION, reference
from rollback.model.steps import RevertDeployment
from rollback.model.views import OperationState
from rollback.planning.refusals import refuse_release

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec
    from rollback.model.views import SlotView

AROUND = frozenset({"slot", "led", "settings", "history", "holds"})
"""Not the pipeline, and of rules only whom they lead to the stable slot of the surface that carries
halt authority: a halt that did not work must not keep users on the bad release."""

SOCKETS_S = 3600


class RevertDeploymentAction:
    """See the module."""

    name = "revert_deployment"
    spec: type[StepSpec] = RevertDeployment

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Slots, settings difference and history of the step's surface."""
        return observe_surface(step, _name(step), clients, AROUND)

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """The first way back that is open, or every reason why none is."""
        return _Planner(step, world).plan()

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Send the one write of this change."""
        environment = step.environment
        surface = environment.surface(_name(step))
        slot = reference(environment, surface, str(fact(change.after, "slot")))
        match change.id:
            case "swap":
                return Performed(facts(location=clients.arm().swap(slot, PRODUCTION)))
            case "start":
                clients.arm().start(slot)
            case _:
                clients.arm().set_image(slot, str(fact(change.after, "image")))
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Read the operation, the slots and every instance; never decide by one signal."""
        if change.id == "swap":
            return _look_at_swap(step, change, clients, performed)
        return look_at_slot(step, _name(step), change, clients, performed)

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Every listed instance of production serves the release the plan names."""
        updates = [one for one in planned.changes if isinstance(one, Update) and one.moves_users]
        if not updates:
            return Verification()
        surface = step.environment.surface(_name(step))
        orders = surface.carries_authority and step.environment.halt_authority.orders_path
        now, left = both(
            clients.together,
            lambda: served(step.environment, _name(step), PRODUCTION, clients),
            lambda: [_orders_now(step, surface.hosts[0], clients)] if orders else [],
        )
        said = f"production serves {', '.join(now.builds) or 'nothing'}"
        said += " (not every instance answered)" if now.silent else ""
        holds = now.all_serve(updates[-1].to_build or "")
        return Verification((Check("build of every instance", holds, said), *left))


def _orders_now(step: StepContext, host: str, clients: Clients) -> Check:
    """Open orders after users were moved, for a person to hold against those before."""
    from rollback.connectors import trading_backend

    halt = step.environment.halt_authority
    path, token = halt.orders_path or "", clients.secret(halt.token)
    try:
        found = trading_backend.open_orders(clients.http(host), path, token)
    except ConnectorError as error:
        return Check("open orders after", holds=False, seen=error.reason, weight="note")
    seen = orders_text(found.count, found.ids)
    return Check("open orders after", holds=True, seen=seen, weight="note")


def _name(step: StepContext) -> str:
    return step.surface or str(getattr(step.spec, "surfaces", ("",))[0])


class _Planner:
    """One surface's plan in the making. Pure."""

    def __init__(self, step: StepContext, world: World) -> None:
        self.step = step
        self.world = world
        self.name = _name(step)
        self.surface = step.environment.surface(self.name)
        self.resource = f"{self.name}/slot/{PRODUCTION}"
        self.live = builds_of(world, self.name, PRODUCTION)
        found = identify(step, world, self.name, self.surface)
        self.build, self.how = found.build, found.how
        self.findings = list(found.findings)

    def plan(self) -> ActionPlan:
        """Identity first, then the release itself, then the ways to it."""
        if not self.build:
            return self.refused(
                "release.no-last-stable",
                f"no last stable release of {self.name} is known: {self.how}",
                "name one with --set to=BUILD",
            )
        silent = texts(self.world.get(self.resource, "unanswered"))
        if self.live == (self.build,):
            return self.already(silent)
        if not self.live or silent:
            self.production_silent(silent)
        refusal, weak = refuse_release(self.name, self.surface, self.build, self.world)
        self.findings.extend(weak)
        if refusal is not None:
            return self.made([refusal], "none")
        return self.by_way()

    def by_way(self) -> ActionPlan:
        """The first open way in the surface's order; one that overwrites a slot only by choice."""
        target = Target(self.step, self.name, self.surface, self.world, self.build)
        chosen = str(getattr(self.step.spec, "way", "auto"))
        if chosen != "auto" and chosen not in self.surface.ways:
            return self.refused(
                "revert.way-not-allowed",
                f"the environment does not allow the way {chosen} for {self.name}",
                f"use one of: {', '.join(self.surface.ways)}",
            )
        tried: list[str] = []
        move = (
            f"see `rollback doctor`: plan again when slot {target.slot} can be read"
            if target.unread
            else "plan again when every instance of the slot serves the release"
        )
        for way in self.surface.ways if chosen == "auto" else (chosen,):
            if why := unavailable(target, way):
                tried.append(f"{way}: {why}")
            elif way == "artifact" and chosen == "auto":
                tried.append(
                    "artifact: possible, but it overwrites what the slot holds and starts the "
                    "release anew, so a person chooses it"
                )
                move = "fill the slot with the retained artifact by digest: --set way=artifact"
            else:
                return self.taken(target, way)
        return self.refused(
            "revert.no-way", f"no way back to {self.build} is open: {'; '.join(tried)}", move
        )

    def taken(self, target: Target, way: str) -> ActionPlan:
        """The changes of a way; those that start a second trading loop need a person's word."""
        changes = changes_by(target, way)
        loops = None
        if self.surface.carries_authority and way != "image":
            starts = any(isinstance(one, Update) and one.starts_build for one in changes)
            loops = judge_loops(target, starts=starts)
        self.findings.extend(shown(target, changes, loops))
        if loops is not None and not loops.prevented:
            changes = [
                one.model_copy(update={"word": TRADING_HALTED}) if isinstance(one, Update) else one
                for one in changes
            ]
        return self.made(changes, way)

    def already(self, silent: tuple[str, ...]) -> ActionPlan:
        """Reverted before, by us or by somebody: nothing is sent."""
        text = f"every instance of production serves {self.build} already"
        if silent:
            text = f"every instance of production that answers serves {self.build} already"
            self.production_silent(silent)
        return self.made([NoOp(id="revert", resource=self.resource, reason=text)], "none")

    def production_silent(self, silent: tuple[str, ...]) -> None:
        """A reviewer has to know that what production serves is not proved."""
        seen = self.world.find(self.resource)
        gaps = "; ".join(() if seen is None else seen.gaps) or "nobody looked"
        many = f"{len(silent)} instances of" if self.live else "no instance of"
        said = "do not say" if self.live else "says"
        self.findings.append(
            Finding(
                weight="unknown",
                code="production.silent",
                surface=self.name,
                text=f"{many} production {said} what is served: {gaps}",
            )
        )

    def refused(self, code: str, reason: str, move: str) -> ActionPlan:
        """No way: with the next possible move."""
        one = RefusedChange(
            id="revert", resource=self.resource, code=code, reason=reason, next_move=move
        )
        return self.made([one], "none")

    def made(self, changes: list[Change], way: str) -> ActionPlan:
        """The action plan over these changes."""
        updates = [one for one in changes if isinstance(one, Update)]
        moved = any(one.moves_users for one in updates)
        # Judged with nobody there; where somebody is led there, what they will meet was judged too.
        alone = any(one.id in THROUGH_SLOT for one in updates) and not users_led(
            self.world, self.name, self.surface
        )
        left = Exposure(
            surface=self.name, who="open web sockets and cached pages", until_s=SOCKETS_S
        )
        return ActionPlan(
            changes=tuple(changes),
            findings=tuple(self.findings),
            exposures=(left,) if moved else (),
            summaries=(
                Summary(
                    surface=self.name,
                    from_build=", ".join(self.live) or None,
                    to_build=self.build or None,
                    way=way,
                    identified_by=self.how,
                ),
            ),
            duration_s_max=sum(one.settle_s_max for one in updates),
            not_held=() if alone else (led_resource(self.name, self.surface),),
        )


def _look_at_swap(step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
    environment, name = step.environment, _name(step)
    surface = environment.surface(name)
    arm = clients.arm()
    location = str(fact(performed, "location") or "")
    ended = bool(location)  # looked at further only once it has
    message = str(fact(performed, "message") or "")
    if location:
        operation = arm.operation(location)
        if operation.state is OperationState.RUNNING:
            # Its end is waited for; reading slots and asking instances would tell nothing more.
            kept = facts(location=operation.location or location, message=message, quiet_since="")
            return Look(None, "operation swap is in progress", kept)
        location = ""
        if operation.state is OperationState.FAILED:
            message = operation.message or "the operation failed"
    slots = (PRODUCTION, str(fact(change.after, "slot")))

    def viewed() -> tuple[SlotView, ...]:
        refs = [reference(environment, surface, one) for one in slots]
        return clients.together([partial(arm.slot, ref) for ref in refs])

    def serving() -> tuple[Serving, ...]:
        return clients.together([partial(served, environment, name, one, clients) for one in slots])

    if ended:  # no operation is to be expected: everything at once
        views, serves = both(clients.together, viewed, serving)
    else:
        views, serves = viewed(), ()
    busy = tuple(dict.fromkeys(view.operation for view in views if view.operation))
    if busy:
        serves = (Serving(), Serving())  # as above
    production, other = serves or serving()
    reading = SwapReading(
        operations=busy,
        swap_at=views[0].swap_at,
        production=production,
        slot=other,
        message=message,
    )
    judged = judge_swap(
        reading,
        to_build=change.to_build or "",
        swap_at_before=str(fact(change.before, "swap_at") or ""),
        now=clients.now(),
        quiet_since=str(fact(performed, "quiet_since") or ""),
        quiet_s=environment.policy.quiet_s,
    )
    kept = facts(location=location, message=message, quiet_since=judged.quiet_since)
    outcomes = {True: Outcome.APPLIED, False: Outcome.NOT_APPLIED, None: None}
    return Look(outcomes[judged.applied], judged.reason, kept)
