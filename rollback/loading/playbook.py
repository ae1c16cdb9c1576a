"""Playbook files: YAML that reads like the runbook, loaded as frozen values.

The grammar is in docs/reference/playbook-file.md. Everything wrong is said at once, each with its
line; nothing is guessed.
"""

from __future__ import annotations

import json
from graphlib import CycleError, TopologicalSorter
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rollback.loading.complaints import from_validation, kind_of, meant, unknown_key
from rollback.loading.document import read_document
from rollback.loading.files import BYTES_MAX, read_bytes, refused
from rollback.loading.shape import shape_of
from rollback.loading.steps import Reading, read_step
from rollback.model.playbook import Parameter, Playbook
from rollback.model.steps import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.loading.document import Tree
    from rollback.model.playbook import Step
    from rollback.model.steps import StepSpec

_WHAT: Final = "playbook"


def load_playbook(
    source: str | PathLike[str], specs: Sequence[type[StepSpec]] = BUILT_IN
) -> Playbook:
    """Load a playbook file; a string of more than one line is taken as the text itself.

    specs: the specifications of the actions that steps may name; a third party passes its own
    beside `BUILT_IN`. Raises InputError with every complaint.
    """
    if isinstance(source, str) and "\n" in source:
        return read_playbook(source, specs)
    data = read_bytes(source, BYTES_MAX, what=_WHAT)
    return read_playbook(data, specs, file=fspath(source))


def read_playbook(
    text: str | bytes, specs: Sequence[type[StepSpec]] = BUILT_IN, *, file: str = "<text>"
) -> Playbook:
    """Read a playbook from text. file: the name complaints use. Raises InputError only."""
    document = read_document(text, file, what=_WHAT)
    reading = Reading(document, {_action(spec): spec for spec in specs}, {})
    tree = document.value
    if not isinstance(tree, dict):
        reading.complain((), f"{kind_of(tree)} where a playbook was expected", "playbook: NAME ...")
        raise refused(_WHAT, tuple(reading.complaints))
    shape = shape_of(Playbook)
    for key in tree:
        if key not in shape.names:
            reading.complaints.append(unknown_key(document, (key,), shape))
    if tree.get("retain") == []:
        reading.complain(
            ("retain",),
            "halt-authority-retained: an empty list",
            "[trade-halt-authority], or nothing: it is always retained",
        )
    parameters = _parameters(reading, tree.get("parameters", {}))
    reading.parameters = {parameter.name: parameter for parameter in parameters}
    steps = _steps(reading, tree.get("steps"))
    _unused(reading)
    playbook = _assemble(reading, tree, parameters, steps)
    if playbook is None or reading.complaints:
        raise refused(_WHAT, tuple(reading.complaints), promise=reading.promise)
    return playbook


def _action(spec: type[StepSpec]) -> str:
    return str(spec.model_fields["action"].default)


def _parameters(reading: Reading, tree: Tree) -> tuple[Parameter, ...]:
    if not isinstance(tree, dict):
        reading.complain(("parameters",), f"{kind_of(tree)} does not fit", "a mapping")
        return ()
    shape = shape_of(Parameter)
    found: list[Parameter] = []
    for name, body in tree.items():
        path = ("parameters", name)
        fields: Any = {} if body is None else body
        if not isinstance(fields, dict) or "name" in fields:
            reading.complain(path, "these fields do not fit", "about, default, choices")
            continue
        try:
            parameter = Parameter.model_validate_json(
                json.dumps({"name": name, **fields}), strict=True
            )
        except ValidationError as problem:
            reading.complaints.extend(
                from_validation(problem, reading.document, shape, prefix=path, value=fields)
            )
            continue
        if parameter.choices and parameter.default not in (None, *parameter.choices):
            reading.complain((*path, "default"), "the default is no choice", "one of them")
        found.append(parameter)
    return tuple(found)


def _steps(reading: Reading, tree: Tree) -> tuple[Step, ...]:
    if tree is None:
        reading.complain(("steps",), "`steps` is missing", "a list of steps")
        return ()
    if not isinstance(tree, list) or not tree:
        reading.complain(("steps",), f"{kind_of(tree)} does not fit", "a list of at least one step")
        return ()
    lines: dict[str, int] = {}
    steps: list[Step] = []
    for index, entry in enumerate(tree):
        step = read_step(reading, index, entry)
        if isinstance(entry, dict) and len(entry) == 1:
            (name,) = entry
            line, _ = reading.document.where(("steps", index, name))
            if name in lines:
                reading.complain(
                    ("steps", index, name),
                    f"a second step named {name} (the first is on line {lines[name]})",
                    "each name once",
                )
            lines.setdefault(name, line)
        if step is not None:
            steps.append(step)
    _order(reading, steps, tuple(lines))
    return tuple(steps)


def _order(reading: Reading, steps: list[Step], names: tuple[str, ...]) -> None:
    """Every `after` names a step, and no steps wait for each other."""
    at = {
        next(iter(entry)): index
        for index, entry in reversed(tuple(enumerate(reading.document.value["steps"])))
        if isinstance(entry, dict) and len(entry) == 1
    }
    known = frozenset(names)
    graph: dict[str, tuple[str, ...]] = {}
    for step in steps:
        path = ("steps", at[step.name], step.name, "after")
        for position, before in enumerate(step.after):
            if before not in known:
                reading.complain(
                    (*path, position),
                    f"`{before}` is no step of this playbook",
                    f"one of {', '.join(names)}{meant(before, names)}",
                )
        graph[step.name] = tuple(before for before in step.after if before in known)
    while cycle := _cycle(graph):
        first = min(cycle, key=lambda name: at[name])
        turn = cycle.index(first)
        around = (*cycle[turn:], *cycle[:turn], first)
        reading.complain(
            ("steps", at[first], first, "after"),
            f"steps wait for each other: {' -> '.join(around)} (each waits for the next)",
            "an order: remove one `after`",
        )
        for name in cycle:
            del graph[name]


def _cycle(graph: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of one cycle, each waiting for the next; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as problem:
        return tuple(reversed(problem.args[1][1:]))
    return ()


def _unused(reading: Reading) -> None:
    for name in reading.parameters:
        if name not in reading.used:
            reading.complain(
                ("parameters", name),
                f"no step uses the parameter {name}",
                f"a field written as ${name}, or no such parameter",
            )


def _assemble(
    reading: Reading,
    tree: dict[str, Tree],
    parameters: tuple[Parameter, ...],
    steps: tuple[Step, ...],
) -> Playbook | None:
    head: dict[str, Any] = {key: tree[key] for key in ("playbook", "summary") if key in tree}
    if "retain" in tree:
        retain = tree["retain"]
        head["retain"] = tuple(retain) if isinstance(retain, list) else retain
    try:
        return Playbook.model_validate(
            {**head, "parameters": parameters, "steps": steps, "source": reading.document.file},
            strict=True,
        )
    except ValidationError as problem:
        found = from_validation(problem, reading.document, shape_of(Playbook), value=tree)
        reading.complaints.extend(
            complaint
            for complaint in found
            if not (complaint.path == "steps" and reading.complaints)
        )
        return None
