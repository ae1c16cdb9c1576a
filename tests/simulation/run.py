"""One schedule, from the plan to the last resume, with every checker looking on."""

from __future__ import annotations

import contextlib
import io
import pickle
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus, InputError, PlanStale, RollbackError
from rollback.model.direction import Direction
from rollback.rehearsal.simulator.verbs import authority, halt_trading
from rollback.wiring.apply import apply_plan, resume_run
from rollback.wiring.asked import Asked
from tests.simulation import checkers
from tests.simulation.floor import standing_on
from tests.simulation.watch import Sitting, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.record import Record
    from rollback.rehearsal.simulator.world import World
    from rollback.wiring.run_result import RunResult
    from tests.simulation.baton import Actor
    from tests.simulation.fate import Fate, Point, Struck
    from tests.simulation.ground import Ground
    from tests.simulation.scene import Scene

SITTINGS_MAX = 6
"""After so many, nothing goes wrong any more: then a run must come to its end."""

BETWEEN_S = 75.0
"""Between two sittings a person notices; a lease of a dead holder runs out meanwhile."""

_NOTHING_BEGUN = frozenset({"run.not-begun", "run.no-plan", "journal.empty"})


@dataclass(frozen=True)
class Told:
    """What came of a schedule. broken: a line a broken promise; story: numbered lines."""

    broken: tuple[str, ...]
    endings: tuple[str, ...]
    points: tuple[Point, ...]
    struck: tuple[Struck, ...]
    story: tuple[str, ...]
    window_s_max: float
    records: tuple[Record, ...] = ()

    def text(self) -> str:
        """The story as people read it."""
        lines = [f"{number:5d}  {line}" for number, line in enumerate(self.story, start=1)]
        lines += [f"endings: {', '.join(self.endings)}"]
        lines += [f"BROKEN   {line}" for line in self.broken] or ["every promise was kept"]
        return "\n".join(lines)


def tell(
    scene: Scene,
    fate: Fate,
    *,
    halt_at_s: float = 0.0,
    lost_at_s: float = 0.0,
    seals: bool = False,
    sdks: bool = True,
    grounded: Callable[[Ground], None] = lambda _: None,
) -> Told:
    """Run one schedule.

    halt_at_s: when an operator halts trading. lost_at_s: when halt authority is lost everywhere.
    seals: the bundle is sealed and rendered at the end of each sitting. sdks: on the floor with the SDKs, else on the fast one. grounded: is given the
    ground before anybody starts.
    """
    ground = scene.ground(fate)
    ground.seals = seals
    before: World = pickle.loads(scene.world)  # noqa: S301 - our own bytes
    watch = ground.watch = Watch(scene, ground)
    grounded(ground)
    if halt_at_s:
        ground.baton.at(halt_at_s, lambda: _operator_halts(ground))
    if lost_at_s:
        ground.baton.at(lost_at_s, lambda: _authority_is_lost(ground))
    errors = io.StringIO()
    with standing_on(ground, sdks=sdks), contextlib.redirect_stderr(Lines(watch, errors)):
        for number in range(1, SITTINGS_MAX + 2):
            ground.calm = number > SITTINGS_MAX
            sitting = _sit(scene, ground, watch, number)
            if sitting.died:
                ground.baton.now_s += BETWEEN_S
                continue
            if not ground.calm and sitting.exit != 0:
                number_left = SITTINGS_MAX + 1
                ground.calm = True
                ground.baton.now_s += BETWEEN_S
                sitting = _sit(scene, ground, watch, number_left)
            if sitting.exit == ExitStatus.PERSON:
                ground.calm = True
                ground.baton.now_s += BETWEEN_S
                _sit(scene, ground, watch, SITTINGS_MAX + 2, said=said_by(watch, sitting))
            break
        ground.baton.settle()
        checkers.at_end(watch, before)
    return told_of(scene, ground, watch)


def told_of(scene: Scene, ground: Ground, watch: Watch) -> Told:
    for trace in ground.baton.uncaught:
        watch.breaks("defect", f"a traceback at a person's screen: {trace}")
    return Told(
        broken=tuple(watch.broken),
        endings=tuple("died" if one.died else str(one.exit) for one in watch.sittings),
        points=tuple(ground.points),
        struck=tuple(ground.struck),
        story=tuple(line.replace(str(scene.directory), "DIR") for line in ground.story),
        window_s_max=watch.window_s_max,
        records=tuple(one.record for one in watch.log) if len(watch.sittings) == 1 else (),
    )


def said_by(watch: Watch, sitting: Sitting) -> dict[str, str]:
    """What a person says who looked at the platform: the truth, of every write in doubt."""
    said: dict[str, str] = {}
    for step, change in sitting.plan.plan.updates:
        truth = checkers.effect_in(watch.ground.world, change)
        if change.direction is Direction.AWAY and truth is not None:
            for effect in change.effects:
                said[effect.id] = "applied" if truth else "not-applied"
        del step
    return said


def _operator_halts(ground: Ground) -> None:
    ground.halted = True
    halt_trading(ground.simulation)
    ground.tell("an operator halts trading")


def _authority_is_lost(ground: Ground) -> None:
    ground.lost_at_s = ground.baton.now_s
    authority(ground.simulation, behaviour="denies")
    ground.tell("every instance begins to deny halting")


class Lines(io.TextIOBase):
    """Standard error, kept for the checkers."""

    def __init__(self, watch: Watch, whole: io.StringIO) -> None:
        self._watch = watch
        self._whole = whole

    def write(self, text: str) -> int:
        if text.strip():
            self._watch.output.append(text)
        return self._whole.write(text)


def _sit(
    scene: Scene,
    ground: Ground,
    watch: Watch,
    number: int,
    said: dict[str, str] | None = None,
    who: str = "A",
) -> Sitting:
    """One process that applies the plan or goes on with the run, to its end or its death."""
    sitting, _ = begin(scene, ground, watch, f"{who}.{number}", said)
    ground.baton.run()
    ended(ground, watch, sitting)
    return sitting


def begin(
    scene: Scene,
    ground: Ground,
    watch: Watch,
    name: str,
    said: dict[str, str] | None = None,
    *,
    skew_s: float = 0.0,
) -> tuple[Sitting, Actor]:
    """A process begins; it runs when it gets the baton. A's and B's are two laptops."""
    process = ground.process(name)
    process.skew_s = skew_s
    state = "state" if name.startswith("A") else "state-2"
    sitting = Sitting(process.name, scene.plan, state, calm=ground.calm)
    watch.sittings.append(sitting)
    ground.tell(f"{process.name} starts{' (nothing goes wrong any more)' if ground.calm else ''}")

    def work() -> None:
        try:
            result = _as_people_do(scene, ground, watch, sitting, said)
            sitting.exit, sitting.said = result.exit_status, str(result.steps)
        except RollbackError as error:
            sitting.exit, sitting.said = error.exit_status.value, f"{error.code}: {error.reason}"
            watch.output.append(str(error))
        except Exception:  # noqa: BLE001 - a traceback at a person's screen is a defect, always
            sitting.exit, sitting.said = 70, traceback.format_exc()
            watch.breaks("defect", sitting.said)

    return sitting, ground.baton.start(f"{process.name} main", process, work)


def ended(ground: Ground, watch: Watch, sitting: Sitting) -> None:
    for disk in ground.disks.get(sitting.process, ()):
        disk.let_go()
    sitting.running = False
    sitting.died = next(one for one in ground.processes if one.name == sitting.process).dead
    checkers.at_sitting_end(watch, sitting)
    how = "died" if sitting.died else sitting.exit
    ground.tell(f"{sitting.process} ended: {how} {sitting.said}")


def _as_people_do(
    scene: Scene,
    ground: Ground,
    watch: Watch,
    sitting: Sitting,
    said: dict[str, str] | None,
) -> RunResult:
    """Resume what is there; apply where nothing was begun; as the hints say."""
    process = ground.baton.actor.process
    setting = scene.setting(ground, process, sitting.state)

    def progress(kind: str, step: str, text: str) -> None:
        watch.output.append(f"{kind} {step} {text}")
        if kind not in {"looked", "waiting"}:
            ground.tell(f"{process.name} says {kind} {step} {text}".rstrip())

    asked = Asked(progress=progress)
    runs = setting.state.runs()
    if runs:
        try:
            return resume_run(setting, runs[0].run, replace(asked, said=said), scene.approvals)
        except InputError as error:
            if error.code not in _NOTHING_BEGUN:
                raise
            ground.tell(f"{process.name} says {error}")
    try:
        return apply_plan(setting, scene.plan, asked, scene.approvals)
    except PlanStale as error:
        applied = setting.state.applied_by(scene.plan.digest)
        if error.code != "plan.applied" or applied is None:
            raise
        return resume_run(setting, applied, asked, scene.approvals)
