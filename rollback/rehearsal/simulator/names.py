"""Names of the simulated platform: hosts, identifiers, and the tokens of its principals.

Nothing here resolves by DNS; clients map each host to the simulator's loopback port.
"""

from __future__ import annotations

from typing import Final

ARM_HOST: Final = "management.azure.com"
LOGIN_HOST: Final = "login.microsoftonline.com"
COSMOS_HOST: Final = "trading-cosmos.documents.azure.com"
PLATFORM_HOST: Final = "platform.trading.example"
WEBHOOK_HOST: Final = "hooks.trading.example"
GITHUB_HOST: Final = "api.github.com"
CONTROL_HOST: Final = "control.rehearsal.example"

SUBSCRIPTION: Final = "00000000-0000-4000-8000-000000000001"
TENANT: Final = "00000000-0000-4000-8000-00000000000a"
RESOURCE_GROUP: Final = "trading"
COSMOS_ACCOUNT: Final = "trading-cosmos"
DATABASE: Final = "trading"
REPOSITORY: Final = "trading/monorepo"
EVIDENCE_BUCKET: Final = "trading-evidence"

BACKEND: Final = "trading-backend"
WEB: Final = "trading-web"
PRODUCTION: Final = "production"
STAGING: Final = "staging"

CLIENT_ID: Final = "00000000-0000-4000-8000-0000000000c1"
OBJECT_ID: Final = "00000000-0000-4000-8000-0000000000d1"
"""Of the service principal of CLIENT_ID: what role assignments name."""
CLIENT_SECRET: Final = "rehearsal-client-secret"  # noqa: S105 - a throwaway of the simulation
OPERATOR_TOKEN: Final = "rehearsal-operator-token"  # noqa: S105 - a throwaway of the simulation
VIEWER_TOKEN: Final = "rehearsal-viewer-token"  # noqa: S105 - a throwaway of the simulation
GITHUB_TOKEN: Final = "rehearsal-github-token"  # noqa: S105 - a throwaway of the simulation
COSMOS_KEY: Final = "cmVoZWFyc2FsLWNvc21vcy1rZXktZm9yLXRoZS1zaW11bGF0aW9uLW9ubHk="
"""An account key by form only: the simulated account checks that one was presented."""

STABLE_BUILD: Final = "2026.11.1"
BAD_BUILD: Final = "2026.11.2"
OLD_BUILD: Final = "2026.10.9"
THIRD_BUILD: Final = "2026.11.3-rc"


def slot_host(site: str, slot: str) -> str:
    """Return the public host name of a slot; production has the bare site name."""
    suffix = "" if slot == PRODUCTION else f"-{slot}"
    return f"{site}{suffix}.azurewebsites.net"


HOSTS: Final = (
    ARM_HOST,
    LOGIN_HOST,
    COSMOS_HOST,
    *(slot_host(site, slot) for site in (BACKEND, WEB) for slot in (PRODUCTION, STAGING)),
    PLATFORM_HOST,
    WEBHOOK_HOST,
    GITHUB_HOST,
)
"""Every host the product may see; the control host is not one of them."""
