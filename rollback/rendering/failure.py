"""What happens if a step fails, and what a person does then: by the rules of the decision loop.

The rules are those of `rollback.running.drive` (T1, T3, T4, T6), read off the plan: which steps do
not run any more, which go all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.steps import traits_of
from rollback.rendering.view import Cut, Line, Span, command, line
from rollback.rendering.words import numbered

if TYPE_CHECKING:
    from rollback.model.plan import Plan, PlannedStep

_IF = "if it fails"
_RESUME = command("rollback resume RUN")
_STATUS = command("rollback status RUN")
_UNDO = command("rollback undo RUN --out PLAN")


def does_not_run(plan: Plan, failed: PlannedStep) -> tuple[int, ...]:
    """Numbers (from 1) of the steps that do not run once `failed` has failed.

    A capture runs whatever came before it; a move toward safety goes in any case.
    """
    if traits_of(failed.action).tells:
        return ()
    gone = {failed.name}
    hands_over = failed.on_failure == "hand-over"
    stops = hands_over or (failed.direction is Direction.AWAY and failed.on_failure != "continue")
    reached = False
    for step in plan.steps:  # steps come after what they wait for
        reached = reached or step.name == failed.name
        stopped = stops and reached and step.direction is Direction.AWAY
        if not traits_of(step.action).captures and (
            stopped or any(name in gone for name in step.after)
        ):
            gone.add(step.name)
    return tuple(
        number
        for number, step in enumerate(plan.steps, start=1)
        if step.name in gone and step.name != failed.name and not _toward_only(step)
    )


def _toward_only(step: PlannedStep) -> bool:
    moves = [change for change in step.changes if isinstance(change, Update)]
    return bool(moves) and all(change.direction is Direction.TOWARD for change in moves)


def fails_short(plan: Plan, step: PlannedStep) -> str:
    """What a row says of it: which steps do not run then, and how the run ends."""
    if traits_of(step.action).tells:
        return "the run goes on"
    gone = does_not_run(plan, step)
    said = "no step is left" if step is plan.steps[-1] else "the others run all the same"
    if gone:
        said = f"{numbered(gone)} {'does' if len(gone) == 1 else 'do'} not run"
    return f"{said}; exit {_exit_of(step).value}"


def if_it_fails(plan: Plan, number: int, step: PlannedStep) -> list[Line]:
    """Two lines: what the run then does by itself, and what a person does."""
    if traits_of(step.action).tells:
        return [line("the run goes on; its report says that it may not have arrived", label=_IF)]
    gone = does_not_run(plan, step)
    going = tuple(each for each in range(number + 1, len(plan.steps) + 1) if each not in gone)
    parts = []
    if gone:
        parts.append(f"{numbered(gone)} {'does' if len(gone) == 1 else 'do'} not run")
    if going:
        parts.append(f"{numbered(going)} {'runs' if len(going) == 1 else 'run'} all the same")
    status = _exit_of(step)
    said = "; ".join(parts) or "no step comes after it"
    return [
        line(
            f"{said}; what was done stays done; the run ends with exit {status.value}",
            label=_IF,
            cut=Cut.DETAILS,
        ),
        _then(step),
    ]


def _exit_of(step: PlannedStep) -> ExitStatus:
    status = traits_of(step.action).fails_with
    handed = step.on_failure == "hand-over" and status is not ExitStatus.AUTHORITY
    return ExitStatus.PERSON if handed else status


def _then(step: PlannedStep) -> Line:
    """What a person does, by what the step was for."""
    updates = [change for change in step.changes if isinstance(change, Update)]
    if traits_of(step.action).captures:
        return _you("see what was not kept, make room or mend the store, then {}", _RESUME)
    if traits_of(step.action).proves_authority:
        return _you(
            "halt trading at the venue or broker; once authority is proved again, {}", _RESUME
        )
    if traits_of(step.action).fails_with is ExitStatus.VERIFICATION:
        return _you(
            "look at what the report says does not hold; {} verifies again, {} plans the way back",
            _RESUME,
            _UNDO,
        )
    if traits_of(step.action).asks:
        return _you("have it checked, then {}", _RESUME)
    effect = next((effect.id for change in updates for effect in change.effects), "")
    if step.direction is Direction.TOWARD:
        return _you("do it by hand where the write says, or {}, which looks first", _RESUME)
    if step.direction is Direction.AWAY and effect:
        return _you(
            "{} looks whether it took effect, and goes on; if it cannot tell, look yourself and "
            "add {} or {}; {} plans the way back",
            _RESUME,
            command(f"--said {effect}=applied"),
            command(f"--said {effect}=not-applied"),
            _UNDO,
        )
    return _you("see why with {}, then {}", _STATUS, _RESUME)


def _you(template: str, *commands: Span) -> Line:
    return line(template, *commands, label="then you", cut=Cut.DETAILS)
