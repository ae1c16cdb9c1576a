"""How guarded hosts are reached: the resolve map, one TLS context, never the proxy variables."""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING

from rollback.errors import InputError

if TYPE_CHECKING:
    from rollback.model.environment import Network


@cache
def tls_context(ca_file: str | None, client: str) -> ssl.SSLContext:
    """The TLS context for a CA file; the public authorities where None. Built once a client kind.

    Raises InputError where the file cannot be read.

    client: never shared between kinds. urllib3 switches `check_hostname` off on the context it is
    given where it matches names itself (measured); httpx would then check no name at all.
    """
    import certifi

    del client
    try:
        context = ssl.create_default_context(cafile=ca_file or certifi.where())
    except OSError as error:  # ssl.SSLError is one
        raise InputError(
            "network.ca-file",
            f"no certificates can be read from {ca_file}: {error.strerror}",
            hint="correct network.ca_file in the environment file",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def mapped(network: Network, host: str, port: int) -> tuple[str, int] | None:
    """Where the resolve map sends a host; None where it says nothing of it."""
    named = f"{host}:{port}"
    for known, address in network.resolve:
        if known == named or (known == host and port in {443, 80}):
            name, _, number = address.rpartition(":")
            return name, int(number)
    return None
