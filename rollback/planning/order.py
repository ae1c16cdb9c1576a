"""Playbook steps in order: parameters put in, surfaces expanded, captures added.

A revert of several surfaces becomes one step a surface, chained. A surface that the product cannot
roll back is taken out here and named in the plan. A step that endangers volatile evidence gets a
capture of its own before it, whatever the playbook says (promise evidence-first).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from rollback.errors import InputError, ProductDefect, did_you_mean
from rollback.model.base import Fact, Facts, Scalar
from rollback.model.steps import CAPTURE_BEFORE, RevertDeployment, SnapshotAuditLogs, StepSpec
from rollback.planning.triggers import revert_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollback.model.environment import Environment
    from rollback.model.playbook import Playbook, Step


@dataclass(frozen=True, slots=True)
class OrderedStep:
    """One step in the order it is planned."""

    name: str
    spec: StepSpec
    after: tuple[str, ...]
    on_failure: Literal["stop", "continue", "hand-over"]
    surface: str | None = None
    implied: bool = False


def read_parameters(playbook: Playbook, given: Mapping[str, str]) -> Facts:
    """Defaults overridden by ``--set``. Raises InputError for names and values not declared."""
    declared = {parameter.name: parameter for parameter in playbook.parameters}
    for name, value in given.items():
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise InputError(
                "input.unknown-parameter",
                f"playbook {playbook.playbook} has no parameter {name!r}",
                hint=f"{did_you_mean(name, declared)}its parameters are: {known}",
            )
        choices = declared[name].choices
        if choices and value not in choices:
            raise InputError(
                "input.parameter-value",
                f"parameter {name} cannot be {value!r}",
                hint=f"use one of: {', '.join(choices)}",
            )
    values: dict[str, Scalar] = {
        name: given.get(name, parameter.default) for name, parameter in declared.items()
    }
    return tuple(Fact(name=name, value=values[name]) for name in sorted(values))


def _with_parameters(step: Step, parameters: Facts) -> StepSpec:
    if not step.references:
        return step.spec
    values = {fact.name: fact.value for fact in parameters}
    raw: dict[str, Any] = step.spec.model_dump(mode="python")
    for field, parameter in step.references:
        raw[field] = values[parameter]
    try:
        return type(step.spec).model_validate(raw)
    except ValidationError as problem:
        first = problem.errors(include_input=False)[0]
        field = str(first["loc"][0])
        name = dict(step.references).get(field, field)
        said = str(first["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
        if first["type"].startswith("int_"):
            said = "a whole number, or a duration like 90s, 5m or 24h"
        raise InputError(
            "input.parameter-value",
            f"parameter {name} cannot be {values.get(name)!r}: it is {field} of step {step.name}",
            hint=f"write {said}",
        ) from None


def order_steps(
    playbook: Playbook,
    environment: Environment,
    parameters: Facts,
    *,
    backend_first: bool,
    volatile_before: tuple[str, ...] = (),
) -> tuple[OrderedStep, ...]:
    """The playbook's steps in dependency order, expanded.

    volatile_before: names of expanded steps that need a capture of volatile evidence before them.
    """
    supported = {
        name for name, surface in environment.surfaces if surface.provider != "unsupported"
    }
    expansions: dict[str, tuple[str, ...]] = {}
    expanded: list[OrderedStep] = []
    for step in playbook.steps:
        if step.name.startswith(CAPTURE_BEFORE):
            raise InputError(
                "input.step-name",
                f"step {step.name} has a name that the planner gives to captures of its own",
                hint=f"give it a name that does not start with {CAPTURE_BEFORE}",
            )
        spec = _with_parameters(step, parameters)
        made = _expand(step, spec, supported, environment, backend_first=backend_first)
        expansions[step.name] = tuple(one.name for one in made)
        expanded.extend(made)
    # A step with nothing left in it still orders: what waited for it waits for its own `after`.
    declared = {step.name: step.after for step in playbook.steps}
    for name in _sorted_names(declared):
        expansions[name] = expansions[name] or _expanded(expansions, declared[name])
    resolved = [_after(one, _expanded(expansions, one.after)) for one in expanded]
    return _sorted(_with_captures(resolved, volatile_before))


def _after(step: OrderedStep, names: tuple[str, ...]) -> OrderedStep:
    """The step after those; itself where it is so already, as nearly all are."""
    return step if step.after == names else replace(step, after=names)


def _expanded(expansions: Mapping[str, tuple[str, ...]], names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of declared steps as names of expanded ones, each once."""
    return tuple(dict.fromkeys(made for name in names for made in expansions.get(name, (name,))))


def _expand(
    step: Step,
    spec: StepSpec,
    supported: set[str],
    environment: Environment,
    *,
    backend_first: bool,
) -> list[OrderedStep]:
    wanted = spec.surfaces_named
    known = set(environment.surface_names)
    for name in wanted:
        if name not in known:
            raise InputError(
                "input.unknown-surface",
                f"step {step.name} names surface {name!r}, which {environment.environment} "
                "does not have",
                hint=f"{did_you_mean(name, known)}"
                f"its surfaces are: {', '.join(environment.surface_names)}",
            )
    one = OrderedStep(step.name, spec, step.after, step.on_failure)
    if not wanted:
        return [one]
    kept = tuple(name for name in wanted if name in supported)
    if not kept:
        return []
    if not isinstance(spec, RevertDeployment):
        if kept == wanted:
            return [one]
        return [replace(one, spec=spec.model_copy(update={"surfaces": kept}))]
    if spec.order == "by-trigger":
        kept = revert_order(kept, backend_first=backend_first)
    if len(wanted) == 1:
        return [replace(one, surface=kept[0])]
    made: list[OrderedStep] = []
    for name in kept:
        previous = (made[-1].name,) if made else ()
        made.append(
            OrderedStep(
                name=f"{step.name}/{name}",
                spec=spec.model_copy(update={"surfaces": (name,)}),
                after=(*step.after, *previous),
                on_failure=step.on_failure,
                surface=name,
            )
        )
    return made


def _with_captures(steps: list[OrderedStep], volatile_before: tuple[str, ...]) -> list[OrderedStep]:
    out: list[OrderedStep] = []
    for step in steps:
        if step.name not in volatile_before:
            out.append(step)
            continue
        capture = OrderedStep(
            name=f"{CAPTURE_BEFORE}{step.name}",
            spec=SnapshotAuditLogs(window="run", sources="volatile"),
            after=step.after,
            on_failure="stop",
            implied=True,
        )
        out.append(capture)
        out.append(replace(step, after=(*step.after, capture.name)))
    return out


def _sorted(steps: list[OrderedStep]) -> tuple[OrderedStep, ...]:
    """Dependency order; among free steps the written order. Stable, so plans are too."""
    by_name = {step.name: step for step in steps}
    if len(by_name) != len(steps):
        raise ProductDefect("plan.duplicate-step", "two expanded steps share a name")
    names = _sorted_names({step.name: step.after for step in steps})
    return tuple(
        _after(by_name[name], tuple(n for n in by_name[name].after if n in by_name))
        for name in names
    )


def _sorted_names(after: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Dependency order; among free names the order given. Raises InputError for a cycle."""
    sorter = TopologicalSorter(
        {name: [one for one in before if one in after] for name, before in after.items()}
    )
    try:
        sorter.prepare()
    except CycleError as cycle:
        path = " -> ".join(cycle.args[1])
        raise InputError(
            "input.cycle",
            f"steps wait for each other: {path}",
            hint="remove one `after`",
        ) from None
    position = {name: index for index, name in enumerate(after)}
    out: list[str] = []
    ready = set(sorter.get_ready())
    while ready:
        name = min(ready, key=position.__getitem__)
        ready.discard(name)
        out.append(name)
        sorter.done(name)
        ready.update(sorter.get_ready())
    return tuple(out)
