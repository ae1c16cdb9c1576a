"""hold_release: mark the release that is rolled back as bad, so that nobody brings it back unseen.

A hold moves toward safety and waits for nothing. It is kept beside the evidence and in the journal,
never in Cosmos. Where the store fails, the local spool counts as written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.actions.seen import fact, one_build
from rollback.actions.surfaces import observe_surface, observe_surfaces
from rollback.errors import ConnectorError
from rollback.evidence.holds import (
    NUMBER_MAX,
    hold_document,
    hold_effects,
    read_holds,
    write_hold,
)
from rollback.model.base import facts
from rollback.model.change import Change, Finding, NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.observation import Observation, Prediction
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.release import is_build
from rollback.model.slots import PRODUCTION
from rollback.model.steps import HoldRelease, ReleaseHold

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.observation import World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

AROUND = frozenset({"history", "holds"})
_SECONDS_MAX = 60


class HoldReleaseAction:
    """See the module."""

    name = "hold_release"
    spec: type[StepSpec] = HoldRelease

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """What production serves, which release was last stable, and what is on hold already."""
        return tuple(
            seen
            for around in observe_surfaces(step, _surfaces(step), clients, AROUND)
            for seen in (around, *_each_hold(around))
        )

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One hold a surface that serves another release than the last stable one."""
        changes = tuple(_hold(step, world, name) for name in _surfaces(step))
        return ActionPlan(changes=changes, duration_s_max=_SECONDS_MAX)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """A resource that no other step reads: a hold that fails must not keep users back."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Write it."""
        return write_word(step, change, clients, held=True)

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Whether it stands in the store, or was taken by the local spool."""
        spooled = fact(performed, "spooled")
        if spooled is True:
            return Look(Outcome.APPLIED, "kept in the local spool: the store did not take it")
        if spooled is False:
            return Look(Outcome.APPLIED, "the store took it")
        return look_at(step, change, clients, held=True)

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """What the outcome says was looked at already."""
        del step, planned, clients
        return Verification()


class ReleaseHoldAction:
    """release_hold: a release may be restored again. Moves away from safety."""

    name = "release_hold"
    spec: type[StepSpec] = ReleaseHold

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """What is on hold."""
        surface, _ = _named(step)
        return observe_surface(step, surface, clients, frozenset({"holds"}))

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One word; nothing where it is not on hold."""
        surface, build = _named(step)
        resource = f"{surface}/holds"
        seen = world.find(resource)
        if seen is None:
            return ActionPlan((_unread(resource, world.find(f"{resource}-unread")),))
        here = _texts(world.get(f"{resource}-here", "on_hold"))
        number = max(
            _numbers(world, resource).get(build, 0),
            _numbers(world, f"{resource}-here").get(build, 0),
        )
        if build not in (*_texts(seen.get("on_hold")), *here):
            reason = f"{build} of {surface} is not on hold in the store"
            return ActionPlan((NoOp(id="release", resource=resource, reason=reason),))
        by = getattr(step.spec, "number", None)
        if by is not None and by != number:
            again = RefusedChange(
                id="release",
                resource=resource,
                code="hold.newer",
                reason=f"{build} of {surface} was put on hold again since, by somebody else",
                next_move=f"ask who holds it; `rollback hold release {surface} {build}` plans that",
            )
            return ActionPlan((again,))
        if number >= NUMBER_MAX:  # nobody comes here by one hold after the other
            full = RefusedChange(
                id="release",
                resource=resource,
                code="hold.numbers",
                reason=f"the hold on {build} of {surface} has the last number there is, "
                f"{NUMBER_MAX}: no word can stand after it",
                next_move="find out who wrote it, and have that object removed from the evidence "
                "store by hand",
            )
            return ActionPlan((full,))
        freed = Prediction(
            resource=f"{resource}-here", compared=facts(on_hold=_without(here, build))
        )
        change = Update(
            id="release",
            resource=resource,
            summary=f"release the hold on {build} of {surface}: it may be restored again",
            before=facts(held=True, number=number),
            after=facts(build=build, held=False, number=number + 1),
            effects=hold_effects(
                step.environment,
                id=f"{step.name}#release",
                surface=surface,
                build=build,
                number=number + 1,
                held=False,
            ),
            direction=Direction.AWAY,
            surface=surface,
            predicts=(
                Prediction(
                    resource=resource,
                    compared=facts(
                        on_hold=_without(seen.get("on_hold"), build),
                        others=_without(seen.get("others"), build),
                    ),
                ),
                *((freed,) if build in here else ()),
            ),
        )
        marked = Finding(
            weight="weak",
            code="hold.released",
            text=f"{build} of {surface} is on hold: a rollback marked it bad, and this plan takes "
            "that back; who signs knows why it is no longer bad",
            surface=surface,
        )
        return ActionPlan((change,), findings=(marked,), duration_s_max=_SECONDS_MAX)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares: an undo brings the release back after it."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Write it."""
        return write_word(step, change, clients, held=False)

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Whether the release stands."""
        del performed
        return look_at(step, change, clients, held=False)

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """It is not on hold any more."""
        surface, build = _named(step)
        if not any(isinstance(change, Update) for change in planned.changes):
            return Verification()
        held = any(
            one.held and (one.surface, one.build) == (surface, build)
            for one in read_holds(step.environment, clients)
        )
        return Verification((Check("the hold", not held, "on hold" if held else "released"),))


def write_word(step: StepContext, change: Update, clients: Clients, *, held: bool) -> Performed:
    """Write one word about one release. Raises ConnectorError where nothing took it."""
    number = int(str(fact(change.after, "number")))
    data = hold_document(
        surface=change.surface or "",
        build=str(fact(change.after, "build")),
        number=number,
        held=held,
        run=clients.scope.run,
        incident=step.incident or "",
        at=clients.now(),
    )
    spooled = write_hold(step.environment, clients, change.effects, number, data)
    return Performed(facts(spooled=spooled))


def look_at(step: StepContext, change: Update, clients: Clients, *, held: bool) -> Look:
    """What stands in the store now."""
    wanted = (change.surface, str(fact(change.after, "build")))
    try:
        found = read_holds(step.environment, clients)
    except ConnectorError as error:
        return Look(Outcome.UNKNOWN, f"holds cannot be read: {error.reason}")
    now = next((one for one in found if (one.surface, one.build) == wanted), None)
    if now is not None and now.held == held:
        return Look(Outcome.APPLIED, "it stands in the store")
    return Look(Outcome.NOT_APPLIED, "the store does not say so")


def _hold(step: StepContext, world: World, name: str) -> Change:
    resource = f"{name}/holds"
    surface = step.environment.surface(name)
    live = one_build(world, name, PRODUCTION)
    stable = str(world.get(f"{name}/history", "last_stable") or surface.last_stable or "")
    change_id = f"hold-{name}"
    if not live or not stable:
        why = "what production serves" if not live else f"the last stable release of {name}"
        reason = f"{why} is not known, so no release is marked bad"
        return NoOp(id=change_id, resource=resource, reason=reason)
    if live == stable:
        reason = f"production serves the stable {stable}"
        return NoOp(id=change_id, resource=resource, reason=reason)
    if not is_build(live):
        reason = f"{live} is no id that a hold can be kept by, so no release is marked bad"
        return NoOp(id=change_id, resource=resource, reason=reason)
    if live in _texts(world.get(resource, "on_hold")):
        return NoOp(id=change_id, resource=resource, reason=f"{live} is on hold already")
    number = min(_numbers(world, resource).get(live, 0) + 1, NUMBER_MAX)
    effects = hold_effects(
        step.environment,
        id=f"{step.name}#{change_id}",
        surface=name,
        build=live,
        number=number,
        held=True,
        evidence_path=step.evidence_path,
    )
    if not effects:
        reason = "the environment has no evidence store to keep a hold in"
        return NoOp(id=change_id, resource=resource, reason=reason)
    return Update(
        id=change_id,
        resource=resource,
        summary=f"put {live} of {name} on hold: it is not restored, and seen again it is an alarm",
        before=facts(held=False),
        after=facts(build=live, held=True, number=number),
        effects=effects,
        direction=Direction.TOWARD,
        surface=name,
        settle_s_max=0,
        predicts=(Prediction(resource=f"{name}/hold/{live}", compared=facts(held=True)),),
    )


def _each_hold(holds: Observation) -> tuple[Observation, ...]:
    """Each release on hold as a resource of its own: made meanwhile by another run, it is made."""
    name, _, kind = holds.resource.partition("/")
    if kind != "holds":
        return ()
    return tuple(
        Observation(resource=f"{name}/hold/{build}", compared=facts(held=True), at=holds.at)
        for build in _texts(holds.get("on_hold"))
    )


def _surfaces(step: StepContext) -> tuple[str, ...]:
    wanted = step.spec.surfaces_named
    known = step.environment
    return tuple(name for name in wanted if known.surface(name).provider == "app-service")


def _named(step: StepContext) -> tuple[str, str]:
    return str(getattr(step.spec, "surface", "")), str(getattr(step.spec, "build", ""))


def _numbers(world: World, resource: str) -> dict[str, int]:
    pairs = (one.rpartition("=") for one in _texts(world.get(resource, "numbers")))
    return {build: int(number) for build, _, number in pairs}


def _without(value: object, build: str) -> tuple[str, ...]:
    return tuple(one for one in _texts(value) if one != build)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, tuple) else ()


def _unread(resource: str, seen: Observation | None) -> RefusedChange:
    return RefusedChange(
        id="release",
        resource=resource,
        code="hold.unreadable",
        reason="; ".join(("holds cannot be read", *(() if seen is None else seen.gaps))),
        next_move="mend the evidence store, then plan again",
        promise="fail-closed",
    )
