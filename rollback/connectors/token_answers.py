"""What is asked for a token answers: looked at before azure-identity and msal see it.

Both take what comes (read in azure-identity 1.27.0 and msal 1.39.0). They write an answer that they
cannot read to the log of the process, with whatever secret it repeats; they ask for tokens where
an answer says; they hand a list on as a token; and every failure is one error to them. So what goes
on to them is made anew, of the few parts that were looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from rollback.connectors.crossing import Failure, by_status, chain
from rollback.connectors.values import at, parsed, text

if TYPE_CHECKING:
    from rollback.model.environment import EntraApp

Look = Callable[[Any], None]
"""Looks at an answer: raises TokenAnswerError, or leaves a sound one in its place."""


class Limits(NamedTuple):
    """How long to wait for a connection, and for each piece of an answer, in seconds."""

    connect_s: float
    read_s: float


SIGN_IN = Limits(10.0, 30.0)
METADATA = Limits(1.0, 30.0)
"""It is on this machine's own wire, or not there."""
TOKEN_CHARACTERS_MAX = 32_768
"""The longest token that is taken: servers refuse a head that is longer."""
LASTS_S_MAX = 366 * 86_400
"""The longest that a token may last: more is no time that a sign-in service gives."""
_TOKEN = re.compile(r"[ -~]+")
"""RFC 6749, appendix A.12. What is none of it could not be put into a header."""
_WHOLE = re.compile(r"[0-9]{1,12}")
_REASON = re.compile(r"AADSTS[0-9]{4,8}\b")
_NOT_ACCEPTED = frozenset({400, 401, 403})
_SOMEBODY_ELSE = "see what answers there: a proxy or a log-in page may stand in its place"


def usable(token: object) -> bool:
    """Whether a header can hold it as a token."""
    return (
        isinstance(token, str)
        and len(token) <= TOKEN_CHARACTERS_MAX
        and _TOKEN.fullmatch(token) is not None
    )


class TokenAnswerError(Exception):
    """No token can be had from an answer. failure: why, in our own words and numbers alone."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.what)
        self.failure = failure


class SoundAnswer:
    """The answer that goes on, in the form in which azure-core and azure-identity ask for one."""

    status_code = 200
    content_type = "application/json"

    def __init__(self, document: dict[str, Any]) -> None:
        self.headers: dict[str, str] = {}
        self._text = json.dumps(document)

    def text(self, encoding: str | None = None) -> str:
        """All of it."""
        del encoding
        return self._text


def policies(look: Look, limits: Limits) -> list[Any]:
    """A pipeline of azure-core for a credential: short, and without anything that resends or logs.

    azure-identity's own asks again, writes heads of answers to the log of the process, and lets a
    transport that is given to it wait for five minutes, whatever limits are given beside it.
    """
    from azure.core.pipeline.policies import (
        ContentDecodePolicy,
        RequestIdPolicy,
        SansIOHTTPPolicy,
        UserAgentPolicy,
    )

    class Looking(SansIOHTTPPolicy[Any, Any]):
        """Looks at each answer before any other policy does."""

        def on_request(self, request: Any) -> None:
            request.context.options.pop("retry_on_methods", None)  # of the policy that is left out
            request.context.options.update(
                connection_timeout=limits.connect_s, read_timeout=limits.read_s
            )

        def on_response(self, request: Any, response: Any) -> None:
            del request
            look(response)

    agent = UserAgentPolicy(base_user_agent="trade-rollback", user_agent_use_env=False)
    return [RequestIdPolicy(), agent, ContentDecodePolicy(), Looking()]


def of_sign_in(identity: EntraApp) -> Look:
    """The look for a service principal.

    msal asks for the tenant's public document first: the one that goes on names the configured
    place.
    """
    base = f"https://{identity.authority}/{identity.tenant}"
    place = {
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
    }

    def look(response: Any) -> None:
        document = _document(response.http_response, "the sign-in service")
        if response.http_request.method == "GET":
            response.http_response = SoundAnswer(place)
            return
        response.http_response = SoundAnswer(_token(document, "the sign-in service"))

    return look


def of_metadata(response: Any) -> None:
    """The look for a managed identity."""
    who = "the metadata endpoint"
    response.http_response = SoundAnswer(_token(_document(response.http_response, who), who))


def found_in(error: BaseException) -> TokenAnswerError | None:
    """The error of ours under whatever azure-identity made of it."""
    return next((one for one in chain(error) if isinstance(one, TokenAnswerError)), None)


def _document(answer: Any, who: str) -> dict[str, Any]:
    """The object that a good answer is. Raises TokenAnswerError."""
    status = int(answer.status_code)
    try:
        document = parsed(answer.content)
    except ValueError:
        document = None
    if status != HTTPStatus.OK:
        raise TokenAnswerError(_refused(status, document, who))
    if not isinstance(document, dict):
        raise _unreadable(who, "is not JSON, or no object of it")
    return document


def _refused(status: int, document: Any, who: str) -> Failure:
    """Why, without the status: of the thing that the token was for, it says nothing."""
    known = by_status(status)
    if status in _NOT_ACCEPTED:
        reason = _REASON.match(text(document, "error_description"))
        why = reason[0] if reason else str(status)
        what = f"no token was had: {who} did not accept the credential ({why})"
        return replace(by_status(HTTPStatus.UNAUTHORIZED), what=what)
    what = f"no token was had: {who} answered {status}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        what = f"no token was had: {who} points elsewhere ({status}), where nothing is asked"
    code = known.code if known.transient else "refused"
    return Failure(code, what, transient=known.transient, hint=_SOMEBODY_ELSE)


def _token(document: dict[str, Any], who: str) -> dict[str, Any]:
    """The parts of it that are used. Raises TokenAnswerError where one is not what it should be."""
    token = document.get("access_token")
    if not usable(token):
        raise _unreadable(who, "holds no token, or one that no header can hold")
    if str(document.get("token_type", "Bearer")).lower() != "bearer":
        raise _unreadable(who, "holds a token of another kind")
    lasts_s = _seconds(at(document, "expires_in"))
    if lasts_s is None:
        raise _unreadable(who, "does not say how long its token lasts, or says what cannot be")
    return {"access_token": token, "expires_in": lasts_s, "token_type": "Bearer"}


def _seconds(said: object) -> int | None:
    """A number of seconds: as a number, or in digits, as the metadata endpoint writes it."""
    if isinstance(said, str) and _WHOLE.fullmatch(said):
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return int(said) if 1 <= said <= LASTS_S_MAX else None


def _unreadable(who: str, what: str) -> TokenAnswerError:
    said = f"no token was had: what {who} answered {what}"
    return TokenAnswerError(Failure("unreadable", said, transient=False, hint=_SOMEBODY_ELSE))
