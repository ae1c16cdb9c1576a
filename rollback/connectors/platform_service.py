"""platform-service: synthetic sign-in, session refresh, and whether its tokens verify.

Tokens are secrets: they live in a `Session`, which shows nothing of itself, and in no error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rollback.connectors.crossing import by_status
from rollback.connectors.token_answers import usable
from rollback.connectors.values import number, parsed, text
from rollback.errors import ConnectorError
from rollback.guard.wire import first_use
from rollback.model.base import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rollback.model.environment import Environment, Jwt, Platform, Secret
    from rollback.model.ports import Answer, HttpPort

_JSON = (("content-type", "application/json"), ("accept", "application/json"))
_ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
LEEWAY_S = 5


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in session. Its tokens are in no representation of it."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


class TokenCheck(Frozen):
    """Whether a token verifies, and what it says of whom. algorithm: as its header names it."""

    valid: bool
    subject: str = ""
    tenant: str = ""
    algorithm: str = ""
    problem: str = ""


def host_and_path(url: str, path: str = "") -> tuple[str, str]:
    """The host (with its port where one is written) and the path of an address."""
    parts = urlsplit(url)
    return parts.netloc.lower(), (parts.path.rstrip("/") + path) or "/"


def sign_in(http: HttpPort, platform: Platform, username: str, password: str) -> Session:
    """Sign a synthetic user in. Raises ConnectorError, which never quotes the answer."""
    given = {"grant_type": "password", "username": username, "password": password}
    return _session(http, platform, given, "signing in")


def refresh(http: HttpPort, platform: Platform, session: Session) -> Session:
    """Refresh a session. Raises ConnectorError."""
    given = {"grant_type": "refresh_token", "refresh_token": session.refresh_token}
    return _session(http, platform, given, "refreshing the session")


def healthy(http: HttpPort, platform: Platform) -> str:
    """Empty where the health path answers 200; otherwise why not."""
    _, path = host_and_path(platform.api_url, platform.health_path)
    try:
        answer = http.get(path, fresh=True)
    except ConnectorError as error:
        return error.reason
    return "" if answer.status == HTTPStatus.OK else f"answered {answer.status}"


def verify_token(
    token: str,
    environment: Environment,
    *,
    jwks: Callable[[str], HttpPort],
    secret: Callable[[Secret], str],
    now: datetime,
) -> TokenCheck:
    """Check a token by the environment's JWKS, public key, or (compatibility only) HS256 secret.

    jwks: gives the port of the host of the key set. now: the run's clock, for expiry.
    Raises ConnectorError where the key set cannot be read; a bad token is an answer.
    """
    first_use.load(first_use.TOKENS)
    import jwt

    declared = environment.platform.jwt
    if declared.secret is not None and environment.compatibility != "hs256":
        return TokenCheck(valid=False, problem="HS256 is accepted in compatibility only")
    try:
        header = jwt.get_unverified_header(token)
        allowed = ["HS256"] if declared.secret is not None else _ASYMMETRIC
        algorithm = str(header.get("alg", ""))
        if algorithm not in allowed:
            return TokenCheck(valid=False, problem="its algorithm is not accepted here")
        key = _key(declared, header, jwks, secret)
        if key is None:
            return TokenCheck(
                valid=False, algorithm=algorithm, problem="the key set does not have its key"
            )
        claims = _claims(token, key, algorithm, declared)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        return TokenCheck(valid=False, problem=f"it does not verify ({type(error).__name__})")
    expires = number(claims, "exp")
    if expires is None or expires + LEEWAY_S < now.timestamp():
        return TokenCheck(valid=False, algorithm=algorithm, problem="it has expired")
    return TokenCheck(
        valid=True,
        subject=text(claims, "sub"),
        tenant=text(claims, "tenant"),
        algorithm=algorithm,
    )


def _claims(token: str, key: Any, algorithm: str, declared: Jwt) -> dict[str, Any]:
    import jwt

    required = ["exp", "sub", "iss"] + (["aud"] if declared.audience else [])
    # Times are held against the run's clock by the caller, not against the process's.
    return jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        issuer=declared.issuer,
        audience=declared.audience,
        options={
            "require": required,
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": declared.audience is not None,
        },
    )


def _key(
    declared: Jwt,
    header: dict[str, Any],
    jwks: Callable[[str], HttpPort],
    secret: Callable[[Secret], str],
) -> Any:
    import jwt

    if declared.secret is not None:
        return secret(declared.secret)
    if declared.public_key is not None:
        return secret(declared.public_key)
    host, path = host_and_path(declared.jwks_url or "")
    answer = jwks(host).get(path, headers=(("cache-control", "no-cache"),))
    if answer.status != HTTPStatus.OK:
        raise _refused(answer, "reading the key set")
    keys = jwt.PyJWKSet.from_dict(parsed(answer.body)).keys
    wanted = header.get("kid")
    if wanted is None and len(keys) == 1:
        return keys[0]
    return next((key for key in keys if wanted is not None and key.key_id == wanted), None)


def _session(http: HttpPort, platform: Platform, given: dict[str, str], doing: str) -> Session:
    _, path = host_and_path(platform.api_url, platform.token_path)
    answer = http.exchange(path, json.dumps(given).encode(), _JSON)
    if answer.status != HTTPStatus.OK:
        raise _refused(answer, doing)
    try:
        said = parsed(answer.body)
    except ValueError:
        said = None
    access, again = text(said, "access_token"), text(said, "refresh_token")
    if not usable(access) or not again:
        code, reason = "platform-service.unreadable", f"{doing}: the answer has no usable tokens"
        raise ConnectorError(code, reason, transient=False, status=200)
    return Session(access, again)


def _refused(answer: Answer, doing: str) -> ConnectorError:
    failure = by_status(answer.status)
    return ConnectorError(
        f"platform-service.{failure.code}",
        f"{doing}: {failure.what}",
        transient=failure.transient,
        status=answer.status,
        hint=failure.hint,
    )
