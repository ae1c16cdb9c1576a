"""Synthetic sign-in: a session, its refresh, and tokens that verify by the platform's own keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollback.connectors import platform_service
from rollback.errors import ConnectorError
from rollback.model.ports import Check

if TYPE_CHECKING:
    from rollback.connectors.platform_service import Session
    from rollback.model.environment import Environment
    from rollback.model.ports import Clients


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's token, shown by nothing; empty where nobody is signed in."""

    token: str = field(default="", repr=False)


def sign_in_checks(
    environment: Environment, clients: Clients
) -> tuple[list[Check], SignedIn | None]:
    """Checks, and the refreshed session; None where the environment has no synthetic user."""
    platform = environment.platform
    user = platform.synthetic_user
    host, _ = platform_service.host_and_path(platform.api_url)
    http = clients.http(host)
    problem = platform_service.healthy(http, platform)
    checks = [Check("platform-service is well", not problem, problem or "healthy")]
    if user is None or not platform.auth_enabled:
        return checks, None
    doing = "sign-in"
    try:
        username, password = clients.secret(user.username), clients.secret(user.password)
        session = platform_service.sign_in(http, platform, username, password)
        checks.append(_token(environment, session, doing, clients))
        doing = "session refresh"
        session = platform_service.refresh(http, platform, session)
        checks.append(_token(environment, session, doing, clients))
    except ConnectorError as error:
        return [*checks, Check(doing, holds=False, seen=error.reason)], None
    return checks, SignedIn(session.access_token)


def _token(environment: Environment, session: Session, doing: str, clients: Clients) -> Check:
    """The token verifies, and is of the synthetic user's own tenant."""
    user = environment.platform.synthetic_user
    try:
        seen = platform_service.verify_token(
            session.access_token,
            environment,
            jwks=clients.http,
            secret=clients.secret,
            now=clients.now(),
        )
    except ConnectorError as error:
        return Check(doing, holds=False, seen=f"its token cannot be checked: {error.reason}")
    if not seen.valid:
        return Check(doing, holds=False, seen=seen.problem)
    if user is not None and seen.tenant and seen.tenant != user.tenant:
        return Check(doing, holds=False, seen="its token is of another tenant")
    return Check(doing, holds=True, seen=f"a token that verifies ({seen.algorithm})")
