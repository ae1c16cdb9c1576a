"""One declared step of a playbook: its tree, its complaints, its value."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rollback.loading.complaints import from_validation, kind_of, meant, unknown_key
from rollback.loading.shape import OTHER, Shape, shape_of
from rollback.model.playbook import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rollback.errors import Complaint
    from rollback.loading.document import Document, Tree
    from rollback.model.playbook import Parameter
    from rollback.model.steps import StepSpec

NO_REWRITE: Final = "no-control-plane-rewrite"

_ORDER_FIELDS: Final = ("action", "after", "on_failure")
_STEP_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_REFERENCE = re.compile(r"\$([a-z0-9][a-z0-9._/-]{0,79})")
_CONTROL_WORDS = re.compile(
    r"cosmos|document|container|upsert|sproc|stored.?procedure|throughput|dynamic.?config"
    r"|control.?(plane|state|api)|trading.?control|config.?write|write.?config|repair|ledger"
)
_CONTROL_VALUES = re.compile(
    r"microsoft\.documentdb|/api/(control|dynamic-config|config)\b", re.IGNORECASE
)
_HOST_IN_TEXT = re.compile(r"[A-Za-z0-9.-]+")
_PROSE: Final = ("statement", "summary", "about")


@dataclass(slots=True)
class Reading:
    """What is known while the steps of one playbook are read."""

    document: Document
    specs: Mapping[str, type[StepSpec]]
    parameters: Mapping[str, Parameter]
    complaints: list[Complaint] = field(default_factory=list)
    promise: str = ""
    used: set[str] = field(default_factory=set)
    fields: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """fields: every name that some action's specification knows."""
        self.fields = frozenset(
            name for spec in self.specs.values() for name in spec.model_fields
        )

    def complain(self, path: tuple[str | int, ...], problem: str, expected: str) -> None:
        """Note one thing that is wrong."""
        self.complaints.append(self.document.complaint(path, problem, expected))

    def rewrite(self, path: tuple[str | int, ...], what: str) -> None:
        """Note something that names a write of control-plane state."""
        self.promise = NO_REWRITE
        self.complain(
            path,
            f"{NO_REWRITE}: {what} would reach control-plane state",
            "an action of a first response: it never writes Cosmos or control state; "
            "repair comes later, by people",
        )


def read_step(reading: Reading, index: int, entry: Tree) -> Step | None:
    """The step at ``steps[index]``, or None where it has complaints of its own."""
    path: tuple[str | int, ...] = ("steps", index)
    before = len(reading.complaints)
    if not isinstance(entry, dict) or len(entry) != 1:
        what = "several keys" if isinstance(entry, dict) and entry else kind_of(entry)
        reading.complain(
            path,
            f"{what} where one step was expected",
            "one name with its fields inside, `- halt: {action: halt_rollout, surfaces: [web]}`",
        )
        return None
    ((name, body),) = entry.items()
    path = (*path, name)
    if not _STEP_NAME.fullmatch(name):
        reading.complain(
            path,
            "not a step's name",
            "lower case letters, digits, dots, dashes (no slash: plans add those); at most 60",
        )
    if not isinstance(body, dict):
        reading.complain(path, f"{kind_of(body)} where a step's fields were expected", "fields")
        return None
    _refuse_rewrites(reading, path, body)
    spec_type = _spec_type(reading, path, body)
    if spec_type is None:
        return None
    told, references = _told(reading, path, body, spec_type)
    spec = _spec(reading, path, body, spec_type, told, references)
    step = _step(reading, path, body, spec, references)
    return step if len(reading.complaints) == before else None


def _spec_type(
    reading: Reading, path: tuple[str | int, ...], body: dict[str, Tree]
) -> type[StepSpec] | None:
    action = body.get("action")
    known = ", ".join(reading.specs)
    if action is None:
        reading.complain((*path, "action"), "`action` is missing", f"one of {known}")
        return None
    if not isinstance(action, str):
        reading.complain((*path, "action"), f"{kind_of(action)} does not fit", f"one of {known}")
        return None
    found = reading.specs.get(action)
    if found is not None:
        return found
    if _CONTROL_WORDS.search(action.lower()):
        reading.rewrite((*path, "action"), f"the action `{action}`")
    else:
        reading.complain(
            (*path, "action"),
            f"unknown action `{action}`",
            f"one of {known}{meant(action, reading.specs)}",
        )
    return None


def _told(
    reading: Reading,
    path: tuple[str | int, ...],
    body: dict[str, Tree],
    spec_type: type[StepSpec],
) -> tuple[dict[str, Tree], dict[str, str]]:
    """The fields of the specification as written, and which of them are parameters."""
    told = {key: value for key, value in body.items() if key not in _ORDER_FIELDS}
    fields = spec_type.model_fields
    if "surfaces" in fields and "surface" in told and "surface" not in fields:
        if "surfaces" in told:
            reading.complain((*path, "surface"), "both surface and surfaces", "one of them")
        one = told.pop("surface")
        if isinstance(one, str):
            told.setdefault("surfaces", [one])
        else:
            reading.complain((*path, "surface"), f"{kind_of(one)} does not fit", "one surface")
            told.setdefault("surfaces", ["unread"])
    references: dict[str, str] = {}
    for key, value in told.items():
        if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
            references[key] = match[1]
            if match[1] in reading.parameters:
                reading.used.add(match[1])
            else:
                reading.complain(
                    (*path, key),
                    f"${match[1]} is not a parameter of this playbook",
                    f"one of {', '.join(reading.parameters) or '(none declared)'}"
                    f"{meant(match[1], reading.parameters)}",
                )
    for key, value in ((k, v) for k, v in body.items() if k in _ORDER_FIELDS or k == "surfaces"):
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and text.startswith("$") for text in texts):
            reading.complain(
                (*path, key), f"a parameter cannot stand in `{key}`", "the value, written out"
            )
            told.pop(key, None) if key == "surfaces" else None
            references.pop(key, None)
    if isinstance(body.get("surface"), str) and body["surface"].startswith("$"):
        reading.complain((*path, "surface"), "a parameter cannot stand in `surface`", "a surface")
    return told, references


def _spec(
    reading: Reading,
    path: tuple[str | int, ...],
    body: dict[str, Tree],
    spec_type: type[StepSpec],
    told: dict[str, Tree],
    references: dict[str, str],
) -> StepSpec | None:
    """The validated specification, parameters at their defaults. Each choice is tried too."""
    shape = shape_of(spec_type)
    plain = {key: value for key, value in told.items() if key not in references}
    held: dict[str, Tree] = {}
    for key, parameter_name in references.items():
        parameter = reading.parameters.get(parameter_name)
        if key not in shape.names or key == "action":
            reading.complaints.append(unknown_key(reading.document, (*path, key), _seen(shape)))
            continue
        if parameter is None:
            continue
        tries = [*parameter.choices] if parameter.choices else []
        if parameter.default is not None:
            tries.append(parameter.default)  # type: ignore[arg-type]
            held[key] = parameter.default
        elif key in shape.required:
            held[key] = tries[0] if tries else f"${parameter_name}"
        for value in tries:
            if not _fits(spec_type, plain, held | {key: value}):
                reading.complain(
                    (*path, key),
                    f"parameter {parameter_name} may be `{value}`, which does not fit here",
                    shape.inside(key).words,
                )
                break
    try:
        return spec_type.model_validate_json(
            json.dumps({"action": body["action"], **plain, **held}), strict=True
        )
    except ValidationError as problem:
        written = {key: value for key, value in body.items() if key not in references}
        found = from_validation(
            problem,
            reading.document,
            _seen(shape),
            prefix=path,
            value=written | {key: value for key, value in plain.items() if key not in body},
        )
        reading.complaints.extend(c for c in found if not _is_about(c, path, references))
        return None


def _seen(shape: Shape) -> Shape:
    """A specification's fields as a step has them: with those of order, which come first."""
    return Shape(
        "fields",
        fields=tuple(
            (name, shape.inside(name))
            for name in (*_ORDER_FIELDS, *(n for n in shape.names if n != "action"))
        ),
        required=shape.required,
    )


def _is_about(complaint: Complaint, path: tuple[str | int, ...], names: Mapping[str, str]) -> bool:
    return any(complaint.path.endswith(f".{path[-1]}.{name}") for name in names)


def _fits(spec_type: type[StepSpec], plain: dict[str, Tree], held: dict[str, Tree]) -> bool:
    fields: dict[str, Any] = {key: held[key] for key in held}
    try:
        spec_type.model_validate_json(json.dumps(plain | fields), strict=True)
    except ValidationError as problem:
        places = {error["loc"][0] for error in problem.errors() if error["loc"]}
        return not places & set(held)
    return True


def _step(
    reading: Reading,
    path: tuple[str | int, ...],
    body: dict[str, Tree],
    spec: StepSpec | None,
    references: dict[str, str],
) -> Step | None:
    after = body.get("after")
    written: dict[str, Any] = {
        "name": path[-1],
        "spec": spec,
        "references": tuple(sorted(references.items())),
        "line": reading.document.where(path)[0],
    }
    if "after" in body:
        written["after"] = tuple(after) if isinstance(after, list) else after
    if "on_failure" in body:
        written["on_failure"] = body["on_failure"]
    try:
        return Step.model_validate(written, strict=True)
    except ValidationError as problem:
        seen = {key: value for key, value in body.items() if key in ("after", "on_failure")}
        found = from_validation(problem, reading.document, OTHER, prefix=path, value=seen)
        prefix = f"steps[{path[1]}].{path[2]}"
        reading.complaints.extend(c for c in found if c.path != prefix)
        return None


def _refuse_rewrites(reading: Reading, path: tuple[str | int, ...], body: dict[str, Tree]) -> None:
    """Promise no-control-plane-rewrite, first fence: it cannot be said in a playbook."""
    for key in body:
        if key not in reading.fields and _CONTROL_WORDS.search(key.lower()):
            reading.rewrite((*path, key), f"the field `{key}`")
    for inner, text in _texts(body):
        if inner[0] in _PROSE:
            continue
        if _names_cosmos(text) or _CONTROL_VALUES.search(text):
            reading.rewrite((*path, *inner), "what is named here")


def _names_cosmos(text: str) -> bool:
    if "azure" not in text.lower():  # every suffix of Cosmos holds it; most playbooks do not
        return False
    from rollback.model.effect import COSMOS_HOST

    return any(COSMOS_HOST.search(host) for host in _HOST_IN_TEXT.findall(text))


def _texts(value: Tree) -> Iterator[tuple[tuple[str | int, ...], str]]:
    entries: Sequence[tuple[str | int, Tree]] = (
        tuple(value.items()) if isinstance(value, dict) else tuple(enumerate(value))
    )
    for key, inner in entries:
        if isinstance(inner, str):
            yield (key,), inner
        elif isinstance(inner, (dict, list)):
            for path, text in _texts(inner):
                yield (key, *path), text
