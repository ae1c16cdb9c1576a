"""Who holds what, and giving up somebody's lease: read, explained, and released by a plan.

A holder in the middle of its moves is never released from here: two writers could be on record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rollback.errors import ConnectorError, LeaseHeld
from rollback.guard.rules.perimeter import store_place
from rollback.model.base import facts
from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.direction import Direction, Undo
from rollback.model.durations import spoken
from rollback.model.effect import BoundedBody, HttpWrite, Purpose
from rollback.model.environment import BlobStore, FolderLease, S3Store
from rollback.model.observation import Observation
from rollback.model.ports import ActionPlan, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import ReleaseLease
from rollback.running.lease.document import DOCUMENT_BYTES_MAX, file_name
from rollback.running.lease.folder import FolderPlace
from rollback.running.lease.objects import ObjectPlace
from rollback.running.lease.scoped import MARGIN_S, Changed, Found, Place

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.base import Facts
    from rollback.model.environment import Environment
    from rollback.model.observation import Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, Clock, StepContext
    from rollback.model.steps import StepSpec

Standing = Literal["free", "observing", "moving", "ran-out", "unreadable"]


@dataclass(frozen=True, slots=True)
class LeaseShown:
    """One surface's lease, explained. age_s: since its holder last wrote, as well as is known.

    also: the other surfaces that the same holder holds: a run takes what it changes all or none,
    and loses all with one.
    """

    surface: str
    scope: str
    standing: Standing
    holder: str
    doing: str
    fence: int
    age_s: int
    ttl_s: int
    next_move: str
    also: tuple[str, ...] = ()


def scope_of(environment: Environment, surface: str) -> str:
    """The lease's scope of a surface."""
    return f"{environment.environment}/{surface}"


def place_of(
    environment: Environment,
    leases: Path,
    clock: Clock,
    clients: Clients,
    effect: HttpWrite | None = None,
) -> Place:
    """Where leases are. leases: this machine's own; effect: the permission to replace one."""
    named = environment.lease.store
    if isinstance(named, FolderLease):
        folder = leases if named.path is None else Path(environment.base) / named.path
        return FolderPlace(folder, clock)
    permission = effect or _replace_effect(environment, "show", "none")
    return ObjectPlace(clients.objects(), named.prefix, create=permission, replace=permission)


def shown(environment: Environment, surface: str, place: Place, now: datetime) -> LeaseShown:
    """Who holds a surface's lease, what they do, how old that is, and the next safe move."""
    scope = scope_of(environment, surface)
    try:
        found = place.read(scope)
    except LeaseHeld as error:
        return LeaseShown(surface, scope, "unreadable", "", "", 0, 0, 0, error.hint)
    if found is None or not found.document.held:
        fence = 0 if found is None else found.document.fence
        move = "nothing: whoever applies a plan takes it"
        return LeaseShown(surface, scope, "free", "", "", fence, 0, 0, move)
    document = found.document
    age = document.age_s(now) if found.age_s is None else found.age_s
    standing = _standing(found)
    return LeaseShown(
        surface,
        scope,
        standing,
        document.holder,
        document.doing,
        document.fence,
        age,
        document.ttl_s,
        _move(standing, document.holder, document.ttl_s + MARGIN_S - age),
    )


def all_shown(environment: Environment, place: Place, now: datetime) -> tuple[LeaseShown, ...]:
    """Each surface's lease, and what its holder holds besides. Raises ConnectorError."""
    found = [shown(environment, name, place, now) for name in environment.surface_names]
    return tuple(
        replace(
            one,
            also=tuple(
                other.surface
                for other in found
                if one.holder and other.holder == one.holder and other.surface != one.surface
            ),
        )
        for one in found
    )


def _standing(found: Found) -> Standing:
    """As a taker would judge it (L2, L3); where no clock tells its age, it counts as alive."""
    document = found.document
    if found.age_s is not None and found.age_s > document.ttl_s + MARGIN_S:
        return "ran-out"
    return "observing" if document.observing else "moving"


def _move(standing: Standing, holder: str, left_s: int) -> str:
    run = holder.partition(" ")[0]
    if standing == "ran-out":
        return (
            f"`rollback resume {run}`, or apply a new plan: either takes the lease, and looks at "
            "its targets first"
        )
    if standing == "observing":
        return (
            "apply your plan: it preempts a holder that only observes; or `rollback lease "
            "release`, which gives up all that it holds"
        )
    return (
        f"wait: it is in the middle of its moves. If it died, its lease can be taken in about "
        f"{spoken(max(0, left_s))}. Halts need no lease: `rollback apply --only-safe`"
    )


class ReleaseLeaseAction:
    """release_lease: give up a lease that ran out, or whose holder only observes."""

    name = "release_lease"
    spec: type[StepSpec] = ReleaseLease

    def __init__(self, leases: Path, clock: Clock) -> None:
        """leases: the folder of this machine's leases."""
        self._leases = leases
        self._clock = clock

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Who holds it."""
        environment, surface = step.environment, _surface(step)
        resource = f"{surface}/lease"
        try:
            place = place_of(environment, self._leases, self._clock, clients)
            seen = shown(environment, surface, place, clients.now())
        except ConnectorError as error:
            return (Observation(resource=resource, at=clients.now(), gaps=(error.reason,)),)
        return (
            Observation(
                resource=resource,
                compared=facts(fence=seen.fence, holder=seen.holder, standing=seen.standing),
                context=facts(age_s=seen.age_s, doing=seen.doing, next_move=seen.next_move),
                where="the lease store",
                at=clients.now(),
            ),
        )

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """One write; nothing where nobody holds it; refused where the holder is moving users."""
        environment, surface = step.environment, _surface(step)
        resource = f"{surface}/lease"
        seen = world.find(resource)
        standing = "" if seen is None else str(seen.get("standing") or "")
        if seen is None or standing in {"", "unreadable"}:
            gaps = () if seen is None else seen.gaps
            reason = "; ".join(("the lease cannot be read", *gaps))
            told = None if seen is None else seen.get("next_move")
            move = str(told or "mend the store")
            return ActionPlan((_refused(resource, "lease.unreadable", reason, move),))
        holder, doing = str(seen.get("holder")), str(seen.get("doing"))
        if standing == "free":
            return ActionPlan(
                (NoOp(id="release", resource=resource, reason=f"nobody holds {surface}"),)
            )
        if standing == "moving":
            reason = f"{holder} holds {surface} and is in the middle of its moves ({doing})"
            move = str(seen.get("next_move"))
            return ActionPlan((_refused(resource, "lease.held", reason, move),))
        why = "ran out" if standing == "ran-out" else f"only observes ({doing})"
        shared = not isinstance(environment.lease.store, FolderLease)
        effect = (
            _replace_effect(
                environment, f"{step.name}#release", file_name(scope_of(environment, surface))
            )
            if shared
            else None
        )
        change = Update(
            id="release",
            resource=resource,
            summary=f"give up the lease on {surface} of {holder}, which {why}",
            before=facts(fence=int(str(seen.get("fence"))), held=True, holder=holder),
            after=facts(held=False),
            effects=() if effect is None else (effect,),
            direction=Direction.NEITHER,
            surface=surface,
            settle_s_max=0,
        )
        return ActionPlan((change,), duration_s_max=60)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Nothing that a later step stands on."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Write over exactly what was planned for. Raises ConnectorError where it changed."""
        effect = next((one for one in change.effects if isinstance(one, HttpWrite)), None)
        place = place_of(step.environment, self._leases, self._clock, clients, effect)
        found = place.read(scope_of(step.environment, _surface(step)))
        before = {fact.name: fact.value for fact in change.before}
        if (
            found is None
            or (found.document.holder, found.document.fence) != (before["holder"], before["fence"])
            or _standing(found) == "moving"
        ):
            raise ConnectorError("lease.changed", "the lease is another one now", transient=False)
        given = found.document.model_copy(update={"held": False, "doing": "released by a person"})
        try:
            place.write(given, found.version)
        except Changed as error:
            raise ConnectorError(
                "lease.changed", "its holder wrote at the same time", transient=False
            ) from error
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Whether nobody holds it now."""
        del change, performed
        place = place_of(step.environment, self._leases, self._clock, clients)
        found = place.read(scope_of(step.environment, _surface(step)))
        if found is None or not found.document.held:
            return Look(Outcome.APPLIED, "nobody holds it")
        return Look(Outcome.NOT_APPLIED, f"{found.document.holder} holds it")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Somebody may have taken it since; that is fine."""
        del step, planned, clients
        return Verification()


def _surface(step: StepContext) -> str:
    return str(getattr(step.spec, "surface", ""))


def _refused(resource: str, code: str, reason: str, move: str) -> RefusedChange:
    return RefusedChange(
        id="release", resource=resource, code=code, reason=reason, next_move=move,
        promise="same-plan-twice-is-once",
    )  # fmt: skip


def _replace_effect(environment: Environment, id: str, file: str) -> HttpWrite:
    store, lease = environment.evidence.store, environment.lease.store
    if isinstance(lease, FolderLease) or not isinstance(store, S3Store | BlobStore):
        raise ConnectorError("lease.store", "no shared store is configured", transient=False)
    host, root = store_place(store)
    return HttpWrite(
        id=id,
        method="PUT",
        host=host,
        path=f"{root}{lease.prefix}{file}",
        body=BoundedBody(bytes_max=DOCUMENT_BYTES_MAX),
        condition="if-match",
        direction=Direction.NEITHER,
        purpose=Purpose.LEASE,
        undo=Undo(possible=True, by="taking the lease again"),
        says=f"give up the lease {file}",
    )
