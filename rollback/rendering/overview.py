"""All steps on one table: what each does, what it writes, whom it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.effect import FileWrite
from rollback.model.steps import traits_of
from rollback.rendering.failure import fails_short
from rollback.rendering.view import (
    Cut,
    Section,
    Span,
    Spans,
    Style,
    Table,
    line,
    prose,
    spans,
)
from rollback.rendering.words import counted

if TYPE_CHECKING:
    from rollback.model.effect import Effect
    from rollback.model.plan import Plan, PlannedStep

READS = {
    "retain_trade_halt": "prove that trading can be halted, by reading",
    "restore_traffic": "prove from outside what users reach",
    "verify_release": "verify the release from outside",
    "confirm": "ask a person",
}
"""What steps do that change nothing but look."""


def overview(plan: Plan) -> Section:
    """One row a step."""
    said = line(
        f"{counted(len(plan.steps), 'step')}. Only the writes listed under each step can leave the "
        "process, each at most as often as it says; the world is read again before every step."
    )
    rows = tuple(
        (
            spans("{}", prose(str(number))),
            spans("{}", step.name),
            _does(step),
            _writes(step),
            _moves(step),
            spans("{}", prose(fails_short(plan, step))),
        )
        for number, step in enumerate(plan.steps, start=1)
    )
    names = ("step", "name", "does", "writes", "users", "if it fails")
    table = Table(names, rows, cut=Cut.WRITES, lead=3)
    return Section("What is done, in order", (said, table))


def _updates(step: PlannedStep) -> list[Update]:
    return [change for change in step.changes if isinstance(change, Update)]


def _does(step: PlannedStep) -> Spans:
    said = [change.summary for change in _updates(step)]
    said += [f"refused: {each.reason}" for each in step.changes if isinstance(each, RefusedChange)]
    if not said:
        said = [READS.get(step.action, "nothing to do")]
    return (Span("; ".join(said)),)


def _writes(step: PlannedStep) -> Spans:
    effects = [effect for change in _updates(step) for effect in change.effects]
    if not effects:
        return (Span("nothing"),)
    places: dict[str, int] = {}
    for effect in effects:
        place = _place(effect)
        places[place] = places.get(place, 0) + 1
    made: list[Span] = []
    for place, count in places.items():
        made += [Span(", "), Span(f"{count} to ")]
        made.append(Span(place) if place == _FILES else Span(place, Style.DATA))
    return tuple(made[1:])


_FILES = "files of this machine"


def _place(effect: Effect) -> str:
    return _FILES if isinstance(effect, FileWrite) else effect.host


def _moves(step: PlannedStep) -> Spans:
    made: list[Span] = []
    for change in _updates(step):
        if change.moves_users:
            made += [Span("; "), *spans("{} moved to {}", change.surface, change.to_build)]
    if made:
        return tuple(made[1:])
    if step.direction is Direction.TOWARD and traits_of(step.action).hold != "set":
        return (Span("no new ones reach the bad release"),)
    if step.direction is Direction.AWAY:
        return (Span("away from safety, none moved"),)
    return (Span("none moved"),)
