"""An action that fails where it must not: its own step is refused, and every other step is planned.

A bug in one action must not stand between anybody and a halt, and must not move anybody either: a
plan with such a step is refused, so that nothing in it moves away from safety (promise
fail-closed), and what moves toward safety can be applied. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel

from rollback.errors import InputError, ProductDefect, RollbackError
from rollback.model.base import facts
from rollback.model.change import Finding, NoOp, RefusedChange, Update
from rollback.model.observation import Observation, Prediction
from rollback.model.plan import Exposure, PlannedStep, Summary
from rollback.model.ports import ActionPlan
from rollback.planning.canonical import canonical

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from rollback.model.ports import Action

M = TypeVar("M", bound=BaseModel)

CODE: Final = "action.defect"
MISSING: Final = "secret.missing"
"""A secret that is not set: its step cannot look; what needs none is planned all the same."""

_RESOURCE: Final = "defect/"
_NEXT: Final = (
    "halts and captures of this plan can be applied (`rollback apply PLAN --only-safe`); have the "
    "action mended, or take its step out of the playbook, and plan again"
)
_NEXT_MISSING: Final = (
    "set it and plan again; halts and captures of this plan can be applied meanwhile (`rollback "
    "apply PLAN --only-safe`)"
)
_KINDS: Final = (
    ("changes", (NoOp, Update, RefusedChange)),
    ("findings", (Finding,)),
    ("exposures", (Exposure,)),
    ("summaries", (Summary,)),
)


def looked_in_vain(step: str, action: Action, error: BaseException, at: datetime) -> Observation:
    """What stands in the plan in place of what an action should have seen."""
    code, said = CODE, said_of(action, "looked", error)
    if isinstance(error, InputError) and error.code == MISSING:
        code, said = MISSING, error.reason
    return Observation(
        resource=f"{_RESOURCE}{step}", at=at, context=facts(code=code), gaps=(said,)
    )


def defects_seen(observations: tuple[Observation, ...]) -> dict[str, tuple[str, str]]:
    """Per step whose action failed while it looked, what is said of that, and its code."""
    return {
        seen.resource.removeprefix(_RESOURCE): ("; ".join(seen.gaps), str(seen.get("code", CODE)))
        for seen in observations
        if seen.resource.startswith(_RESOURCE)
    }


def refused_for(step: str, reason: str, code: str = CODE) -> RefusedChange:
    """The one change of a step whose action failed."""
    return RefusedChange(
        id="defect",
        resource=step,
        code=code,
        reason=reason,
        next_move=_NEXT_MISSING if code == MISSING else _NEXT,
        promise="fail-closed",
    )


def said_of(action: Action, doing: str, error: BaseException) -> str:
    """What an action was doing and where it failed, without the words of its exception.

    Those can hold anything, a secret too.
    """
    if isinstance(error, ProductDefect):
        return error.reason
    where = _place(action, error.__traceback__)
    why = f": {error.reason}" if isinstance(error, RollbackError) else ""
    return (
        f"action {action.name} failed while it {doing} ({type(error).__name__}{where}){why}; this "
        "is a bug in the action"
    )


def code_of(error: BaseException) -> str:
    """A defect that the planner named itself keeps its name."""
    return error.code if isinstance(error, ProductDefect) else CODE


def _place(action: Action, trace: TracebackType | None) -> str:
    """The line of the action's own module that was reached last."""
    place = ""
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == type(action).__module__:
            file = trace.tb_frame.f_code.co_filename.rpartition("/")[2]
            place = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def as_observed(action: Action, seen: object) -> tuple[Observation, ...]:
    """What an action saw. Raises ProductDefect for what is no observation."""
    return _all(action, "observe", seen, Observation, "observations")


def as_planned(action: Action, made: object) -> ActionPlan:
    """What an action planned. Raises ProductDefect for what is none of it."""
    if not isinstance(made, ActionPlan) or not isinstance(made.duration_s_max, int):
        raise _not(action, "plan", "an ActionPlan")
    for name, kind in _KINDS:
        _all(action, "plan", getattr(made, name), kind, f"a tuple of its {name}")
    return made


def as_predicted(action: Action, made: object) -> tuple[Prediction, ...]:
    """What an action predicts. Raises ProductDefect for what is no prediction."""
    return _all(action, "predict", made, Prediction, "predictions")


def _all(
    action: Action, method: str, made: object, kind: type[M] | tuple[type[M], ...], wanted: str
) -> tuple[M, ...]:
    """What a method returned, where it is a tuple of one kind that can be written down.

    A number from 2^53 up or half a surrogate pair has no one written form, so no digest.
    """
    if not isinstance(made, tuple) or not all(isinstance(one, kind) for one in made):
        raise _not(action, method, wanted)
    try:
        for one in made:
            canonical(one)
    except ValueError as error:
        raise _not(action, method, "what can be written down") from error
    return made


def _not(action: Action, method: str, wanted: str) -> ProductDefect:
    return ProductDefect(
        CODE, f"action {action.name}: `{method}` did not return {wanted}; this is a bug in it"
    )


def failed(step: PlannedStep) -> bool:
    """Whether the step is refused because its action failed."""
    return any(one.code.startswith("action.") for one in step.refused)
