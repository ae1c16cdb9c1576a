"""One step planned against the folded world, judged, and folded in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from rollback.errors import InputError, ProductDefect, Refused
from rollback.guard.rules.directions import judge_direction
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.request import NO_REWRITE
from rollback.model.base import BLOT
from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.effect import ExactBody, HttpWrite, Purpose, returns_max
from rollback.model.observation import Observation, World
from rollback.model.plan import PlannedStep
from rollback.model.ports import ActionPlan, StepContext
from rollback.model.scope import VerdictKind
from rollback.planning.defects import (
    as_planned,
    as_predicted,
    code_of,
    defects_seen,
    refused_for,
    said_of,
)
from rollback.planning.folded import Folded, fold_change
from rollback.planning.moves import judge_move

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from rollback.model.base import Value
    from rollback.model.change import Change, Finding
    from rollback.model.effect import Effect
    from rollback.model.environment import Environment
    from rollback.model.plan import Exposure, Summary
    from rollback.model.ports import Action, Catalogue
    from rollback.planning.order import OrderedStep


class StepPlanner:
    """Plans steps one after the other. Holds what was planned so far; used once per draft."""

    def __init__(
        self,
        *,
        environment: Environment,
        catalogue: Catalogue,
        observed: Mapping[str, tuple[Observation, ...]],
        observations: tuple[Observation, ...],
        created: datetime,
        incident: str | None,
        trigger: str | None,
        evidence_path: str,
    ) -> None:
        self._environment = environment
        self._perimeter = perimeter_of(environment)
        self._catalogue = catalogue
        self._observed = observed
        self._seen = World(observations=observations)
        self._created = created
        self._incident = incident
        self._trigger = trigger
        self._evidence_path = evidence_path
        self._planned: list[PlannedStep] = []
        self._folded = Folded(self._seen, environment)
        self._findings: list[Finding] = []
        self._exposures: list[Exposure] = []
        self._summaries: list[Summary] = []
        self._failed_to_look = defects_seen(observations)
        self._bare: dict[int, tuple[Observation, Observation]] = {}

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """The steps planned so far."""
        return tuple(self._planned)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a reviewer must see, each thing once."""
        return tuple(dict.fromkeys(self._findings))

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """Who stays exposed, each once."""
        return tuple(dict.fromkeys(self._exposures))

    @property
    def summaries(self) -> tuple[Summary, ...]:
        """From which release to which, per surface."""
        return tuple(dict.fromkeys(self._summaries))

    def add(self, step: OrderedStep) -> None:
        """Plan one step. Its world is what was seen, folded with what surely comes before it."""
        action = self._catalogue.find(step.spec.action)
        if action is None:
            raise ProductDefect(
                "plan.no-action",
                f"no action named {step.spec.action} is in the catalogue",
            )
        resources = tuple(one.resource for one in self._observed.get(step.name, ()))
        after = self._folded.begin(step.name, step.after, resources)
        world = self._folded.world_before(step.name)
        context = StepContext(
            name=step.name,
            spec=step.spec,
            environment=self._environment,
            surface=step.surface,
            trigger=self._trigger,
            incident=self._incident,
            created=self._created,
            evidence_path=self._evidence_path,
        )
        changes, made = self._planned_by(action, context, world)
        self._findings.extend(made.findings)
        self._exposures.extend(made.exposures)
        self._summaries.extend(made.summaries)
        planned = PlannedStep(
            name=step.name,
            action=step.spec.action,
            spec=step.spec.facts(),
            after=after,
            on_failure=step.on_failure,
            implied=step.implied,
            surface=step.surface,
            changes=changes,
            expects=self._expectations(resources, made.not_held, world),
            duration_s_max=max(0, made.duration_s_max),
        )
        self._planned.append(planned)
        self._folded.end(planned)

    def _planned_by(
        self, action: Action, context: StepContext, world: World
    ) -> tuple[tuple[Change, ...], ActionPlan]:
        """What the action plans, judged; where it fails, its step is refused, and only that."""
        if (failed := self._failed_to_look.get(context.name)) is not None:
            return (refused_for(context.name, *failed),), ActionPlan((), duration_s_max=0)
        found = len(self._findings)
        try:
            made = as_planned(action, _made(action, context, world))
            return self._judged(context, action, made, world), made
        except (InputError, Refused):  # a person's, or the guard's
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a defect withholds no other's halt
            del self._findings[found:]
            refused = refused_for(
                context.name, said_of(action, "planned", error), code_of(error)
            )
            return (refused,), ActionPlan((), duration_s_max=0)

    def _judged(
        self, context: StepContext, action: Action, made: ActionPlan, world: World
    ) -> tuple[Change, ...]:
        out: list[Change] = []
        own: list[Update] = []
        ids: set[str] = set()
        for change in made.changes:
            if change.id in ids:
                raise ProductDefect(
                    "action.duplicate-change",
                    f"action {action.name} made two changes named {change.id} in {context.name}; "
                    "this is a bug in the action",
                )
            ids.add(change.id)
            if isinstance(change, Update):
                predicts = as_predicted(action, action.predict(context, change))
                whole = {"predicts": predicts, "effects": _sent_until_taken(change)}
                judged = self._judge(context.name, change.model_copy(update=whole), world, own)
                out.append(judged)
                if isinstance(judged, Update):
                    world = fold_change(world, judged, self._environment)
                    own.append(judged)
            else:
                out.append(change)
        if any(isinstance(change, RefusedChange) for change in out):
            out = [change for change in out if not _away(change)]
        if not out:
            out = [NoOp(id="none", resource=context.name, reason="nothing to change")]
        return tuple(out)

    def _expectations(
        self, resources: tuple[str, ...], not_held: tuple[str, ...], world: World
    ) -> tuple[Observation, ...]:
        """What of the world is read again, compared facts alone; made once for all steps."""
        expected = []
        for resource in resources:
            seen = world.find(resource)
            if seen is None or not seen.compared or resource in not_held:
                continue
            if id(seen) not in self._bare:
                self._bare[id(seen)] = seen, seen.model_copy(update={"context": (), "gaps": ()})
            expected.append(self._bare[id(seen)][1])
        return tuple(expected)

    def _judge(self, name: str, change: Update, world: World, own: list[Update]) -> Change:
        for effect in change.effects:
            verdict = judge_effect(
                effect, self._perimeter, self._environment, self._evidence_path
            )
            if verdict.kind is not VerdictKind.ALLOW:
                return RefusedChange(
                    id=change.id,
                    resource=change.resource,
                    code=f"guard.{verdict.rule}",
                    reason="; ".join(verdict.reasons),
                    next_move="this write cannot be part of a plan; leave it to a person",
                    promise=verdict.promise or "no-control-plane-rewrite",
                )
        if _writes_blot(change):
            return RefusedChange(
                id=change.id,
                resource=change.resource,
                code="secret.in-the-way",
                reason="what it would write was seen with a secret's value in it, which is blotted",
                next_move="take the secret out of that setting or rule, change it, and plan again",
                promise="no-secret-leaves",
            )
        if (denial := judge_direction(change, self._perimeter)) is not None:
            raise ProductDefect("action.direction", f"{denial.reason}; this is a bug in the action")
        if not change.moves_users:
            return change
        earlier = (*self._folded.updates_before(name), *own)
        made, finding = judge_move(change, world, self._environment, earlier)
        if finding is not None:
            self._findings.append(finding)
        return made


def _sent_until_taken(change: Update) -> tuple[Effect, ...]:
    """Its effects; a halt may be sent again as often as any may, whatever its action asked for.

    An action that says nothing of it would have one lost request end the halt.
    """
    if change.direction is not Direction.TOWARD or not change.absolute:
        return change.effects
    again = {"returns_max": returns_max(Direction.TOWARD)}
    return tuple(
        one.model_copy(update=again)
        if isinstance(one, HttpWrite) and one.purpose is Purpose.CHANGE
        else one
        for one in change.effects
    )


def _made(action: Action, context: StepContext, world: World) -> ActionPlan:
    """What the action plans; an effect that cannot be made for what it names is refused."""
    try:
        return action.plan(context, world)
    except ValidationError as error:
        said = str(error.errors(include_input=False, include_url=False)[0]["msg"])
        if NO_REWRITE not in said:
            raise
        refused = RefusedChange(
            id="forbidden",
            resource=context.name,
            code="guard.effect.control-plane",
            reason=f"action {action.name} would write control-plane state: "
            + said.partition(f"{NO_REWRITE}: ")[2],
            next_move="take the action out of the playbook, and ask who wrote it",
            promise=NO_REWRITE,
        )
        return ActionPlan((refused,))


def _writes_blot(change: Update) -> bool:
    values = [part for fact in change.after for part in _parts(fact.value)]
    values += [part for effect in change.effects for part in _sent(effect)]
    return any(isinstance(value, str) and BLOT in value for value in values)


def _parts(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def _sent(effect: Effect) -> Iterator[str]:
    """What of an effect leaves the process, as far as the plan shows it."""
    yield effect.path
    if isinstance(effect, HttpWrite):
        for pair in effect.query:
            yield from pair
        if isinstance(effect.body, ExactBody):
            yield effect.body.content or ""


def _away(change: Change) -> bool:
    return isinstance(change, Update) and change.direction is Direction.AWAY
