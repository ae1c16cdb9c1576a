"""A run that waited for a signature: what was captured before its moves is not all there is (A5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.verify import verify_bundle
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.wiring import Operator
from tests.signed import approvals


def outcomes(journal: str) -> list[str]:
    """`step#change` of every outcome, in order."""
    found = []
    for line in Path(journal).read_bytes().splitlines():
        record: dict[str, Any] = json.loads(line)
        if record["kind"] == "outcome":
            body = {fact["name"]: fact["value"] for fact in record["body"]}
            found.append(f"{body['step']}#{body['change']}")
    return found


def test_the_last_capture_is_made_again_after_moves_that_a_resume_made(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path / "stage", sim)
        operator = Operator(
            stage.environment, state=stage.state, secrets=VariableSecrets(stage.variables)
        )
        document = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
        ana, ben = approvals(stage, document)
        first = operator.apply(document, approvals=[ana])
        assert first.exit_status == 4
        before = outcomes(first.journal_path)
        assert before[-1].startswith("seal#")

        second = operator.resume(first.run, approvals=[ben])
        assert second.exit_status == 0, second.steps
        again = outcomes(second.journal_path)[len(before) :]
        moves = [one for one in again if one.startswith(("revert", "traffic"))]
        assert moves
        seals = [one for one in again if one.startswith("seal#")]
        assert seals
        assert again.index(seals[0]) > again.index(moves[-1])
        check = verify_bundle(Path(second.bundle_path))
        assert check.holds, check.problems

        third = operator.resume(first.run)
        assert third.exit_status == 0
        assert outcomes(third.journal_path) == [*before, *again], "nothing is left to be captured"
