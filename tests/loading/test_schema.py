"""Schemas and words: current, complete, and of one mind with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from rollback.loading.plan_words import PLAN_EXAMPLES, PLAN_WORDS
from rollback.loading.reference import PAGES, with_tables
from rollback.loading.schema import environment_schema, plan_schema, playbook_schema, text_of
from rollback.loading.shape import Shape, shape_of
from rollback.loading.words import FIELD_WORDS, PATTERN_WORDS
from rollback.model.base import Frozen
from rollback.model.environment import Environment
from rollback.model.playbook import Parameter, Playbook
from rollback.model.steps import BUILT_IN

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    "playbook": playbook_schema(),
    "environment": environment_schema(),
    "plan": plan_schema(),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_current(name: str) -> None:
    """`make reference` writes it anew."""
    assert (ROOT / f"docs/reference/schema/{name}.json").read_text() == text_of(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


def problems(name: str, tree: object) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMAS[name]).iter_errors(tree)]


@pytest.mark.parametrize("file", sorted((ROOT / "playbooks").glob("*.yaml")), ids=lambda f: f.stem)
def test_shipped_playbooks_satisfy_their_schema_and_say_where_it_is(file: Path) -> None:
    text = file.read_text()
    assert problems("playbook", yaml.safe_load(text)) == []
    said = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / said).resolve() == ROOT / "docs/reference/schema/playbook.json"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "examples/environments").glob("*.yaml")), ids=lambda f: f.stem
)
def test_example_environments_satisfy_their_schema_and_say_where_it_is(file: Path) -> None:
    text = file.read_text()
    assert problems("environment", yaml.safe_load(text)) == []
    said = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / said).resolve() == ROOT / "docs/reference/schema/environment.json"


@pytest.mark.parametrize(
    "step",
    [
        {"action": "halt_rolout", "surfaces": ["web"]},
        {"action": "halt_rollout"},
        {"action": "halt_rollout", "surface": "web", "surfaces": ["web"]},
        {"action": "snapshot_audit_logs", "window": "soon"},
        {"action": "restore_traffic", "surface": "web", "samples": 5},
        {"action": "retain_trade_halt", "aftr": []},
    ],
)
def test_the_playbook_schema_refuses_what_the_loader_refuses(step: dict[str, Any]) -> None:
    assert problems("playbook", {"playbook": "p", "summary": "s", "steps": [{"a": step}]})


def test_the_environment_schema_refuses_a_literal_secret() -> None:
    tree = yaml.safe_load((ROOT / "examples/environments/rehearsal.yaml").read_text())
    tree["cosmos"]["key"] = "hunter2"
    assert problems("environment", tree)


def fields(shape: Shape) -> set[str]:
    """Every ``Model.field`` that can be written below a shape."""
    found = {f"{model.__name__}.{name}" for model in shape.models for name in shape_of(model).names}
    for _, inner in shape.fields:
        found |= fields(inner)
    return found | (fields(shape.item) if shape.item else set())


def test_every_field_has_words_and_no_words_are_left_over() -> None:
    expected = fields(shape_of(Environment))
    expected |= {f"Playbook.{name}" for name in shape_of(Playbook).names}
    expected |= {f"Parameter.{name}" for name in shape_of(Parameter).names if name != "name"}
    expected |= {"Step.after", "Step.on_failure"}
    for spec in BUILT_IN:
        expected |= {f"{spec.__name__}.{name}" for name in shape_of(spec).names if name != "action"}
    assert set(FIELD_WORDS) == expected


def test_every_field_of_a_plan_has_words_and_its_examples_are_valid() -> None:
    schema = SCHEMAS["plan"]
    models = {"Plan": schema, **schema["$defs"]}
    written = {
        f"{model}.{name}": field
        for model, held in models.items()
        for name, field in held.get("properties", {}).items()
    }
    assert set(written) == set(PLAN_WORDS)
    assert set(PLAN_EXAMPLES) < set(PLAN_WORDS)
    for key, example in PLAN_EXAMPLES.items():
        assert written[key]["examples"] == [example]
        Draft202012Validator({**written[key], "$defs": schema["$defs"]}).validate(example)


def patterns(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set()
        return own.union(*(patterns(value) for value in node.values()))
    return set().union(*(patterns(value) for value in node)) if isinstance(node, list) else set()


def test_every_pattern_has_words() -> None:
    models: tuple[type[Frozen], ...] = (Environment, Playbook, *BUILT_IN)
    seen = set().union(*(patterns(model.model_json_schema()) for model in models))
    assert set(PATTERN_WORDS) == seen


@pytest.mark.parametrize("page", ["playbook-file.md", "environment-file.md"])
def test_the_tables_of_the_reference_pages_are_current(page: str) -> None:
    """`make reference` writes them anew."""
    text = (ROOT / "docs/reference" / page).read_text()
    assert with_tables(text) == text


def test_the_reference_pages_show_every_model() -> None:
    text = "".join((ROOT / "docs/reference" / page).read_text() for page in PAGES)
    for key in FIELD_WORDS:
        assert f"<!-- fields: {key.split('.')[0]} -->" in text
