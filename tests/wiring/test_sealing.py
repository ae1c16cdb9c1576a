"""A run whose bundle cannot be written is not said to be done; resuming it seals it."""

from __future__ import annotations

from pathlib import Path

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.verify import verify_bundle
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.wiring import Operator


def test_a_run_that_could_not_be_sealed_is_sealed_by_its_resume(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "simulator") as sim:
        stage = set_stage(tmp_path / "stage", sim)
        operator = Operator(
            stage.environment, state=stage.state, secrets=VariableSecrets(stage.variables)
        )
        said: list[str] = []

        def in_the_way(kind: str, step: str, text: str) -> None:
            """Where the bundle is written aside there is a file as soon as the last step is done."""
            said.append(f"{kind} {step} {text}")
            if (kind, step) == ("done", "seal"):
                for run in (stage.state / "runs").iterdir():
                    run.joinpath("evidence").mkdir(exist_ok=True)
                    run.joinpath("evidence", ".sealing").write_bytes(b"")

        first = operator.apply(operator.plan(playbooks.halt_only), progress=in_the_way)
        assert {status for _, status, _ in first.steps} == {"done"}
        assert first.exit_status == 9, "what is not sealed is not done"
        assert first.bundle_path == ""
        assert any(line.startswith("not sealed bundle") for line in said)
        resumes = f"the evidence is not sealed: `rollback resume {first.run}` seals it"
        assert resumes in first.next_moves
        evidence = stage.state / "runs" / first.run / "evidence"
        assert not list(evidence.glob("bundle-*"))

        evidence.joinpath(".sealing").unlink()
        evidence.joinpath(".sealing").mkdir()
        evidence.joinpath(".sealing", "plan.json").write_bytes(b"half of i")

        second = operator.resume(first.run)
        assert second.exit_status == 0, second.steps
        assert verify_bundle(Path(second.bundle_path)).holds
        assert [one.name for one in evidence.glob("bundle-*")] == ["bundle-1"]
        assert not evidence.joinpath(".sealing").exists()
