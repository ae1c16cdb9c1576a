"""What a schedule starts from: an environment, a world, and a plan made in it; kept, not remade."""

from __future__ import annotations

import atexit
import pickle
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.model.record import RecordKind
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import auto_swapping, default_world
from rollback.rehearsal.stage import document, set_stage
from rollback.running.store import StateDirectory
from rollback.wiring.catalogue import built_in
from rollback.wiring.operator import Operator
from rollback.wiring.setting import Setting
from tests.running.fakes import SeededRandomness
from tests.simulation.baton import Process
from tests.simulation.fate import Scripted
from tests.simulation.floor import standing_on
from tests.simulation.ground import ALIASES, Ground
from tests.simulation.timeline import START

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.playbook import Playbook
    from rollback.rehearsal.simulator.world import World
    from rollback.rehearsal.stage import Stage
    from rollback.wiring.plan_document import PlanDocument

SHIPPED = ("halt-only", "preserve-evidence", "web-only", "backend-only", "full-rollback")
AUDIT_DOCUMENTS = 12
"""Documents of an audit container: enough for a capture, few enough for a million of them."""


@dataclass(frozen=True)
class _Nowhere:
    """In place of a running simulator: there is no address, as there is no socket."""

    resolve: dict[str, str] = field(default_factory=dict)
    ca_file: str = field(default_factory=certifi.where)


@dataclass(frozen=True)
class Scene:
    """A plan that waits to be applied. world: pickled, so that each schedule has its own."""

    playbook: str
    directory: Path
    stage: Stage
    world: bytes
    plan: PlanDocument
    approvals: tuple[bytes, ...]
    sources: dict[str, int] = field(default_factory=dict)
    """Capture step -> how many sources it asks where nothing goes wrong."""

    def ground(self, fate: Any) -> Ground:
        """A fresh world and an empty disk."""
        for name in ("state", "state-2", "evidence-store", "leases"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        return Ground(pickle.loads(self.world), fate)  # noqa: S301 - our own bytes

    @property
    def secret_names(self) -> frozenset[str]:
        """Variables whose values are secret."""
        return frozenset(
            name
            for name in self.stage.variables
            if name.endswith(("_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "ACCESS_KEY"))
        )

    @property
    def environment(self) -> Environment:
        """The environment of the plan."""
        return self.stage.environment

    def setting(self, ground: Ground, process: Process, state: str = "state") -> Setting:
        """What an operator works with, on this ground."""
        return setting_of(self.stage, self.directory / state, ground, process)


def setting_of(stage: Stage, state: Path, ground: Ground, process: Process) -> Setting:
    """The setting of one process."""
    return Setting(
        environment=stage.environment,
        state=StateDirectory(state),
        secrets=VariableSecrets(stage.variables),
        clock=ground.clock(process),
        randomness=SeededRandomness(f"{process.name}"),
        catalogue=built_in(),
        user="ana",
    )


def playbook_named(name: str) -> Playbook:
    """A shipped playbook."""
    found: Playbook = getattr(playbooks, name.replace("-", "_"))
    return found


def story() -> World:
    """A bad release is live on both sites, the next one would swap itself in."""
    world = default_world(START)
    for container in world.containers.values():
        container.generated = min(container.generated, AUDIT_DOCUMENTS)
    for site in (names.BACKEND, names.WEB):
        world = auto_swapping(world, site)
    return world


def root() -> Path:
    """A folder in memory where the machine has one: a schedule writes thousands of small files."""
    memory = Path("/dev/shm")  # noqa: S108 - tmpfs
    made = tempfile.mkdtemp(prefix="rollback-simulation-", dir=memory if memory.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


HERE = Path("/proc/self/cwd")
"""The working folder of whichever process asks; only where there is such a link."""


@cache
def scene(playbook: str) -> Scene:
    """The scene of a shipped playbook; planned once, on the same ground, without faults."""
    return scene_in(playbook, root())


def scene_in(playbook: str, directory: Path) -> Scene:
    """The same, in a folder that is there."""
    stage = set_stage(directory, _Nowhere(), **_settings())  # type: ignore[arg-type]
    world = story()
    ground = Ground(world, Scripted())
    pickled = pickle.dumps(world)
    made: list[PlanDocument] = []
    process = ground.process("planner")

    def plan() -> None:
        operator = Operator.__new__(Operator)
        operator.setting = setting_of(stage, directory / "state", ground, process)
        chosen = playbook_named(playbook)
        declared = {one.name for one in chosen.parameters}
        given = {name: text for name, text in {"bake": "5s"}.items() if name in declared}
        made.append(operator.plan(chosen, incident="INC-7", parameters=given))

    with standing_on(ground, sdks=False):
        actor = ground.baton.start("planner", process, plan)
        ground.baton.run()
    if actor.failed is not None:
        raise actor.failed
    signed = _signed(stage, made[0])
    found = Scene(playbook, directory, stage, pickled, made[0], signed)
    found.sources.update(_sources(found))
    return found


def _sources(clean: Scene) -> dict[str, int]:
    from tests.simulation.run import tell

    counted: dict[str, int] = {}
    told = tell(clean, Scripted(), sdks=False)
    if told.endings != ("0",) or told.broken:
        msg = f"a run in which nothing goes wrong does not end well:\n{told.text()}"
        raise AssertionError(msg)
    for record in told.records:
        if record.kind is RecordKind.EVIDENCE and record.text("performed/sources"):
            counted[record.text("step")] = int(record.text("performed/sources"))
    return counted


def _settings() -> dict[str, Any]:
    content = document(_Nowhere())  # type: ignore[arg-type]
    web = content["surfaces"]["web"]
    two_hosts = {**web, "hosts": [*web["hosts"], *ALIASES]}
    return {
        "surfaces": {**content["surfaces"], "web": two_hosts},
        "halt_authority": {**content["halt_authority"], "watch_interval_s": 15},
        "lease": {"store": {"kind": "folder", "path": "leases"}, "ttl_s": 20, "renew_s": 5},
        "policy": {
            **content["policy"],
            "swap_s_max": 120,
            "busy_s_max": 60,
            "poll_s": 20,
            "quiet_s": 5,
        },
    }


def _signed(stage: Stage, plan: PlanDocument) -> tuple[bytes, ...]:
    from rollback.approval.sign import approve

    chance = SeededRandomness("approvals")
    return tuple(
        approve(
            plan.digest,
            stage.environment.environment,
            key=key,
            now=START,
            lasts_s=3000,
            nonce=chance.hex(16),
            approver=person,
        ).to_bytes()
        for person, key in stage.keys
    )
