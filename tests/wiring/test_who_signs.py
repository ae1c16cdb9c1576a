"""Who signs a plan, and for how long: on the whole road, from a signature to what was sent."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import playbooks
from rollback.approval.sign import approve
from rollback.connectors.secrets import VariableSecrets
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import APPROVERS, Stage, set_stage
from rollback.running.clock import SystemClock
from rollback.wiring import Operator, PlanDocument
from rollback.wiring.named_files import check_named_files
from rollback.wiring.withheld import approval_problem, checked_approvals
from tests.builders import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.model.ports import Clock

ANA, BEN = APPROVERS
LASTS_S = 3000
"""How long each signature holds; the plan itself may be begun for 3,600 s."""


class SetForward(SystemClock):
    """The machine's clock, set forward by so many seconds once somebody says so."""

    ahead_s = 0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)


@dataclass(frozen=True)
class Desk:
    """A simulated platform and the environment that two people approve in."""

    sim: Simulator
    stage: Stage

    def operator(self, user: str, clock: Clock | None = None) -> Operator:
        secrets = VariableSecrets(self.stage.variables)
        return Operator(
            self.stage.environment, state=self.stage.state, secrets=secrets, user=user, clock=clock
        )

    def signed(self, document: PlanDocument, *keys: Path) -> list[bytes]:
        return [
            approve(
                document.digest,
                self.stage.environment.environment,
                key=key,
                now=SystemClock().now(),
                lasts_s=LASTS_S,
                nonce=f"{number:032x}",
            ).to_bytes()
            for number, key in enumerate(keys)
        ]

    def swaps(self) -> Counter[str]:
        """How often each site was swapped."""
        paths = [entry.path for entry in self.sim.control.ledger() if entry.write]
        return Counter(path.split("/sites/")[1].split("/")[0] for path in paths if "swap" in path)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Simulator.start(tmp_path / "simulator") as sim:
        yield Desk(sim, set_stage(tmp_path / "stage", sim))


def second_key(desk: Desk, person: str) -> Path:
    """Another key of one person, on a line of its own in the allowed-signers file."""
    key = desk.stage.directory / "second"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    with (desk.stage.directory / "allowed_signers").open("a") as signers:
        signers.write(f'{person} namespaces="plan-approval@trade-rollback" {public}')
    return key


def test_who_planned_is_one_of_the_two_and_never_both(desk: Desk) -> None:
    (_, of_ana), (_, of_ben) = desk.stage.keys
    operator = desk.operator(ANA)
    document = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
    assert document.plan.planned_by == ANA
    assert document.plan.approvals.count == 2

    other = second_key(desk, ANA)
    first = operator.apply(document, approvals=desk.signed(document, of_ana, other))
    assert first.exit_status == 4
    assert not desk.swaps(), "two keys of one person are one person"

    second = operator.resume(first.run, approvals=desk.signed(document, of_ben))
    assert second.exit_status == 0, second.steps
    assert set(desk.swaps().values()) == {1}


def test_the_signature_of_another_plan_is_left_out_the_next_time(desk: Desk) -> None:
    """Given by a slip, as where a plan was made anew. It must not block the run for good."""
    operator = desk.operator(ANA)
    keys = [key for _, key in desk.stage.keys]
    earlier, document = (
        operator.plan(playbooks.web_only, parameters={"bake": "1s"}) for _ in range(2)
    )
    of_this, of_earlier = desk.signed(document, *keys), desk.signed(earlier, *keys)
    first = operator.apply(document, approvals=[*of_this, of_earlier[0]])
    assert first.exit_status == 3
    why = " ".join(reason for _, _, reason in first.steps)
    assert f"approval 3 does not belong to this plan: it is for the plan {earlier.digest[:12]}" in why
    assert not desk.swaps()

    again = operator.resume(first.run, approvals=[of_earlier[1]])
    assert again.exit_status == 3, "nor does it count the second time"
    assert not desk.swaps()

    last = operator.resume(first.run, approvals=of_this)
    assert last.exit_status == 0, last.steps
    assert set(desk.swaps().values()) == {1}


def test_approvals_that_run_out_after_the_first_move_part_nothing(desk: Desk) -> None:
    clock = SetForward()
    operator = desk.operator(ANA, clock)
    document = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
    first, _ = (step.name for step, change in document.plan.updates if change.moves_users)

    def forward(kind: str, step: str, words: str) -> None:
        del words
        if (kind, step) == ("outcome", first):
            clock.ahead_s = LASTS_S + 60

    keys = [key for _, key in desk.stage.keys]
    ended = operator.apply(document, approvals=desk.signed(document, *keys), progress=forward)
    assert clock.ahead_s
    assert ended.exit_status == 0, ended.steps
    assert set(desk.swaps().values()) == {1}
    assert len(desk.swaps()) == 2, "the other surface was moved too"


def test_approvals_that_run_out_before_the_first_move_let_nothing_go(desk: Desk) -> None:
    """What tells the test above from one that looks at no expiry at all."""
    clock = SetForward()
    operator = desk.operator(ANA, clock)
    document = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
    first = next(step.name for step, change in document.plan.updates if change.moves_users)
    keys = [key for _, key in desk.stage.keys]
    approvals = desk.signed(document, *keys)

    def forward(kind: str, step: str, words: str) -> None:
        del words
        if (kind, step) == ("done", f"capture-before/{first}"):
            clock.ahead_s = LASTS_S + 60

    ended = operator.apply(document, approvals=approvals, progress=forward)
    assert clock.ahead_s
    assert ended.exit_status == 4, ended.steps
    assert not desk.swaps()


REVOKED = {"allowed_signers": "allowed_signers", "revoked_keys": "revoked", "required": 2}


def test_a_revoked_key_counts_for_nothing(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "simulator") as sim:
        desk = Desk(sim, set_stage(tmp_path / "stage", sim, approvals=REVOKED))
        revoked = desk.stage.directory / "revoked"
        document = PlanDocument.of(make_plan(environment=desk.stage.environment.environment))
        approvals = desk.signed(document, *(key for _, key in desk.stage.keys))
        setting = desk.operator(ANA).setting

        revoked.write_text("# nobody\n")
        both = checked_approvals(setting, document, approvals)
        assert [person for person, _ in both.accepted] == [ANA, BEN]

        revoked.write_bytes(desk.stage.keys[1][1].with_suffix(".pub").read_bytes())
        one = checked_approvals(setting, document, approvals)
        assert [person for person, _ in one.accepted] == [ANA]
        assert [problem.code for problem in one.problems] == ["approval.revoked"]

        for nothing in (None, b"SSHKRL\n\0\xff", b"ssh-ed25519\n"):
            revoked.unlink(missing_ok=True)
            if nothing is not None:
                revoked.write_bytes(nothing)
            problem = approval_problem(setting, document, approvals)
            assert problem is not None, nothing
            assert problem.exit_status == 4, nothing
            assert check_named_files(desk.stage.environment), "said before the night, too"


def test_a_list_of_revoked_keys_that_is_gone_moves_nobody(tmp_path: Path) -> None:
    with Simulator.start(tmp_path / "simulator") as sim:
        desk = Desk(sim, set_stage(tmp_path / "stage", sim, approvals=REVOKED))
        operator = desk.operator(ANA)
        document = operator.plan(playbooks.full_rollback, parameters={"bake": "1s"})
        keys = [key for _, key in desk.stage.keys]
        ended = operator.apply(document, approvals=desk.signed(document, *keys))
        assert ended.exit_status == 4
        assert not desk.swaps()
        assert "revoked keys in revoked cannot be read" in " ".join(
            why for _, _, why in ended.steps
        )
