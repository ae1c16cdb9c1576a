"""The spool is where the plan says, whoever applies it and wherever their state is (evidence-first)."""

from __future__ import annotations

import shutil
from pathlib import Path

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.verify import verify_bundle
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.wiring import Operator
from tests.signed import approvals


def test_what_was_spooled_under_another_state_is_sealed(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path / "stage", sim)
        environment = stage.environment
        secrets = VariableSecrets(stage.variables)
        planned = Operator(environment, state=stage.state, secrets=secrets)
        document = planned.plan(playbooks.full_rollback, parameters={"bake": "1s"})
        store = Path(environment.base) / environment.evidence.store.path  # type: ignore[union-attr]
        shutil.rmtree(store, ignore_errors=True)
        store.write_text("not a folder: the store takes nothing")
        elsewhere = Operator(environment, state=tmp_path / "elsewhere", secrets=secrets)
        ran = elsewhere.apply(document, approvals=approvals(stage, document))
    check = verify_bundle(Path(ran.bundle_path))
    assert check.holds, check.problems
    assert check.manifest is not None
    assert check.manifest.spooled
    assert not [one for one in check.manifest.windows if one.completeness == "unknown"]
