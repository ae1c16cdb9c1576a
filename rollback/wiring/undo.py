"""Undo: a new plan from the values that a run recorded before each change.

It goes through the same guard, proof and approvals as any plan; nothing is changed by making it.
The order: halt authority is proved; holds that the run made are released; ramp-up rules are set
again; users are moved back, the last move first; what the run put into slots, started or stopped is
taken back; auto-swap is switched on again last. What is as recorded already is a no-op.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rollback.errors import InputError, PersonNeeded
from rollback.model.playbook import Parameter, Playbook, Step
from rollback.model.record import RecordKind
from rollback.model.release import is_build
from rollback.model.steps import (
    ReleaseHold,
    RestoreRecorded,
    RestoreTraffic,
    RetainTradeHalt,
    RevertDeployment,
    StepSpec,
    traits_of,
)
from rollback.running.fold import fold
from rollback.running.state import ChangeStatus

if TYPE_CHECKING:
    from rollback.model.base import Facts, Value
    from rollback.model.change import Update
    from rollback.model.environment import Environment
    from rollback.model.plan import Plan
    from rollback.model.record import Record
    from rollback.running.state import RunState

_UNSETTLED = (ChangeStatus.IN_DOUBT, ChangeStatus.UNKNOWN)

What = Literal["rules", "auto-swap", "image", "state"]
_KINDS: tuple[tuple[str, What], ...] = (
    ("rules", "rules"),
    ("auto_swap", "auto-swap"),
    ("state", "state"),
    ("image", "image"),
)
"""Which fact of a change's before and after says what."""


@dataclass
class _Restored:
    """One thing of one place: as before the run's first change of it, and as its last left it."""

    surface: str
    what: What
    slot: str
    value: tuple[str, ...]
    left: tuple[str, ...]


@dataclass
class _Undone:
    """What a run changed, by what takes it back."""

    holds: list[ReleaseHold] = field(default_factory=list)
    things: dict[tuple[str, str, str], _Restored] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def of(self, what: What) -> list[_Restored]:
        """Things of one kind."""
        return [one for one in self.things.values() if one.what == what]


def undo_playbook(plan: Plan, run: str, records: tuple[Record, ...]) -> Playbook:
    """Steps that take back what a run changed. records: whole, and of this plan.

    Raises InputError where it changed nothing that a plan can take back, PersonNeeded where nobody
    knows yet what became of a write of it.
    """
    undone = _undone(plan, run, records)
    if not (undone.holds or undone.things or undone.moves):
        raise InputError(
            "undo.nothing",
            f"run {run} changed nothing that a plan can take back",
            hint="left as it is: " + ("; ".join(undone.left) or "nothing was changed"),
        )
    chain = _Chain()
    chain.add("authority", RetainTradeHalt())
    for hold in undone.holds:
        chain.add(f"release-hold-{hold.surface}", hold)
    chain.restore(undone.of("rules"), run)
    for surface, build in undone.moves.items():
        back = RevertDeployment(surfaces=(surface,), to=build, order="as-written")
        chain.add(f"undo-{surface}", back, (("way", "way"),))
    ruled = {one.surface for one in undone.of("rules")}
    for surface, build in undone.moves.items():
        if surface not in ruled:  # where a rule is open, samples from outside are of two releases
            traffic = RestoreTraffic(surfaces=(surface,), release=build)
            chain.add(f"traffic-{surface}", traffic)
    for what in ("image", "state", "auto-swap"):
        chain.restore(undone.of(what), run)
    left = f" Left as it is: {'; '.join(undone.left)}." if undone.left else ""
    return Playbook(
        playbook="undo",
        summary=f"Take back what run {run} changed.{left}",
        parameters=(
            Parameter(
                name="way",
                about="how to move users back; auto takes each surface's ways in order",
                default="auto",
                choices=("auto", "image", "swap", "artifact"),
            ),
        ),
        steps=tuple(chain.steps),
    )


def refuse_elsewhere(plan: Plan, environment: Environment) -> None:
    """Raise InputError for the run of another environment: what it recorded is not true here."""
    if plan.environment != environment.environment:
        raise InputError(
            "undo.environment",
            f"the run changed {plan.environment}, and the environment given is "
            f"{environment.environment}",
            hint=f"give --environment FILE of {plan.environment}",
        )


class _Chain:
    """Steps one after the other: each stands on what those before it leave."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, name: str, spec: StepSpec, references: tuple[tuple[str, str], ...] = ()) -> None:
        """One more step."""
        after = (self.steps[-1].name,) if self.steps else ()
        self.steps.append(Step(name=name, spec=spec, after=after, references=references))

    def restore(self, things: list[_Restored], run: str) -> None:
        """One step a thing."""
        for one in things:
            place = one.surface if one.what == "rules" else f"{one.surface}-{one.slot.lower()}"
            spec = RestoreRecorded(
                surfaces=(one.surface,),
                what=one.what,
                slot=one.slot,
                value=one.value,
                left=one.left,
                of=run,
            )
            self.add(f"{one.what}-{place}", spec)


def _undone(plan: Plan, run: str, records: tuple[Record, ...]) -> _Undone:
    state = fold(plan, records)
    sent = {record.text("effect") for record in records if record.kind is RecordKind.INTENT}
    undone = _Undone()
    moved: list[tuple[str, str]] = []
    for step, change in plan.updates:
        if traits_of(step.action).stays or not _took_effect(state, step.name, change, run):
            continue
        if traits_of(step.action).hold:
            _hold(undone, change)
        elif any(effect.id in sent for effect in change.effects):
            if change.moves_users and not change.some_users:
                moved.append((change.surface or "", _one_build(change, run)))
            else:
                _thing(undone, change)
    first: dict[str, str] = {}
    for surface, build in moved:
        first.setdefault(surface, build)
    undone.moves = {surface: first[surface] for surface in dict(reversed(moved))}
    return undone


def _hold(undone: _Undone, change: Update) -> None:
    after = _values(change.after)
    if after.get("held") is not True:
        undone.left.append(change.summary)
        return
    build, number = str(after["build"]), int(str(after["number"]))
    undone.holds.append(ReleaseHold(surface=change.surface or "", build=build, number=number))


def _took_effect(state: RunState, step: str, change: Update, run: str) -> bool:
    status = state.change(step, change.id)
    if status in _UNSETTLED:
        raise PersonNeeded(
            "undo.unsettled",
            f"nobody knows yet whether this took effect in run {run}: {change.summary}",
            hint=f"`rollback resume {run}` looks, or takes a person's word; undo it then",
        )
    return status is ChangeStatus.APPLIED


def _thing(undone: _Undone, change: Update) -> None:
    """Several changes of one thing: the first one's before, the last one's after."""
    before, after = _values(change.before), _values(change.after)
    kinds = _KINDS if change.resource.endswith("/traffic") or "/slot/" in change.resource else ()
    found = next((one for one in kinds if one[0] in after and one[0] in before), None)
    if found is None:
        undone.left.append(change.summary)
        return
    name, what = found
    slot = "production" if what == "rules" else change.resource.rpartition("/")[2]
    key = (change.surface or "", what, slot)
    value, left = _texts(before[name]), _texts(after[name])
    known = undone.things.get(key)
    if known is None:
        undone.things[key] = _Restored(key[0], what, slot, value, left)
    else:
        known.left = left


def _one_build(change: Update, run: str) -> str:
    before = _values(change.before)
    builds = _texts(before.get("builds", before.get("slot_builds", ())))
    if len(builds) != 1:
        raise InputError(
            "undo.no-build",
            f"run {run} did not record one release that {change.surface} served before: "
            f"{', '.join(builds) or 'none'}",
            hint="name the release to go to: `rollback plan PLAYBOOK --set to=BUILD`",
        )
    (build,) = builds
    if not is_build(build):
        raise InputError(
            "undo.no-build",
            f"what {change.surface} served before run {run} is no id of a release: {build[:200]!r}",
            hint="name the release to go to: `rollback plan PLAYBOOK --set to=BUILD`",
        )
    return build


def _values(held: Facts) -> dict[str, Value]:
    return {fact.name: fact.value for fact in held}


def _texts(value: Value) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return tuple(str(one) for one in value)
    return ("" if value is None else str(value),)
