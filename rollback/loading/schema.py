"""JSON Schemas (2020-12) of the three files, for editors and other tools.

They say what files say, not what models hold: steps are ``- name: {action: ...}``, pairs are
mappings, a secret is a reference, and any other value may be a ``${NAME}``. The loader stays the
judge: a schema cannot see a cycle.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from rollback.loading.plan_words import PLAN_EXAMPLES, PLAN_WORDS
from rollback.loading.shape import shape_of
from rollback.loading.words import FIELD_WORDS
from rollback.model.environment import Environment
from rollback.model.playbook import Playbook
from rollback.model.steps import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from rollback.loading.shape import Shape
    from rollback.model.steps import StepSpec

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_SECRET: Final = {
    "type": "string",
    "pattern": r"^\$\{[A-Z][A-Z0-9_]{0,99}\}$",
    "description": "A reference to a secret, never its value.",
    "examples": ["${COSMOS_KEY}"],
}
_VARIABLE: Final = {"type": "string", "pattern": r"\$\{[A-Z][A-Z0-9_]{0,99}\}"}
_DURATION: Final = {
    "type": ["integer", "string"],
    "minimum": 0,
    "pattern": r"^\d+[smhd]$",
    "examples": ["90s", "5m", "24h"],
}
_PARAMETER: Final = {"type": "string", "pattern": r"^\$[a-z0-9][a-z0-9._/-]{0,79}$"}
_STEP_NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,59}$"

_ORDER: Final[Schema] = {
    "after": {"type": "array", "items": {"type": "string"}, "examples": [["halt"]]},
    "on_failure": {"enum": ["stop", "continue", "hand-over"], "default": "stop"},
}
"""The fields every step has besides its specification's."""


def playbook_schema(specs: Sequence[type[StepSpec]] = BUILT_IN) -> Schema:
    """The schema of a playbook file. specs: of the actions its steps may name."""
    full = Playbook.model_json_schema()
    definitions: Schema = {"Parameter": _parameter(full["$defs"]["Parameter"])}
    for spec in specs:
        definitions[spec.__name__] = _step(spec, definitions)
    arms = [{"$ref": f"#/$defs/{spec.__name__}"} for spec in specs]
    properties: Schema = {
        "playbook": full["properties"]["playbook"],
        "summary": full["properties"]["summary"],
        "retain": {
            "type": "array",
            "items": {"const": "trade-halt-authority"},
            "minItems": 1,
            "default": ["trade-halt-authority"],
        },
        "parameters": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [{"$ref": "#/$defs/Parameter"}, {"type": "null"}],
            },
            "examples": [{"to": {"about": "the release to go back to", "default": "last-stable"}}],
        },
        "steps": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2000,
            "items": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "propertyNames": {"pattern": _STEP_NAME},
                "additionalProperties": {"oneOf": arms},
            },
            "examples": [[{"halt": {"action": "halt_rollout", "surfaces": ["backend", "web"]}}]],
        },
    }
    _describe("Playbook", properties)
    return _whole(
        "playbook",
        "Steps with an order, and what must hold throughout.",
        {
            "type": "object",
            "properties": properties,
            "required": ["playbook", "summary", "steps"],
            "additionalProperties": False,
            "$defs": definitions,
        },
    )


def environment_schema() -> Schema:
    """The schema of an environment file."""
    full = Environment.model_json_schema()
    definitions: Schema = {
        name: schema for name, schema in full["$defs"].items() if name != "Secret"
    }
    for name, schema in definitions.items():
        _describe(name, schema.get("properties", {}))
    top: Schema = {key: full[key] for key in ("type", "properties", "required")}
    shape = shape_of(Environment)
    top["properties"] = {name: top["properties"][name] for name in shape.names}
    _describe("Environment", top["properties"])
    top["additionalProperties"] = False
    top["$defs"] = definitions
    _as_written(top, shape, definitions)
    return _whole(
        "environment",
        "Owner, surfaces, providers, Cosmos, halt authority, evidence, approvers and policy.",
        top,
    )


def plan_schema() -> Schema:
    """The schema of a plan, as it is written and signed."""
    from rollback.model.plan import Plan

    full = Plan.model_json_schema(mode="serialization")
    for model, schema in (("Plan", full), *full["$defs"].items()):
        for name, field in schema.get("properties", {}).items():
            key = f"{model}.{name}"
            field["description"] = PLAN_WORDS[key]
            if key in PLAN_EXAMPLES:
                field["examples"] = [PLAN_EXAMPLES[key]]
    return _whole("plan", _first_line(Plan), full)


def text_of(schema: Schema) -> str:
    """A schema as the file under docs/reference/schema/ holds it."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _whole(title: str, about: str, schema: Schema) -> Schema:
    return {"$schema": DIALECT} | schema | {"title": title, "description": about}


def _parameter(schema: Schema) -> Schema:
    out = copy.deepcopy(schema)
    del out["properties"]["name"]
    out.pop("required", None)
    _describe("Parameter", out["properties"])
    return out


def _step(spec: type[StepSpec], definitions: Schema) -> Schema:
    """One kind of step: the specification's fields, the order fields, and ``surface`` as sugar."""
    schema = spec.model_json_schema()
    definitions.update(schema.pop("$defs", {}))
    action = str(spec.model_fields["action"].default)
    shape = shape_of(spec)
    properties: Schema = {"action": {"const": action, "description": _first_line(spec)}}
    for name, written in schema["properties"].items():
        if name == "action":
            continue
        held = _durations(written)
        properties[name] = held if name == "surfaces" else {"anyOf": [held, _PARAMETER]}
        words = FIELD_WORDS.get(f"{spec.__name__}.{name}")
        if words:
            properties[name]["description"] = words
    required = ["action", *(name for name in shape.required if name != "action")]
    out: Schema = {"type": "object", "title": action, "description": _first_line(spec)}
    if "surfaces" in properties:
        properties["surface"] = {
            **properties["surfaces"].get("items", {"type": "string"}),
            "description": "one surface; the same as a list of one",
        }
        required.remove("surfaces")
        out["oneOf"] = [{"required": ["surface"]}, {"required": ["surfaces"]}]
    for name, order in _ORDER.items():
        properties[name] = {**order, "description": FIELD_WORDS[f"Step.{name}"]}
    return out | {"properties": properties, "required": required, "additionalProperties": False}


def _durations(node: Any) -> Any:
    """The same schema, with durations where pydantic would allow any text."""
    if isinstance(node, list):
        return [_durations(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("ge") == 0 and "anyOf" in node:
        return dict(_DURATION)
    return {key: _durations(value) for key, value in node.items()}


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0].replace("``", "`")


def _describe(model: str, properties: Schema) -> None:
    """Put the words of each field beside it."""
    for name, schema in properties.items():
        words = FIELD_WORDS.get(f"{model}.{name}")
        if words:
            schema["description"] = words


def _as_written(schema: Schema, shape: Shape, definitions: Schema) -> None:
    """Turn the model's schema into the file's, in place, definition by definition."""
    done: set[str] = set()

    def fields(holder: Schema, here: Shape) -> None:
        for name, inner in here.fields:
            if name in holder.get("properties", {}):
                holder["properties"][name] = field(holder["properties"][name], inner)

    def field(written: Schema, here: Shape) -> Schema:
        keep = {key: written[key] for key in ("description", "default") if key in written}
        for name in _definitions_of(here):
            if name not in done:
                done.add(name)
                fields(definitions[name], _shape_of_model(here, name))
        if here.kind == "secret":
            return _nullable(dict(_SECRET), written) | keep
        if here.kind == "pairs":
            value = written["items"]["prefixItems"][1]
            keep.pop("default", None)
            return {
                "type": "object",
                "additionalProperties": field(value, here.item or here),
            } | keep
        if here.kind == "duration":
            return {"anyOf": [dict(_DURATION), dict(_VARIABLE)]} | keep
        if here.kind == "list":
            return written
        if here.kind == "fields":
            return written
        return {"anyOf": [*_arms(written), dict(_VARIABLE)]} | keep

    fields(schema, shape)


def _arms(written: Schema) -> list[Schema]:
    notes = ("description", "default", "title")
    bare = {key: value for key, value in written.items() if key not in notes}
    return list(bare["anyOf"]) if "anyOf" in bare else [bare]


def _nullable(schema: Schema, written: Schema) -> Schema:
    if any(arm.get("type") == "null" for arm in written.get("anyOf", ())):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _definitions_of(shape: Shape) -> tuple[str, ...]:
    here = shape.item if shape.item is not None and shape.kind in ("list", "pairs") else shape
    return tuple(model.__name__ for model in here.models)


def _shape_of_model(shape: Shape, name: str) -> Shape:
    here = shape.item if shape.item is not None and shape.kind in ("list", "pairs") else shape
    return next(shape_of(model) for model in here.models if model.__name__ == name)
