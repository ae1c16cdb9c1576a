"""A secret that everybody can read is refused before anything is read or sent, and not repeated."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.errors import InputError
from rollback.loading.environment import Environment
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import document, set_stage, variables_of
from rollback.wiring import Operator
from tests.wiring.test_edited_halts import bad_canary
from tests.wiring.test_edited_halts import operator as halting

NOWHERE: Any = SimpleNamespace(resolve={}, ca_file=None)


def operator(state: Path, **variables: str) -> Operator:
    environment = Environment.read(json.dumps(document(NOWHERE)), variables_of())
    secrets = VariableSecrets({**variables_of(), **variables})
    return Operator(environment, state=state, secrets=secrets)


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("s3cret!", "secret.too-short", "what SYNTHETIC_PASSWORD holds"),
        ("production", "secret.plain", "the environment file, at cutover_stage"),
        ("not-applied", "secret.plain", "the words of every plan"),
        ("revert_deployment", "secret.plain", "the words of every plan"),
        ("#trading-rehearsal", "secret.plain", "the environment file, at owner.contact"),
        ("rehearsal-trading", "secret.plain", "the environment file, at environment"),
    ],
)
def test_nothing_is_planned_or_looked_at_with_it(tmp_path: Path, value: str, code: str, said: str) -> None:
    them = operator(tmp_path, SYNTHETIC_PASSWORD=value)
    for ask in (lambda: them.plan(playbooks.halt_only), them.doctor):
        with pytest.raises(InputError) as caught:
            ask()
        assert (caught.value.code, caught.value.promise) == (code, "no-secret-leaves")
        assert said in caught.value.reason
        assert "unset" in caught.value.hint
        assert value not in f"{caught.value}{caught.value.hint}"


def test_what_a_playbook_says_is_no_secret_either(tmp_path: Path) -> None:
    plain = playbooks.halt_only.model_copy(update={"summary": "Stop, says correct-horse."})
    with pytest.raises(InputError) as caught:
        operator(tmp_path, SYNTHETIC_PASSWORD="correct-horse").plan(plain)
    assert caught.value.code == "secret.plain"
    assert "correct-horse" not in f"{caught.value}{caught.value.hint}"


def test_a_variable_that_is_not_set_stops_nobody(tmp_path: Path) -> None:
    assert operator(tmp_path, SYNTHETIC_PASSWORD="").environment.environment == "rehearsal-trading"


@pytest.mark.parametrize("value", ["s3cret!", "rehearsal-trading"])
def test_a_halt_that_is_planned_waits_for_no_better_password(tmp_path: Path, value: str) -> None:
    with Simulator.start(tmp_path / "simulator", bad_canary()) as sim:
        stage = set_stage(tmp_path / "stage", sim)
        made = halting(stage).plan(playbooks.halt_only, incident="INC-1")
        stage.variables["SYNTHETIC_PASSWORD"] = value
        ran = halting(stage).apply(made, only_safe=True)
        rules = sim.control.world().sites[names.BACKEND].slots[names.PRODUCTION].ramp_rules
    assert ran.exit_status == 0, ran
    assert not rules
