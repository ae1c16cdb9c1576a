"""What users do, done as a synthetic user: from outside, after the change and after a bake.

Sign-in, session refresh, tokens that verify, another tenant's data refused, a web socket with and
without a token, control and flag reads, the page with every chunk it names, and the build of every
instance. It reads only; a check that could not be made does not hold.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.actions.surfaces import observe_surfaces
from rollback.connectors.together import both
from rollback.model.change import Finding, NoOp
from rollback.model.durations import spoken
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.slots import PRODUCTION
from rollback.model.steps import VerifyRelease as VerifyReleaseSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.base import Facts
    from rollback.model.change import Update
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext

_SECONDS_A_ROUND = 60


class VerifyRelease:
    """The action. Stateless."""

    name = "verify_release"
    spec = VerifyReleaseSpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Production of every surface: the plan's world says which build it will hold."""
        return observe_surfaces(step, _surfaces(step), clients, frozenset())

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """No change. The bake is part of how long the step takes."""
        del world
        bake = _bake_s(step)
        changes = tuple(
            NoOp(
                id=f"verify-{name}",
                resource=f"{name}/slot/{PRODUCTION}",
                reason=f"verified from outside after the change and again after {spoken(bake)}",
            )
            for name in _surfaces(step)
        )
        return ActionPlan(
            changes=changes,
            findings=_findings(step),
            duration_s_max=bake + 2 * _SECONDS_A_ROUND,
        )

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Nothing is changed."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Nothing is sent."""
        del step, change, clients
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Nothing was sent, so there is nothing to look for."""
        del step, change, clients, performed
        return Look(Outcome.NOT_APPLIED, "this step sends nothing")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """All checks now and, where they hold, again after the bake; then releases on hold."""
        from rollback.actions.held_seen import held_check

        bake = _bake_s(step)

        def held() -> tuple[tuple[Check, ...], tuple[Finding, ...]]:
            return held_check(step.environment, _surfaces(step), clients)

        def last(when: str) -> tuple[tuple[Check, ...], tuple[Check, ...], tuple[Finding, ...]]:
            own, (on_hold, notes) = both(
                clients.together, lambda: _round(step, planned, clients, when), held
            )
            return own, on_hold, notes

        if not bake:
            checks, on_hold, notes = last("")
            return Verification((*checks, *on_hold), notes)
        first = _round(step, planned, clients, "")
        if not Verification(first).holds:
            on_hold, notes = held()
            return Verification((*first, *on_hold), notes)
        clients.pause(bake)
        checks, on_hold, notes = last(f" after {spoken(bake)}")
        return Verification((*first, *checks, *on_hold), notes)


def _round(
    step: StepContext, planned: PlannedStep, clients: Clients, when: str
) -> tuple[Check, ...]:
    from rollback.actions.outside_checks import backend_checks, release_check, web_checks
    from rollback.actions.sign_in_checks import SignedIn, sign_in_checks

    environment = step.environment
    names = _surfaces(step)

    def served(name: str) -> list[Check]:
        surface = environment.surface(name)
        build = _expected(planned, name)
        reads: list[Callable[[], list[Check]]] = [
            lambda: [release_check(environment, name, build, clients)]
        ]
        if surface.page_path is not None:
            reads.append(lambda: web_checks(name, surface, build, clients))
        return [one for made in clients.together(reads) for one in made]

    def signed_in() -> tuple[list[Check], dict[str, list[Check]]]:
        """The session, and what is read as its user."""
        checks, session = sign_in_checks(environment, clients)
        carrying = [name for name in names if environment.surface(name).carries_authority]
        reads = [
            partial(
                backend_checks,
                environment,
                name,
                _expected(planned, name),
                session or SignedIn(),
                clients,
            )
            for name in carrying
        ]
        return checks, dict(zip(carrying, clients.together(reads), strict=True))

    (checks, as_user), each = both(
        clients.together,
        signed_in,
        lambda: clients.together([partial(served, name) for name in names]),
    )
    for name, made in zip(names, each, strict=True):
        checks = [*checks, *made, *as_user.get(name, ())]
    return tuple(Check(f"{one.name}{when}", one.holds, one.seen, one.weight) for one in checks)


def _surfaces(step: StepContext) -> tuple[str, ...]:
    wanted = step.spec.surfaces_named
    known = step.environment
    return tuple(name for name in wanted if known.surface(name).provider == "app-service")


def _bake_s(step: StepContext) -> int:
    given = getattr(step.spec, "bake", None)
    return step.environment.policy.bake_s if given is None else int(given)


def _expected(planned: PlannedStep, name: str) -> str:
    """The build that the plan's world holds in production when this step runs."""
    for seen in planned.expects:
        if seen.resource == f"{name}/slot/{PRODUCTION}":
            builds = seen.get("builds")
            if isinstance(builds, tuple) and len(builds) == 1:
                return str(builds[0])
    return ""


def _findings(step: StepContext) -> tuple[Finding, ...]:
    platform = step.environment.platform
    if not platform.auth_enabled or platform.synthetic_user is not None:
        return ()
    return (
        Finding(
            weight="weak",
            code="verify.no-synthetic-user",
            text="no synthetic user is configured: sign-in, refresh and tenant isolation are not "
            "verified",
            step=step.name,
        ),
    )
