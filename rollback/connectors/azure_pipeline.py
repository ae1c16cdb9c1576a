"""The azure-core pipeline of Resource Manager clients: short, and without anything that resends.

Left out on purpose: the retry policy (it resends POST and PATCH on 500, 503, 504 and 429), the
redirect policy, the policy that registers resource providers (it writes), challenge handling (it
resends after 401), and logging.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rollback.connectors.crossing import Failure, by_status
from rollback.connectors.identity import KeptCredential
from rollback.connectors.token_answers import found_in

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline import PipelineRequest, PipelineResponse

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60

LIMITS: dict[str, int] = {"connection_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S}
"""Passed with every call; azure-core's own limits are five minutes."""


_TOO_MUCH = Failure(
    "unreadable",
    "the answer could not be read: it is larger, or takes longer, than it may",
    transient=False,
)
"""What an answer that the guard stops taking is to azure-core: an answer without a status."""


class WrongHostError(Exception):
    """A token for one host was about to be sent to another."""


def policies(credential: TokenCredential, host: str) -> list[Any]:
    """The policies of a client of `host`; the token goes to that host only."""
    from azure.core.pipeline.policies import (
        ContentDecodePolicy,
        CustomHookPolicy,
        HeadersPolicy,
        RequestIdPolicy,
        SansIOHTTPPolicy,
        UserAgentPolicy,
    )

    scope = f"https://{host}/.default"

    class Bearer(SansIOHTTPPolicy[Any, Any]):
        """Adds the token, which is kept until it is about to expire, or was refused."""

        def on_request(self, request: PipelineRequest[Any]) -> None:
            if urlsplit(request.http_request.url).netloc.lower() != host:
                raise WrongHostError
            token = credential.get_token(scope).token
            request.http_request.headers["Authorization"] = f"Bearer {token}"

        def on_response(
            self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
        ) -> None:
            if response.http_response.status_code == HTTPStatus.UNAUTHORIZED and isinstance(
                credential, KeptCredential
            ):
                said = request.http_request.headers.get("Authorization", "")
                credential.forget(said.removeprefix("Bearer "))

    return [
        RequestIdPolicy(),
        HeadersPolicy({"Accept": "application/json"}),
        UserAgentPolicy(base_user_agent="trade-rollback", user_agent_use_env=False),
        Bearer(),
        CustomHookPolicy(),
        ContentDecodePolicy(),
    ]


def azure_failure(error: Exception) -> Failure | None:
    """What an exception of azure-core or azure-identity means."""
    from azure.core import exceptions as azure

    if isinstance(error, WrongHostError):
        return Failure("wrong-host", "an answer pointed to another host", transient=False)
    if (answer := found_in(error)) is not None:
        return answer.failure
    if isinstance(error, azure.ClientAuthenticationError) and error.status_code is None:
        return _no_token(error)
    if isinstance(error, (azure.DecodeError, azure.DeserializationError)):
        return Failure("unreadable", "the answer could not be read", transient=False)
    if isinstance(error, azure.HttpResponseError):
        return by_status(error.status_code) if error.status_code is not None else _TOO_MUCH
    if isinstance(error, (azure.ServiceRequestTimeoutError, azure.ServiceResponseTimeoutError)):
        return Failure("timeout", "no answer in time", transient=True)
    if isinstance(error, azure.ServiceRequestError):
        return Failure("unreachable", "it could not be reached", transient=True)
    if isinstance(error, azure.ServiceResponseError):
        return Failure("dropped", "the connection broke before the answer", transient=True)
    if isinstance(error, ValueError):
        return Failure("unreadable", "the answer could not be read", transient=False)
    return None


def _no_token(error: Exception) -> Failure:
    """What azure-identity means by its one error for everything: nobody answered, or said no."""
    from azure.core import exceptions as azure

    under = error.__cause__
    unanswered = (azure.ServiceRequestError, azure.ServiceResponseError, azure.HttpResponseError)
    if isinstance(under, unanswered) and (failure := azure_failure(under)) is not None:
        hint = "see whether this machine reaches the network and the sign-in service"
        return replace(failure, what=f"no token was had: {failure.what}", hint=hint)
    if type(error).__name__ == "CredentialUnavailableError":  # azure-identity is not loaded for it
        what = f"no token was had, log in with `az login` ({error})"
        hint = "log in with `az login`, give this machine a managed identity, or name a service "
        hint += "principal under azure.identity"
        return replace(by_status(401), what=what, hint=hint)
    return by_status(401)
