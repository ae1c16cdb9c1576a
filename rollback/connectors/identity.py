"""Tokens for Resource Manager and Cosmos, through azure-identity on a guarded transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from rollback.model.environment import EntraApp
    from rollback.model.ports import SecretSource


def credential(identity: EntraApp | None, transport: Any, secrets: SecretSource) -> TokenCredential:
    """The credential of an environment. Asks for no token yet.

    Without a service principal: the machine's managed identity, then the Azure command line. The
    other sources of the default credential talk to hosts outside the perimeter and are left out.
    A token is kept by azure-identity, in memory, until it is about to expire.
    """
    if identity is None:
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential(
            transport=transport,
            exclude_environment_credential=True,
            exclude_workload_identity_credential=True,
            exclude_shared_token_cache_credential=True,
            exclude_visual_studio_code_credential=True,
            exclude_powershell_credential=True,
            exclude_developer_cli_credential=True,
            exclude_interactive_browser_credential=True,
            exclude_broker_credential=True,
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
