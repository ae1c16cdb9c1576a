"""Without a key of the Cosmos account: the whole rollback, as the production example is shown."""

from __future__ import annotations

from pathlib import Path

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.verify import verify_bundle
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import document, set_stage
from rollback.wiring import Operator
from tests.signed import approvals


def test_all_of_it_without_a_key(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "simulator") as sim:
        cosmos = {name: value for name, value in document(sim)["cosmos"].items() if name != "key"}
        stage = set_stage(tmp_path / "stage", sim, cosmos=cosmos | {"entra": True})
        variables = {name: value for name, value in stage.variables.items() if name != "COSMOS_KEY"}
        operator = Operator(
            stage.environment, state=stage.state, secrets=VariableSecrets(variables), user="ana"
        )
        plan = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
        ran = operator.apply(plan, approvals=approvals(stage, plan))
    assert ran.exit_status == 0, ran
    manifest = verify_bundle(Path(ran.bundle_path)).manifest
    assert manifest is not None
    read = [one for one in manifest.windows if one.source.startswith("cosmos")]
    assert {one.completeness for one in read} == {"complete"}
    assert sum(one.items for one in read if one.source == "cosmos/audit_log") > 0
