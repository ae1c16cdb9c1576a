"""Both surfaces of the simulated platform as an environment, and a step acted on it for real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollback.errors import ConnectorError
from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.observation import World
from rollback.model.plan import PlannedStep
from rollback.model.record import Outcome
from rollback.model.scope import Phase
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import digest_of
from tests.actions.loopback import context, environment, opened

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Environment
    from rollback.model.ports import Action, ActionPlan, Look, Verification
    from rollback.model.steps import StepSpec
    from rollback.rehearsal.simulator.process import Simulator

LOOKS_MAX = 400
BUILDS = (names.OLD_BUILD, names.STABLE_BUILD, names.BAD_BUILD, names.THIRD_BUILD)


def surface(kind: str, **changes: Any) -> dict[str, Any]:
    """One surface as a file writes it."""
    site = names.BACKEND if kind == "backend" else names.WEB
    written: dict[str, Any] = {
        "provider": "app-service",
        "site": site,
        "hosts": [names.slot_host(site, names.PRODUCTION)],
        "slot_hosts": [(names.STAGING, names.slot_host(site, names.STAGING))],
        "rollback_floor": names.STABLE_BUILD,
        "last_stable": names.STABLE_BUILD,
        "ways": ["swap", "artifact", "image"],
        "releases": [
            {
                "build": build,
                "image": f"trading.azurecr.io/{site}@{digest_of(site, build)}",
                "control_schema": [3, 5],
                "flags": ["backtest", "smart-routing"],
            }
            for build in BUILDS
        ],
        "pipeline": {
            "repository": names.REPOSITORY,
            "file": f"release-{kind}.yml",
            "token": "${GITHUB_TOKEN}",
        },
    }
    if kind == "backend":
        written |= {"carries_authority": True, "socket_path": "/ws"}
    else:
        written |= {"release_path": "/release.json", "page_path": "/"}
    return {**written, **changes}


def trading(
    sim: Simulator | None = None,
    *,
    backend: dict[str, Any] | None = None,
    web: dict[str, Any] | None = None,
    **changes: Any,
) -> Environment:
    """The environment of the simulated platform. Quiet is over at once: tests do not wait."""
    changes.setdefault("policy", {"quiet_s": 0, "settle_s": 1})
    return environment(
        sim,
        surfaces=[
            ("backend", surface("backend", **(backend or {}))),
            ("web", surface("web", **(web or {}))),
            ("mobile", {"provider": "unsupported", "human_step": "pause the phased release"}),
        ],
        **changes,
    )


@dataclass
class Acted:
    """What acting one step told: the world before, the plan, and a look and problem per change."""

    world: World
    plan: ActionPlan
    looks: dict[str, Look] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    verified: Verification | None = None

    @property
    def outcomes(self) -> dict[str, Outcome | None]:
        """The outcome of each change that was sent."""
        return {name: look.outcome for name, look in self.looks.items()}

    @property
    def refusals(self) -> list[RefusedChange]:
        """The refused changes."""
        return [one for one in self.plan.changes if isinstance(one, RefusedChange)]

    @property
    def codes(self) -> set[str]:
        """Codes of the findings."""
        return {finding.code for finding in self.plan.findings}

    @property
    def reasons(self) -> str:
        """Why nothing is done, and why something may not be."""
        return "; ".join(
            one.reason for one in self.plan.changes if isinstance(one, NoOp | RefusedChange)
        )


def see(env: Environment, action: Action, spec: StepSpec, **changes: Any) -> World:
    """What the action observes."""
    with opened(env) as under:
        world = World(observations=action.observe(context(env, spec, **changes), under.clients))
        assert under.latch.tripped() is None
    return world


def plan(env: Environment, action: Action, spec: StepSpec, **changes: Any) -> Acted:
    """Observe and plan; nothing is sent."""
    world = see(env, action, spec, **changes)
    return Acted(world, action.plan(context(env, spec, **changes), world))


def act(env: Environment, action: Action, spec: StepSpec, **changes: Any) -> Acted:
    """Observe, plan, send each change once, look until it is told, verify."""
    acted = plan(env, action, spec, **changes)
    assert not acted.refusals, acted.reasons
    for change in acted.plan.changes:
        if isinstance(change, Update):
            performed = send(acted, env, action, spec, change, **changes)
            acted.looks[change.id] = look(env, action, spec, change, performed, **changes)
    acted.verified = verify(env, action, spec, acted, **changes)
    return acted


def verify(
    env: Environment, action: Action, spec: StepSpec, acted: Acted, **changes: Any
) -> Verification:
    """Verify what was planned, against the world as it is now."""
    step = context(env, spec, **changes)
    planned = PlannedStep(
        name=step.name,
        action=action.name,
        spec=spec.facts(),
        changes=acted.plan.changes,
        expects=acted.world.observations,
    )
    with opened(env) as under:
        return action.verify(step, planned, under.clients)


def send(
    acted: Acted,
    env: Environment,
    action: Action,
    spec: StepSpec,
    change: Update,
    **changes: Any,
) -> Facts:
    """Send one change once; a problem is kept, as the caller of an action keeps it."""
    with opened(env, change.effects, phase=Phase.APPLY) as under:
        try:
            return action.perform(context(env, spec, **changes), change, under.clients).facts
        except ConnectorError as error:
            acted.problems[change.id] = str(error)
            return ()
        finally:
            assert under.latch.tripped() is None
            assert {under.ledger.left(effect.id) for effect in change.effects} == {0}


def look(
    env: Environment,
    action: Action,
    spec: StepSpec,
    change: Update,
    performed: Facts = (),
    **changes: Any,
) -> Look:
    """Look until the outcome is told. Each look is a read with clients of its own."""
    for _ in range(LOOKS_MAX):
        with opened(env) as under:
            told = action.look(context(env, spec, **changes), change, under.clients, performed)
        if told.outcome is not None:
            return told
        performed = told.facts or performed
    return told
