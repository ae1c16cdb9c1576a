"""restore_traffic: route all users to the reverted release, absolutely, and prove it (row A3).

Proof comes from outside: at least 20 samples a host, no cache, fresh connections, the page with every
chunk it names, and the build over a new web socket.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollback.actions.halt_rollout import PINNED_S, rules_of
from rollback.actions.surfaces import PRODUCTION, observe_surface, reference
from rollback.connectors import trading_backend
from rollback.connectors.app_service_effects import ramp_rules_effect
from rollback.errors import ConnectorError
from rollback.model.base import facts
from rollback.model.change import Change, NoOp, Update
from rollback.model.direction import Direction, Undo
from rollback.model.observation import Prediction
from rollback.model.plan import Exposure
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import RestoreTraffic

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

_CHUNK = re.compile(r"""<script[^>]+src=["'](/[^"'?#]+)["']""")
_META = re.compile(r"""<meta\s+name=["']build["']\s+content=["']([^"']+)["']""")


class RestoreTrafficAction:
    """See the module."""

    name = "restore_traffic"
    spec: type[StepSpec] = RestoreTraffic

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Slots and rules of every surface of the step."""
        return tuple(
            seen
            for name in getattr(step.spec, "surfaces", ())
            for seen in observe_surface(step, name, clients)
            if not seen.resource.endswith("/history")
        )

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """No ramp-up rule left: production, which holds the release, takes everybody."""
        changes: list[Change] = []
        exposures: list[Exposure] = []
        for name in getattr(step.spec, "surfaces", ()):
            surface = step.environment.surface(name)
            resource = f"{name}/traffic"
            rules = rules_of(world.get(resource, "rules", ()))
            if not rules:
                changes.append(
                    NoOp(
                        id=f"rules-{name}",
                        resource=resource,
                        reason="no ramp-up rule: production takes all users already",
                    )
                )
                continue
            held = world.get(resource, "rules", ())
            exposures.append(
                Exposure(
                    surface=name,
                    who="users pinned to a slot by the x-ms-routing-name cookie",
                    count=surface.pinned_users,
                    until_s=PINNED_S,
                )
            )
            changes.append(
                Update(
                    id=f"rules-{name}",
                    resource=resource,
                    summary=f"send all {name} users to production",
                    before=facts(rules=held),
                    after=facts(rules=()),
                    effects=(
                        ramp_rules_effect(
                            step.environment.azure,
                            reference(step.environment, surface),
                            (),
                            id=f"{step.name}#rules-{name}",
                            direction=Direction.AWAY,
                            undo=Undo(
                                possible=True, by="setting the recorded rules again"
                            ),
                        ),
                    ),
                    direction=Direction.AWAY,
                    surface=name,
                    settle_s_max=30,
                    poll_s=1,
                    predicts=(Prediction(resource=resource, compared=facts(rules=())),),
                )
            )
        settle = getattr(step.spec, "settle", None) or step.environment.policy.settle_s
        return ActionPlan(tuple(changes), (), tuple(exposures), (), settle + 60)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """What the change itself declares."""
        del step
        return change.predicts

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Set the rules."""
        surface = step.environment.surface(change.surface or "")
        clients.arm().set_ramp_rules(reference(step.environment, surface), ())
        return Performed()

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """Read the rules back."""
        del performed
        surface = step.environment.surface(change.surface or "")
        left = (
            clients.arm().configuration(reference(step.environment, surface)).ramp_rules
        )
        if not left:
            return Look(Outcome.APPLIED, "no rule is left")
        return Look(
            Outcome.NOT_APPLIED,
            f"rules are left: {', '.join(one.name for one in left)}",
        )

    def verify(
        self, step: StepContext, planned: PlannedStep, clients: Clients
    ) -> Verification:
        """Sample every host from outside, after the reconnect storm had time to settle."""
        environment = step.environment
        settle = getattr(step.spec, "settle", None)
        clients.pause(environment.policy.settle_s if settle is None else settle)
        samples = int(getattr(step.spec, "samples", 20))
        checks: list[Check] = []
        for name in getattr(step.spec, "surfaces", ()):
            expected = _expected(planned, name)
            surface = environment.surface(name)
            for host in surface.hosts:
                checks.append(
                    _sampled(environment, name, host, samples, expected, clients)
                )
                if surface.page_path is not None:
                    checks.append(_page(host, surface.page_path, expected, clients))
                if surface.socket_path is not None:
                    checks.append(
                        _socket(
                            environment, host, surface.socket_path, expected, clients
                        )
                    )
        return Verification(tuple(checks))


def _expected(planned: PlannedStep, name: str) -> str:
    """The build that the plan's world holds in production when this step runs."""
    for seen in planned.expects:
        if seen.resource == f"{name}/slot/{PRODUCTION}":
            found = seen.get("builds", ())
            if isinstance(found, tuple) and len(found) == 1:
                return str(found[0])
    return ""


def _sampled(
    environment: Environment,
    name: str,
    host: str,
    samples: int,
    expected: str,
    clients: Clients,
) -> Check:
    surface = environment.surface(name)
    seen: dict[str, int] = {}
    instances: set[str] = set()
    http = clients.http(host)
    for _ in range(samples):
        probe = trading_backend.release(http, surface.release_path, fresh=True)
        key = probe.build if probe.answered else f"no answer ({probe.problem})"
        seen[key] = seen.get(key, 0) + 1
        instances.add(probe.instance)
    counted = ", ".join(f"{build} x{count}" for build, count in sorted(seen.items()))
    holds = set(seen) == {expected} and bool(expected)
    said = f"{samples} samples on {len(instances)} instances: {counted}; expected {expected or 'one build'}"
    return Check(f"{name}: {host} serves one build", holds, said)


def _page(host: str, path: str, expected: str, clients: Clients) -> Check:
    """The page names the build, and every chunk it names is there and of that build."""
    http = clients.http(host)
    title = f"page of {host} and its chunks"
    try:
        page = http.get(path, fresh=True).body.decode(errors="replace")
        chunks = _CHUNK.findall(page)
        bodies = [(chunk, http.get(chunk, fresh=True)) for chunk in chunks]
    except ConnectorError as error:
        return Check(title, holds=False, seen=error.reason)
    named = _META.search(page)
    build = named[1] if named else ""
    missing = [chunk for chunk, answer in bodies if answer.status != 200]
    other = [
        chunk
        for chunk, answer in bodies
        if expected
        and b"build:" in answer.body
        and expected.encode() not in answer.body
    ]
    holds = build == expected and bool(chunks) and not missing and not other
    seen = f"build {build or 'unnamed'}, {len(chunks)} chunks"
    if missing or other:
        seen += f", missing {missing}, of another build {other}"
    return Check(title, holds, seen)


def _socket(
    environment: Environment, host: str, path: str, expected: str, clients: Clients
) -> Check:
    token = clients.secret(environment.halt_authority.token)
    hello = trading_backend.socket_hello(clients.http(host), path, token)
    seen = (
        f"opened, build {hello.build}"
        if hello.opened
        else f"did not open: {hello.problem}"
    )
    return Check(
        f"web socket of {host}", hello.opened and hello.build == expected, seen
    )
