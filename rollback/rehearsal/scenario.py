"""One scenario: a world, what happens in it, and the ending it must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollback.connectors.secrets import VariableSecrets
from rollback.errors import RollbackError
from rollback.rehearsal.simulator.process import LIFETIME_S, Simulator
from rollback.rehearsal.simulator.s3 import S3Server
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, document, set_stage
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.wiring import Operator, PlanDocument

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.playbook import Playbook
    from rollback.rehearsal.simulator.world import World
    from rollback.wiring.run_result import RunResult

Progress = Callable[[str, str, str], None]
Shown = Callable[[PlanDocument], None]
APPROVAL_S = 1800


def on_bucket(content: dict[str, Any], server: S3Server) -> dict[str, Any]:
    """Evidence and lease in the bucket that all machines share."""
    store = {
        "kind": "s3",
        "endpoint": server.endpoint,
        "region": "eu-west-1",
        "bucket": server.bucket,
        "access_key_id": "${S3_ACCESS_KEY_ID}",
        "secret_access_key": "${S3_SECRET_ACCESS_KEY}",
    }
    lease = {**content["lease"], "store": {"kind": "s3", "prefix": "leases/"}}
    return {**content, "evidence": {"store": store}, "lease": lease}


def _unseen(plan: PlanDocument) -> None:
    del plan


def _same(world: World) -> World:
    return world


def _nothing(sim: Simulator) -> None:
    del sim


def _as_it_is(content: dict[str, Any]) -> dict[str, Any]:
    return content


@dataclass(frozen=True)
class Scenario:
    """What is staged and how it must end.

    endings: exit statuses that are right. world: changes to the standard story. before_plan and
    before_apply act on the running simulator. settings: changes to the environment file. approvals:
    how many people sign. bucket: evidence and lease are in S3. play: how plan and apply go, where
    it is not the plain way. sends_nothing: no write at all may leave. swaps: how many swaps a site
    must have at the end, None to leave open. unrecorded: a halt may go out without a journal.
    """

    name: str
    about: str
    endings: tuple[int, ...]
    world: Callable[[World], World] = _same
    before_plan: Callable[[Simulator], None] = _nothing
    before_apply: Callable[[Simulator], None] = _nothing
    settings: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    parameters: Mapping[str, str] = field(default_factory=dict)
    trigger: str | None = None
    approvals: int = 2
    attestations: Mapping[str, str] = field(default_factory=dict)
    play: Callable[[Play], int] | None = None
    bucket: bool = False
    sends_nothing: bool = False
    unrecorded: bool = False
    swaps: int | None = None


@dataclass
class Play:
    """A scenario being played: the stage, the simulator, and what came of it so far."""

    scenario: Scenario
    playbook: Playbook
    directory: Path
    sim: Simulator
    stage: Stage
    progress: Progress
    shown: Shown = _unseen
    plans: list[PlanDocument] = field(default_factory=list)
    results: list[RunResult] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def operator(self, state: str = "state") -> Operator:
        """An operator of this environment; another `state` is another laptop."""
        return Operator(
            self.stage.environment,
            state=self.directory / state,
            secrets=VariableSecrets(self.stage.variables),
            user=f"rehearsal on {state}",
        )

    def plan(self, state: str = "state", **parameters: str) -> PlanDocument:
        """Make the plan of the scenario."""
        given = {"bake": "1s", **self.scenario.parameters, **parameters}
        declared = {one.name for one in self.playbook.parameters}
        made = self.operator(state).plan(
            self.playbook,
            incident="INC-REHEARSAL",
            trigger=self.scenario.trigger,
            parameters={name: value for name, value in given.items() if name in declared},
        )
        self.plans.append(made)
        self.shown(made)
        return made

    def undo(self, run: str, state: str = "state") -> PlanDocument:
        """Make the plan that takes a run back."""
        made = self.operator(state).undo(run)
        self.plans.append(made)
        self.shown(made)
        return made

    def approvals(self, plan: PlanDocument, *, lasts_s: int = APPROVAL_S) -> list[bytes]:
        """Signatures of the first people, by throwaway keys."""
        from rollback.approval.sign import approve

        clock, chance = SystemClock(), SystemRandomness()
        return [
            approve(
                plan.digest,
                self.stage.environment.environment,
                key=key,
                now=clock.now(),
                lasts_s=lasts_s,
                nonce=chance.hex(16),
                approver=person,
            ).to_bytes()
            for person, key in self.stage.keys[: self.scenario.approvals]
        ]

    def apply(self, plan: PlanDocument, state: str = "state", **more: Any) -> RunResult:
        """Apply a plan, approved by the scenario's people."""
        given = {"approvals": self.approvals(plan), "attestations": self.scenario.attestations}
        people = [person for person, _ in self.stage.keys[: self.scenario.approvals]]
        if "approvals" not in more and people:
            self.progress("approved", "plan", f"by {', '.join(people)}, with throwaway keys")
        result = self.operator(state).apply(plan, progress=self.progress, **{**given, **more})
        self.results.append(result)
        return result

    def plain(self) -> int:
        """Plan, approve, apply: the plain way."""
        plan = self.plan()
        self.scenario.before_apply(self.sim)
        return self.apply(plan).exit_status


@dataclass(frozen=True)
class Ended:
    """How a scenario ended, and what was seen from the outside."""

    scenario: Scenario
    exit: int
    play: Play
    problem: str = ""


def staged(
    stack: ExitStack,
    scenario: Scenario,
    playbook: Playbook,
    directory: Path,
    progress: Progress,
    shown: Shown = _unseen,
    *,
    lifetime_s: float = LIFETIME_S,
) -> Play:
    """The scenario's world, running, with its environment file; it stops with `stack`.

    lifetime_s: after which it stops by itself, whatever became of who started it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    world = scenario.world(default_world())
    sim = stack.enter_context(
        Simulator.start(directory / "simulator", world, lifetime_s=lifetime_s)
    )
    over = scenario.settings(document(sim))
    if scenario.bucket:
        server = stack.enter_context(S3Server.start(directory / "bucket"))
        over = on_bucket(over, server)
    stage = set_stage(directory, sim, **over)
    return Play(scenario, playbook, directory, sim, stage, progress, shown)


def play(
    scenario: Scenario,
    playbook: Playbook,
    directory: Path,
    progress: Progress,
    judge: Callable[[Play, int], tuple[str, ...]],
    shown: Shown = _unseen,
) -> tuple[int, tuple[str, ...], Play | None]:
    """Play a scenario in its own directory; return its exit status and every broken promise.

    shown: takes each plan when it is made, before anything of it is applied.
    """
    with ExitStack() as stack:
        playing = staged(stack, scenario, playbook, directory, progress, shown)
        scenario.before_plan(playing.sim)
        try:
            exit_ = (scenario.play or Play.plain)(playing)
        except RollbackError as error:
            playing.said.append(str(error))
            progress("stopped", error.code, error.reason)
            exit_ = error.exit_status.value
        problems = judge(playing, exit_)
    return exit_, problems, playing
