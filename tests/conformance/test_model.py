"""The proof's model of a plan beside the real run over loopback, for each way that users are moved.

The simulation does so for the shipped playbooks as they are planned there, by a swap. Here are the
other ways, a slot that has to be started first, and the way back.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from playbooks import full_rollback
from rollback.model.record import RecordKind
from rollback.planning.proof.model import Status
from rollback.planning.proof.predicates import reached_builds
from rollback.rehearsal.scenario import Play, Scenario, staged
from rollback.rehearsal.scenarios.undos import UNDOS
from rollback.rehearsal.simulator import names, stories
from rollback.running.journal import check_file
from tests.simulation.conformance import Model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from rollback.model.record import Record
    from rollback.rehearsal.simulator.world import World
    from rollback.wiring import PlanDocument


Led = frozenset[tuple[str, str]]


class Beside(Model):
    """The same, where the run itself proves what it started."""

    def record(self, record: Record) -> str:
        """A proof given in the run is a node that took effect."""
        if record.kind is RecordKind.AUTHORITY and record.text("verdict") == "retained":
            for node in self._system.nodes:
                if node.proves and record.get("builds") == (node.proves,):
                    self._set(node.name, Status.APPLIED)
        return super().record(record)

    def led(self, led: Led) -> str:
        """Where users are led by a rule, and the model does not know of it."""
        for site, build in sorted(led):
            surface = site.removeprefix("trading-")
            may = reached_builds(self._system, self.state, surface)
            if build not in may:
                return f"a rule leads to {build} of {surface}, the model says {sorted(may)}"
        return ""


def led_to(world: World) -> Led:
    """Site and build, where a rule leads users to a slot."""
    return frozenset(
        (site, str(one.serves()))
        for site, home in world.sites.items()
        for rule in home.slots[names.PRODUCTION].ramp_rules
        for name, slot in home.slots.items()
        for one in slot.instances
        if rule.percent and rule.host == names.slot_host(site, name)
    )


class Side:
    """Hears each event of a run; holds the records so far, and the world, against the model."""

    def __init__(self) -> None:
        self.plan: PlanDocument | None = None
        self.broken: list[str] = []
        self.seen: set[str] = set()
        self._play: Play | None = None

    def watch(self, play: Play, plan: PlanDocument) -> None:
        """From now on, a run of this plan."""
        self._play, self.plan = play, plan

    def __call__(self, event: str, step: str, text: str) -> None:
        """One event; called by the one thread that acts."""
        if self._play is None or self.plan is None or event not in {"sent", "looked", "outcome"}:
            return
        world = self._play.sim.control.world()
        model = Beside(self.plan.plan, self._play.stage.environment)
        runs = sorted(self._play.stage.state.glob("runs/*/journal.jsonl"), key=_age)
        for record in check_file(runs[-1]).records:
            if said := model.record(record):
                self.broken.append(f"{event} {step} {text}: {said}")
        if said := model.world(world) or model.led(led_to(world)):
            self.broken.append(f"{event} {step} {text}: {said}")
        for site, home in world.sites.items():
            serving = {one.serves() for one in home.slots[names.PRODUCTION].instances}
            self.seen |= {f"{site} {build}" for build in serving}


def _age(path: Path) -> int:
    return path.stat().st_ctime_ns


def _settings(content: dict[str, Any]) -> dict[str, Any]:
    """Every way; one thread, so that nothing changes between what is recorded and what is seen."""
    surfaces = {
        name: {**one, "ways": ["image", "swap", "artifact"]} if "site" in one else one
        for name, one in content["surfaces"].items()
    }
    policy = {**content["policy"], "steps_at_once_max": 1}
    return {**content, "surfaces": surfaces, "policy": policy}


@dataclass(frozen=True)
class Case:
    """A way there; undone: and back. Not where what lay in the slot cannot be put there again."""

    way: str
    world: Callable[[World], World] = lambda world: world
    undone: bool = False


CASES = {
    "swap": Case("swap", undone=True),
    "swap, of some users first": Case("swap", UNDOS[0].world, undone=True),
    "swap of a slot that a rule leads to": Case(
        "swap", lambda world: stories.ramped(world, names.BACKEND, 20), undone=True
    ),
    "swap of a slot that has to be started": Case(
        "swap", lambda world: stories.stopped(world, names.BACKEND), undone=True
    ),
    "image": Case("image"),
    "artifact": Case(
        "artifact",
        lambda world: stories.holding(world, names.BACKEND, names.STAGING, names.THIRD_BUILD),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_users_are_where_the_model_says_there_and_back(case: Case, tmp_path: Path) -> None:
    side = Side()
    parameters = {"bake": "0s", "way": case.way}
    made = Scenario("", "", (0,), world=case.world, settings=_settings, parameters=parameters)
    with ExitStack() as stack:
        play = staged(stack, made, full_rollback, tmp_path, side)
        plan = play.plan()
        side.watch(play, plan)
        there = play.apply(plan)
        assert (there.exit_status, side.broken) == (0, [])
        assert {
            f"{names.BACKEND} {one}" for one in (names.BAD_BUILD, names.STABLE_BUILD)
        } < side.seen
        if case.undone:
            undo = play.undo(there.run)
            side.watch(play, undo)
            back = play.apply(undo)
            assert (back.exit_status, side.broken) == (0, [])
