"""What a backend says has no one written form: the plan is made all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.wiring import Operator, PlanDocument

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = {"instance": "i-1", "build": "b-1", "startedAt": "0001-01-01T00:00:00+14:00"}
CONTROL = {"global": {"halted": False}, "tenants": {}, "strategies": {}, "schema": 2**60}
ORDERS = {"count": 2**60, "orders": []}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/release", RELEASE), ("/api/control/trading", CONTROL), ("/api/orders/open", ORDERS)],
)
def test_a_strange_answer_is_planned_with(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path / "stage", sim)
        sim.control.fault("status", method="GET", path=path, status=200, count=0, body=body)
        them = Operator(
            stage.environment,
            state=stage.state,
            secrets=VariableSecrets(stage.variables),
            user="ana",
        )
        document = them.plan(playbooks.full_rollback, incident="INC-1")
    assert PlanDocument.read(document.canonical).digest == document.digest
    codes = {one.code for step in document.plan.steps for one in step.refused}
    assert not {code for code in codes if code.startswith("action.")}, (
        "the strange answer broke nothing"
    )
