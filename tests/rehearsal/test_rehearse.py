"""The main job, as a newcomer sees it: `rollback rehearse`."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from playbooks import full_rollback
from rollback import Environment, Operator
from rollback.approval.sign import approve
from rollback.cli.main import run
from rollback.connectors.secrets import VariableSecrets
from rollback.rehearsal.run import rehearse
from rollback.rehearsal.simulator import names


def test_a_clean_rehearsal_ends_as_stated_and_keeps_every_promise(tmp_path: Path) -> None:
    said: list[str] = []
    assert rehearse(None, "clean", keep=tmp_path, out=said.append, talk=said.append) == 0
    text = "\n".join(said)
    assert "BROKEN" not in text
    assert text.count("kept   ") == 8


def test_an_unknown_scenario_is_bad_input_and_names_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["rehearse", "--scenario", "no-such"]) == 2
    assert "clean" in capsys.readouterr().err


# --- by hand -------------------------------------------------------------------------------------


def _plan_and_apply(root: Path) -> None:
    """What people do in another terminal."""
    variables = dict(
        line.removeprefix("export ").split("=", 1)
        for line in (root / "variables.sh").read_text().splitlines()
    )
    operator = Operator(
        Environment.load(variables["ROLLBACK_ENVIRONMENT"], variables),
        state=variables["ROLLBACK_STATE"],
        secrets=VariableSecrets(variables),
    )
    plan = operator.plan(full_rollback, parameters={"bake": "1s"})
    signed = [
        approve(
            plan.digest, plan.plan.environment, key=root / f"{name}_ed25519", now=datetime.now(UTC),
            lasts_s=1800, nonce="0" * 32, approver=f"{name}@trading.example",
        ).to_bytes()
        for name in ("ana", "ben")
    ]  # fmt: skip
    assert operator.apply(plan, approvals=signed).exit_status == 0


def test_by_hand_people_do_it_and_the_promises_are_checked_all_the_same(tmp_path: Path) -> None:
    out: list[str] = []
    ended = rehearse(keep=tmp_path, out=out.append, wait=lambda: _plan_and_apply(tmp_path))
    said = "\n".join(out)
    assert ended == 0, said
    assert f". {tmp_path}/variables.sh" in said
    assert "2 writes received, 0 of them not in a plan and a journal" in said
    assert "trading-backend 1, trading-web 1" in said


def test_by_hand_the_platform_does_not_go_away_in_the_middle_of_a_practice(tmp_path: Path) -> None:
    lives: list[float] = []

    def wait() -> None:
        for children in Path("/proc/self/task").glob("*/children"):
            for child in children.read_text().split():
                said = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
                if "--lifetime-s" in said:
                    lives.append(float(said[said.index("--lifetime-s") + 1]))

    assert rehearse(keep=tmp_path, out=lambda _: None, wait=wait) == 0
    assert lives
    assert min(lives) >= 8 * 3600


def test_by_hand_a_promise_that_people_break_is_told(tmp_path: Path) -> None:
    out: list[str] = []

    def leak() -> None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "notes.txt").write_text(names.OPERATOR_TOKEN)
        raise KeyboardInterrupt

    assert rehearse(keep=tmp_path, out=out.append, wait=leak) == 1
    assert any("BROKEN no-secret-leaves" in line for line in out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_by_hand_hears_an_interrupt_also_where_it_was_started_deaf(
    tmp_path: Path, number: signal.Signals
) -> None:
    """As a shell without job control starts what it runs in the background."""
    said = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    said += "from rollback.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", said, "rehearse", "--by-hand", "--keep", str(tmp_path / "kept")],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ctrl-C here ends it"):
                break
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait() == 0
    assert "promises, seen from the outside:" in rest
