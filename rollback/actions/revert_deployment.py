"""revert_deployment: make the named stable release the deployed one (row A2).

Addressed by release identity, never by a blind toggle: a swap is sent once, and after a lost answer
the world is read (operation in progress, swap timestamp, build of every instance), not resent.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rollback.actions.halt_rollout import builds_of
from rollback.actions.revert_ways import Target, changes_by, unavailable
from rollback.actions.surfaces import PRODUCTION, observe_surface, probes, reference
from rollback.errors import ConnectorError
from rollback.model.base import facts, rfc3339
from rollback.model.change import Change, Finding, NoOp, RefusedChange, Update
from rollback.model.plan import Exposure, Summary
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import RevertDeployment
from rollback.model.views import OperationState
from rollback.planning.refusals import refuse_release

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Surface
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

SAFE_LOOPS = frozenset({"", "none", "leader-lease", "sticky-off"})
"""Trading-loop modes of a warming slot that cannot trade beside production."""


class RevertDeploymentAction:
    """See the module."""

    name = "revert_deployment"
    spec: type[StepSpec] = RevertDeployment

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Slots, settings difference, rules and history of the step's surface."""
        return observe_surface(step, _name(step), clients)

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """The first way back that is open, or every reason why none is."""
        name = _name(step)
        surface = step.environment.surface(name)
        production = builds_of(world, name, PRODUCTION)
        build, how, findings = _target(step, world, name, surface)
        bad = ", ".join(production) or None

        def made(changes: list[Change], way: str, *exposures: Exposure) -> ActionPlan:
            duration = sum(
                one.settle_s_max for one in changes if isinstance(one, Update)
            )
            return ActionPlan(
                tuple(changes),
                tuple(findings),
                exposures,
                (
                    Summary(
                        surface=name,
                        from_build=bad,
                        to_build=build or None,
                        way=way,
                        identified_by=how,
                    ),
                ),
                duration,
            )

        def refused(code: str, reason: str, move: str) -> ActionPlan:
            one = RefusedChange(
                id="revert",
                resource=f"{name}/slot/{PRODUCTION}",
                code=code,
                reason=reason,
                next_move=move,
            )
            return made([one], "none")

        if not build:
            return refused(
                "release.no-last-stable",
                f"no last stable release of {name} is known: {how}",
                "name one with --set to=BUILD",
            )
        if production == (build,):
            text = f"every instance of production serves {build} already"
            return made(
                [NoOp(id="revert", resource=f"{name}/slot/{PRODUCTION}", reason=text)],
                "none",
            )
        if not production:
            gaps = "; ".join(
                getattr(world.find(f"{name}/slot/{PRODUCTION}"), "gaps", ())
            )
            findings.append(
                Finding(
                    weight="unknown",
                    code="production.silent",
                    surface=name,
                    text=f"no instance of production says what it serves: {gaps}",
                )
            )
        refusal, more = refuse_release(name, surface, build, world)
        findings.extend(more)
        if refusal is not None:
            return made([refusal], "none")
        target = Target(step, name, surface, world, build)
        chosen = str(getattr(step.spec, "way", "auto"))
        ways = surface.ways if chosen == "auto" else (chosen,)
        tried: list[str] = []
        for way in ways:
            why = unavailable(target, way)
            if why:
                tried.append(f"{way}: {why}")
                continue
            if way == "artifact" and chosen == "auto":
                tried.append(
                    "artifact: possible, and starts the release anew; a person chooses it"
                )
                continue
            findings.extend(_shown(target))
            sockets = Exposure(
                surface=name, who="open web sockets and cached pages", until_s=3600
            )
            return made(changes_by(target, way), way, sockets)
        entry = surface.release(build)
        move = "plan again when the slot holds the release"
        if entry is not None and entry.image is not None:
            move = "choose to fill the slot with the retained artifact by digest: --set way=artifact"
        return refused(
            "revert.no-way", f"no way back to {build} is open: {'; '.join(tried)}", move
        )

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Send the one write of this change."""
        environment = step.environment
        surface = environment.surface(_name(step))
        slot = reference(environment, surface, str(_fact(change.after, "slot")))
        match change.id:
            case "swap":
                return Performed(facts(location=clients.arm().swap(slot, PRODUCTION)))
            case "start":
                clients.arm().start(slot)
            case _:
                clients.arm().set_image(slot, str(_fact(change.after, "image")))
        return Performed()

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """Read the operation, the slot and every instance; never decide by one signal."""
        location = str(_fact(performed, "location") or "")
        message = ""
        if location:
            operation = clients.arm().operation(location)
            if operation.state is OperationState.RUNNING:
                return Look(
                    None,
                    "the operation runs",
                    facts(location=operation.location or location),
                )
            message = (
                operation.message if operation.state is OperationState.FAILED else ""
            )
        environment = step.environment
        name = _name(step)
        surface = environment.surface(name)
        slot = PRODUCTION if change.id == "swap" else str(_fact(change.after, "slot"))
        view = clients.arm().slot(reference(environment, surface, slot))
        if view.operation:
            return Look(None, f"operation {view.operation} is in progress")
        served = _served(step, slot, clients)
        wanted = _fact(change.after, "builds" if change.id == "swap" else "slot_builds")
        if change.id == "swap":
            wanted = (change.to_build,)
        if served == wanted:
            return Look(
                Outcome.APPLIED, f"every instance of {slot} serves {', '.join(served)}"
            )
        unchanged = served == _fact(
            change.before, "builds" if change.id == "swap" else "slot_builds"
        )
        if change.id == "swap" and view.swap_at != str(
            _fact(change.before, "swap_at") or ""
        ):
            unchanged = False
        if not unchanged or change.absolute:
            return Look(None, f"{slot} serves {', '.join(served) or 'nothing'} so far")
        return _quiet(environment.policy.quiet_s, clients, performed, message)

    def verify(
        self, step: StepContext, planned: PlannedStep, clients: Clients
    ) -> Verification:
        """Every listed instance of production serves the release the plan names."""
        updates = [
            one
            for one in planned.changes
            if isinstance(one, Update) and one.moves_users
        ]
        if not updates:
            return Verification()
        served = _served(step, PRODUCTION, clients)
        wanted = (updates[-1].to_build,)
        seen = f"production serves {', '.join(served) or 'nothing'}"
        return Verification((Check("build of every instance", served == wanted, seen),))


def _name(step: StepContext) -> str:
    return step.surface or str(getattr(step.spec, "surfaces", ("",))[0])


def _fact(held: Facts, name: str) -> object:
    return next((fact.value for fact in held if fact.name == name), None)


def _served(step: StepContext, slot: str, clients: Clients) -> tuple[str, ...]:
    """Distinct builds of all listed instances; empty unless every one of them answered."""
    try:
        answered = probes(step.environment, _name(step), slot, clients, fresh=True)
    except ConnectorError:
        return ()
    if any(not one.answered for one in answered):
        return ()
    return tuple(sorted({one.build for one in answered}))


def _quiet(quiet_s: int, clients: Clients, performed: Facts, message: str) -> Look:
    """Not applied only after nothing moved for a quiet period; the first look starts it."""
    since = str(_fact(performed, "quiet_since") or "")
    now = clients.now()
    kept = facts(quiet_since=since or rfc3339(now))
    if not since or (now - datetime.fromisoformat(since)).total_seconds() < quiet_s:
        return Look(None, "nothing moved so far", kept)
    why = (
        message
        or f"nothing moved for {quiet_s} s: no operation, same swap time, same builds"
    )
    return Look(Outcome.NOT_APPLIED, why, kept)


def _target(
    step: StepContext, world: World, name: str, surface: Surface
) -> tuple[str, str, list[Finding]]:
    """(build, how it was identified, what is weak about that)."""
    wanted = str(getattr(step.spec, "to", "last-stable"))
    if wanted != "last-stable":
        return wanted, "named by the planner (--set to)", []
    history = world.get(f"{name}/history", "last_stable", "")
    since = world.get(f"{name}/history", "last_stable_since", "")
    declared = surface.last_stable
    if not history:
        if declared is None:
            return "", "history is silent and the environment file names none", []
        weak = Finding(
            weight="weak",
            code="release.by-file-only",
            surface=name,
            text=f"the history of {name} does not say what was stable; {declared} is from the "
            "environment file alone",
        )
        return declared, "environment file alone", [weak]
    how = f"history: served production from {since} ({world.get(f'{name}/history', 'last_stable_by')})"
    if declared is not None and declared != history:
        weak = Finding(
            weight="unknown",
            code="release.disagreement",
            surface=name,
            text=f"history says {history} was last stable on {name} (from {since}), the "
            f"environment file says {declared}; the plan follows history",
        )
        return str(history), how, [weak]
    return str(history), how, []


def _shown(target: Target) -> list[Finding]:
    """What a reviewer must see of the slot that is about to take traffic."""
    found: list[Finding] = []
    path = str(target.fact(target.slot, "warmup_path") or "")
    statuses = str(target.fact(target.slot, "warmup_statuses") or "")
    if not path or not statuses:
        found.append(
            Finding(
                weight="weak",
                code="swap.warm-up-any-status",
                surface=target.name,
                text="warm-up accepts any HTTP status, 500 included: "
                "WEBSITE_SWAP_WARMUP_PING_PATH and _STATUSES are not set",
            )
        )
    if operation := str(target.fact(PRODUCTION, "operation") or ""):
        found.append(
            Finding(
                weight="note",
                code="provider.busy",
                surface=target.name,
                text=f"operation {operation} is in progress; the run waits for it, bounded",
            )
        )
    loops = target.fact(target.slot, "trading_loop")
    risky = [
        str(one)
        for one in (loops if isinstance(loops, tuple) else ())
        if one not in SAFE_LOOPS
    ]
    if target.surface.carries_authority and risky:
        orders = target.world.get("control/orders", "count")
        found.append(
            Finding(
                weight="irreversible",
                code="trading.two-loops",
                surface=target.name,
                text=f"the slot can trade while production does ({', '.join(risky)}): two trading "
                f"loops may be alive at once; open orders now: {orders if orders is not None else 'unknown'}",
            )
        )
    return found
