"""What a script at night gets wrong is said in words, with what to do instead."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from playbooks import halt_only
from rollback import Environment, Operator
from rollback.errors import InputError, Refused

REHEARSAL = Path(__file__).parents[2] / "examples/environments/rehearsal.yaml"


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(Environment.load(REHEARSAL, {}), state=tmp_path)


@pytest.mark.parametrize(
    ("slip", "wanted", "hint"),
    [
        (lambda _: Operator("production.yaml"), "Environment", "`Environment.load(FILE)` reads one"),  # type: ignore[arg-type]
        (lambda one: one.plan("full-rollback"), "Playbook", "`load_playbook(FILE)` reads one"),
        (lambda one: one.apply("plan.json"), "PlanDocument", "`PlanDocument.load(FILE)` reads one"),
        (lambda one: one.apply(halt_only), "PlanDocument", "`PlanDocument.load(FILE)` reads one"),
    ],
)
def test_a_file_in_place_of_what_it_holds(operator: Operator, slip: Any, wanted: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        slip(operator)
    assert caught.value.code == "input.type"
    assert caught.value.reason.startswith(f"{wanted} is wanted here, not ")
    assert hint in caught.value.hint


def test_a_traceback_names_every_line_that_is_wrong(tmp_path: Path) -> None:
    """A script that catches nothing shows no more than its traceback."""
    file = tmp_path / "environment.yaml"
    file.write_text(REHEARSAL.read_text().replace("owner:", "ownr:"))
    with pytest.raises(InputError) as caught:
        Environment.load(file, {})
    shown = "".join(traceback.format_exception(caught.value))
    assert caught.value.complaints
    for one in caught.value.complaints:
        assert str(one) in shown
    assert shown.rstrip().endswith(f"hint: {caught.value.hint}")


def test_an_error_without_a_hint_has_no_note() -> None:
    assert not hasattr(Refused("a.b", "c"), "__notes__")


@pytest.mark.parametrize(("module", "typed"), [("playbooks", "full_rolback"), ("rollback", "Operater")])
def test_a_name_that_is_nearly_one_is_told(module: str, typed: str) -> None:
    """By Python itself, which is told where to look."""
    program = f"import {module}; {module}.{typed}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    meant = {"full_rolback": "full_rollback", "Operater": "Operator"}[typed]
    assert done.stderr.rstrip().endswith(f"has no attribute '{typed}'. Did you mean: '{meant}'?")
