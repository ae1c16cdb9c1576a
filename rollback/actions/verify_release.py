"""verify_release: what a user would notice, checked from outside; after the change and after a bake.

Sign-in, session refresh, the token verified by the platform's own key, a cross-tenant read that must
be refused, a socket with and without token, control and flag reads, the build of every instance.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from rollback.actions.surfaces import PRODUCTION, host_of, observe_surface, probes
from rollback.connectors import platform_service, trading_backend
from rollback.errors import ConnectorError, RollbackError
from rollback.model.change import NoOp
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import VerifyRelease as VerifySpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.connectors.platform_service import Session
    from rollback.model.base import Facts
    from rollback.model.change import Update
    from rollback.model.environment import Environment
    from rollback.model.observation import Observation, Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext
    from rollback.model.steps import StepSpec

PROFILE_PATH = "/api/me/profile"
TENANT_PATH = "/api/tenants/{tenant}/profile"
"""Paths of the backend that every user's client reads (the platform contract of the documents)."""


class VerifyRelease:
    """The action. It changes nothing."""

    name = "verify_release"
    spec: type[StepSpec] = VerifySpec

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """What each surface serves."""
        return tuple(
            seen
            for name in getattr(step.spec, "surfaces", ())
            for seen in observe_surface(step, name, clients)
            if seen.resource.endswith(f"/slot/{PRODUCTION}")
        )

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Nothing to change; how long the checks and the bake take."""
        del world
        surfaces = ", ".join(getattr(step.spec, "surfaces", ()))
        reason = f"checks {surfaces} from outside, now and after {_bake(step)} s"
        change = NoOp(id="verify", resource=step.name, reason=reason)
        return ActionPlan(changes=(change,), duration_s_max=_bake(step) + 60)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Nothing changes."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Nothing is sent."""
        del step, change, clients
        return Performed()

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """Nothing was sent."""
        del step, change, clients, performed
        return Look(Outcome.NOT_APPLIED, "this step sends nothing")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Every check, and every check again after the bake."""
        first = _round(step, planned, clients, "now")
        if not all(check.holds for check in first):
            return Verification(first)
        clients.pause(_bake(step))
        return Verification((*first, *_round(step, planned, clients, "after the bake")))


def _bake(step: StepContext) -> int:
    bake = getattr(step.spec, "bake", None)
    return step.environment.policy.bake_s if bake is None else int(bake)


def _round(
    step: StepContext, planned: PlannedStep, clients: Clients, when: str
) -> tuple[Check, ...]:
    environment = step.environment
    checks: list[Check] = []
    for name in getattr(step.spec, "surfaces", ()):
        surface = environment.surface(name)
        checks.append(_builds(environment, planned, name, clients, when))
        if surface.carries_authority:
            checks.extend(_reads(environment, name, clients, when))
            checks.extend(_people(environment, name, clients, when))
    return tuple(checks)


def _builds(
    environment: Environment, planned: PlannedStep, name: str, clients: Clients, when: str
) -> Check:
    title = f"{name}: one build on every instance, {when}"
    try:
        answered = probes(environment, name, PRODUCTION, clients, fresh=True)
    except ConnectorError as error:
        return Check(title, holds=False, seen=error.reason)
    silent = [one for one in answered if not one.answered]
    builds = sorted({one.build for one in answered if one.answered})
    expected = next(
        (
            seen.get("builds", ())
            for seen in planned.expects
            if seen.resource == f"{name}/slot/{PRODUCTION}"
        ),
        (),
    )
    holds = not silent and len(builds) == 1 and tuple(builds) == expected
    unechoed = sum(1 for one in answered if one.echoed is False)
    seen = f"{len(answered)} instances serve {', '.join(builds) or 'nothing'}"
    if silent:
        seen += f", {len(silent)} silent"
    if unechoed:
        seen += f", {unechoed} did not echo x-request-id"
    return Check(title, holds, seen)


def _guarded(title: str, check: Callable[[], str]) -> Check:
    """A check that says what it saw, or why it fails."""
    try:
        return Check(title, holds=True, seen=check())
    except RollbackError as error:
        return Check(title, holds=False, seen=error.reason)


def _reads(
    environment: Environment, name: str, clients: Clients, when: str
) -> tuple[Check, ...]:
    halt = environment.halt_authority
    http = clients.http(host_of(environment.surface(name), PRODUCTION))
    token = clients.secret(halt.token)

    def control() -> str:
        found = trading_backend.trading_control(http, halt.control_path, token)
        halted = ", ".join(one.scope for one in found.halted) or "nothing"
        return f"halted: {halted}"

    def flags() -> str:
        found = trading_backend.feature_flags(http, halt.flags_path, token)
        return f"{len(found)} flags, {sum(one.enabled for one in found)} live"

    return (
        _guarded(f"control state reads, {when}", control),
        _guarded(f"feature flags read, {when}", flags),
    )


def _people(
    environment: Environment, name: str, clients: Clients, when: str
) -> tuple[Check, ...]:
    platform = environment.platform
    user = platform.synthetic_user
    if user is None or not platform.auth_enabled:
        return ()
    host, _ = platform_service.host_and_path(platform.api_url)
    service = clients.http(host)
    sessions: list[Session] = []

    def sign_in() -> str:
        session = platform_service.sign_in(
            service, platform, clients.secret(user.username), clients.secret(user.password)
        )
        sessions.append(platform_service.refresh(service, platform, session))
        return "signed in and refreshed"

    signed = _guarded(f"sign-in and session refresh, {when}", sign_in)
    if not sessions:
        return (signed,)
    token = sessions[0].access_token
    checked = platform_service.verify_token(
        token, environment, jwks=clients.http, secret=clients.secret, now=clients.now()
    )
    seen = f"{checked.algorithm} {checked.problem or 'verifies'}, tenant {checked.tenant}"
    verified = Check(
        f"token verifies by the platform's key, {when}",
        checked.valid and checked.tenant == user.tenant,
        seen,
    )
    return (signed, verified, *_as_user(environment, name, clients, token, when))


def _as_user(
    environment: Environment, name: str, clients: Clients, token: str, when: str
) -> tuple[Check, ...]:
    user = environment.platform.synthetic_user
    surface = environment.surface(name)
    http = clients.http(host_of(surface, PRODUCTION))
    headers = trading_backend.bearer(token)

    def status(path: str) -> tuple[int | None, str]:
        try:
            answer = http.get(path, headers=headers, fresh=True)
        except ConnectorError as error:
            return error.status, error.reason
        return answer.status, f"answered {answer.status}"

    own, own_seen = status(PROFILE_PATH)
    other = user.other_tenant if user is not None else ""
    foreign, foreign_seen = status(TENANT_PATH.format(tenant=other))
    checks = [
        Check(f"own profile reads, {when}", own == HTTPStatus.OK, own_seen),
        Check(
            f"another tenant's profile is refused, {when}",
            foreign in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
            foreign_seen,
        ),
    ]
    if surface.socket_path is not None:
        with_token = trading_backend.socket_hello(http, surface.socket_path, token)
        without = trading_backend.socket_hello(http, surface.socket_path)
        opened = f"opened, build {with_token.build}" if with_token.opened else with_token.problem
        checks.append(Check(f"socket with token, {when}", with_token.opened, opened))
        told = f"build {without.build}" if without.build else "refused"
        checks.append(Check(f"socket without token is refused, {when}", not without.build, told))
    return tuple(checks)
