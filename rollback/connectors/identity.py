"""Tokens for Resource Manager and Cosmos, through azure-identity on a guarded transport."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from rollback.guard.wire import first_use

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

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
        from azure.identity import (
            AzureCliCredential,
            ChainedTokenCredential,
            ManagedIdentityCredential,
        )

        # The default chain probes the metadata endpoint without its header, which is no token
        # request and is refused; the two sources are named here, a person's login first.
        return ChainedTokenCredential(
            AzureCliCredential(), ManagedIdentityCredential(transport=transport, retry_total=0)
        )
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        identity.tenant,
        identity.client_id,
        secrets.get(identity.client_secret),
        authority=identity.authority,
        disable_instance_discovery=True,
        transport=transport,
        retry_total=0,
        connection_timeout=10,
        read_timeout=30,
    )
