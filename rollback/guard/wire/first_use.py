"""Vendor SDKs, loaded by one thread at a time.

Modules of one package that load each other come out half made where two threads enter them at
different places at once: Python takes the lock of a module before that of its package, sees the
deadlock, and hands out what is there (measured: four threads that each begin azure-core elsewhere
fail in every fresh process). So whoever makes a client loads here, first, all that it stands on.
Repeating it costs a look-up for each name.
"""

from __future__ import annotations

import pkgutil
import threading

from rollback.errors import ConnectorError

AZURE_CORE = (
    "azure.core",
    "azure.core.exceptions",
    "azure.core.rest",
    "azure.core.pipeline.policies",
    "azure.core.pipeline.transport:RequestsTransport",
)
IDENTITY = (*AZURE_CORE, "azure.identity")
RESOURCE_MANAGER = (*IDENTITY, "azure.mgmt.web")
COSMOS = (*AZURE_CORE, "azure.cosmos", "azure.cosmos.exceptions")
BLOBS = (*AZURE_CORE, "azure.storage.blob")
S3 = (
    "botocore.session",
    "botocore.config",
    "botocore.awsrequest",
    "botocore.httpsession",
    "botocore.exceptions",
    "botocore.credentials",
    "botocore.parsers",
)
HTTP = ("httpx",)
SOCKETS = ("websockets.client", "websockets.exceptions", "websockets.uri")
TOKENS = ("jwt",)

_ONE_AT_A_TIME = threading.RLock()


def load(names: tuple[str, ...]) -> None:
    """Load modules, and names of modules (``module:name``), whole.

    Raises ConnectorError where one is not installed: of a store, that it cannot be reached.
    """
    with _ONE_AT_A_TIME:
        for name in names:
            try:
                pkgutil.resolve_name(name)
            except ModuleNotFoundError as error:
                raise ConnectorError(
                    "connector.not-installed",
                    f"{error.name} is not installed",
                    hint="install trade-rollback[azure,aws]",
                    transient=False,
                ) from error
