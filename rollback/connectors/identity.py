"""Tokens for Resource Manager and Cosmos, through azure-identity on a guarded transport."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from rollback.connectors import token_answers
from rollback.connectors.token_answers import found_in, of_metadata, of_sign_in, policies
from rollback.guard.wire import first_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.core.credentials import (
        AccessToken,
        AccessTokenInfo,
        TokenCredential,
        TokenRequestOptions,
    )

    from rollback.model.environment import EntraApp
    from rollback.model.ports import Clock, SecretSource

EXPIRES_S_MIN = 300
"""A kept token that lasts no longer than this is not used: azure-identity's own bound."""


class Tokens:
    """Tokens that the scopes of one run share, in memory only: to be asked for once, by one."""

    def __init__(self) -> None:
        """None yet."""
        self.lock = Lock()
        self.kept: dict[tuple[str, ...], AccessToken] = {}


class KeptCredential:
    """A credential of one scope that asks only where no scope before it has a token that lasts.

    Safe to use from several threads: one asks, the others wait for what it gets.
    """

    def __init__(self, own: TokenCredential, tokens: Tokens, clock: Clock) -> None:
        """own: asks over this scope's transport."""
        self._own = own
        self._tokens = tokens
        self._clock = clock

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for these scopes. Raises what the scope's own credential raises."""
        with self._tokens.lock:
            found = self._tokens.kept.get(scopes)
            if found is None or found.expires_on - self._clock.now().timestamp() < EXPIRES_S_MIN:
                found = self._tokens.kept[scopes] = self._own.get_token(*scopes)
            return found

    def forget(self, token: str) -> None:
        """It was refused: ask for another the next time."""
        with self._tokens.lock:
            self._tokens.kept = {
                scopes: kept for scopes, kept in self._tokens.kept.items() if kept.token != token
            }


def credential(identity: EntraApp | None, transport: Any, secrets: SecretSource) -> TokenCredential:
    """The credential of an environment. Asks for no token yet.

    Without a service principal: the Azure command line's login, then the machine's managed
    identity. Other sources talk to hosts outside the perimeter and are left out.
    A token is kept by azure-identity, in memory, until it is about to expire.
    """
    first_use.load(first_use.IDENTITY)
    if identity is None:
        from azure.identity import AzureCliCredential, ManagedIdentityCredential

        return FirstThatCan(
            AzureCliCredential(),
            ManagedIdentityCredential(
                transport=transport,
                policies=policies(of_metadata, token_answers.METADATA),
            ),
        )
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        identity.tenant,
        identity.client_id,
        secrets.get(identity.client_secret),
        authority=identity.authority,
        disable_instance_discovery=True,
        transport=transport,
        policies=policies(of_sign_in(identity), token_answers.SIGN_IN),
    )


class FirstThatCan:
    """Asks the given credentials in turn and stays with the first that gives a token.

    Within a chain of azure-identity the managed identity first asks the metadata endpoint without
    its header (read in 1.27.0), which is no token request: the guard refuses it, and the run.
    """

    def __init__(self, *credentials: TokenCredential) -> None:
        self.credentials = credentials
        self._found: TokenCredential | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token, as azure-core's older policies ask. Raises ClientAuthenticationError."""
        token: AccessToken = self._first(lambda one: one.get_token(*scopes, **options))
        return token

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """A token, as azure-core's policies ask. Raises ClientAuthenticationError."""
        told: AccessTokenInfo = self._first(
            lambda one: one.get_token_info(*scopes, options=options)
        )
        return told

    def _first(self, ask: Callable[[Any], Any]) -> Any:
        from azure.identity import CredentialUnavailableError

        if self._found is not None:
            return ask(self._found)
        said: list[str] = []
        for credential in self.credentials:
            try:
                token = ask(credential)
            except CredentialUnavailableError as error:
                answer = found_in(error)
                if answer is not None and answer.failure.transient:
                    raise answer from None
                if answer is not None:
                    said.append(answer.failure.what.partition(": ")[2])
                    continue
                said.append(error.message.splitlines()[0].rstrip("."))
                continue
            self._found = credential
            return token
        raise CredentialUnavailableError(message="; ".join(said))
