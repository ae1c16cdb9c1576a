"""Tokens for Resource Manager and Cosmos, through azure-identity on a guarded transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.guard.wire import first_use

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from rollback.model.environment import EntraApp
    from rollback.model.ports import SecretSource


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
