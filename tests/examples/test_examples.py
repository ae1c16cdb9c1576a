"""Each example against the simulated platform: what it says it does is what happens."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rollback import Operator, PlanDocument, load_playbook
from rollback.connectors.secrets import VariableSecrets
from rollback.model.steps import BUILT_IN
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring.catalogue import built_in

ROOT = Path(__file__).parents[2]
ORDERS = len(default_world().orders)


def example(name: str) -> ModuleType:
    """The example as a module of its own, as if it had been copied somewhere else."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / f"examples/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


OWN = example("own_action")
PLAYBOOK = """
playbook: quiet-book
summary: Nothing goes on while too many orders are open.
steps:
  - orders: {action: open_orders_at_most, surface: backend, most: MOST}
  - seal: {action: snapshot_audit_logs, sources: volatile, after: [orders]}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("examples")
    world = default_world()
    world.builds[names.BAD_BUILD].failing_paths = ()  # what is counted can be counted
    with Simulator.start(folder / "simulator", world) as sim:
        yield set_stage(folder / "stage", sim)


def operator(stage: Stage) -> Operator:
    return Operator(
        stage.environment,
        state=stage.state,
        secrets=VariableSecrets(stage.variables),
        catalogue=built_in().with_actions(OWN.OpenOrdersAtMostAction()),
    )


def planned(stage: Stage, most: int) -> PlanDocument:
    playbook = load_playbook(PLAYBOOK.replace("MOST", str(most)), (*BUILT_IN, OWN.OpenOrdersAtMost))
    return operator(stage).plan(playbook)


def test_the_incident_script_keeps_the_plan_and_prints_it(stage: Stage, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, ROOT / "examples/incident.py", stage.directory / "environment.yaml", "INC-9"],
        cwd=tmp_path,
        env={**os.environ, **stage.variables, "ROLLBACK_STATE": str(stage.state)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    kept = PlanDocument.load(tmp_path / "INC-9.plan.json")
    assert kept.plan.incident == "INC-9"
    assert kept.digest in ran.stdout


def test_the_alert_handler_halts_and_moves_nobody(stage: Stage) -> None:
    answer = example("alert_handler").on_alert(operator(stage), "INC-10", "tenant-leak")
    assert answer.halted
    assert answer.digest in answer.markdown
    (run,) = (one for one in operator(stage).status() if one.playbook == "full-rollback")
    done = {name for name, status, _ in run.steps if status == "done"}
    assert "halt" in done
    assert not {name for name in done if name.startswith(("revert", "traffic"))}


@pytest.mark.parametrize(("most", "ends"), [(ORDERS, 0), (ORDERS - 1, 8)])
def test_an_action_of_ones_own_lets_go_on_or_stops(stage: Stage, most: int, ends: int) -> None:
    plan = planned(stage, most)
    assert int(plan.exit_status) == 0
    assert ("orders are open; this step waits" in plan.to_markdown()) is (ends != 0)
    result = operator(stage).apply(plan)
    assert result.exit_status == ends
    became = {name: (status, why) for name, status, why in result.steps}
    status, why = became["orders"]
    assert status == ("done" if ends == 0 else "failed")
    assert (f"at most {most} orders are open: {ORDERS} are open" in why) is (ends != 0)
