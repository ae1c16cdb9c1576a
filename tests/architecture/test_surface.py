"""What embedders import and pass: a name that goes, or changes, is a change that they notice."""

from __future__ import annotations

import inspect

import rollback
from rollback import Operator, Stores


def test_the_names_of_the_facade() -> None:
    assert dir(rollback) == [
        "Catalogue", "Environment", "Operator", "PlanDocument", "Playbook", "ProcessWatch",
        "RollbackError", "RunResult", "Stores", "load_playbook",
    ]  # fmt: skip
    for name in dir(rollback):
        assert getattr(rollback, name) is not None


def test_what_an_operator_is_made_of() -> None:
    assert list(inspect.signature(Operator).parameters) == [
        "environment", "state", "secrets", "clock", "randomness", "catalogue", "user", "watch",
        "stores",
    ]  # fmt: skip
    assert list(inspect.signature(Stores).parameters) == ["evidence", "mirror"]
