import ast
from pathlib import Path

import rollback
from rollback.model.steps import BUILT_IN, ReleaseHold, RestoreRecorded, StepSpec, traits_of
from rollback.model.traits import Traits

SPECS: tuple[type[StepSpec], ...] = (*BUILT_IN, ReleaseHold, RestoreRecorded)


def _name(spec: type[StepSpec]) -> str:
    return str(spec.model_fields["action"].default)


def test_an_action_has_the_traits_that_its_specification_declares() -> None:
    for spec in SPECS:
        assert traits_of(_name(spec)) is spec.traits


def test_an_action_of_a_third_party_is_a_plain_one() -> None:
    assert traits_of("limit_open_orders") == Traits()


def test_no_module_decides_by_the_name_of_an_action() -> None:
    names = {_name(spec) for spec in SPECS}
    compared = [
        f"{file}:{node.lineno}"
        for file in sorted(Path(rollback.__path__[0]).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in names
    ]
    assert not compared
