"""What a client of botocore signs with: sessions that ask nobody for a credential of their own."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.connectors.taken_role import TakenRole

_RUN_OUT = frozenset({"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired"})
_READ_HERE = frozenset({"env", "shared-credentials-file", "config-file"})
"""Sources of a credential that are read on this machine, without a request."""
_TELLING = ("botocore.auth", "botocore.endpoint", "botocore.parsers")
"""Loggers that write at DEBUG what is sent and answered: a session's token; at STS all of it."""


class _Told(threading.local):
    withheld = False


_HERE = _Told()


def _may_be_told(record: logging.LogRecord) -> bool:
    del record
    return not _HERE.withheld


@contextmanager
def untold() -> Iterator[None]:
    """What those loggers say in this thread is not written, whatever level a host sets for them."""
    for name in _TELLING:
        logging.getLogger(name).addFilter(_may_be_told)  # once: it is there already the next time
    before, _HERE.withheld = _HERE.withheld, True
    try:
        yield
    finally:
        _HERE.withheld = before


def session_here() -> Any:
    """A botocore session that knows variables and files of this machine, and asks nobody.

    botocore's own search puts requests to the metadata address and to STS, by clients of its own
    that no guard is under (measured: ``PUT /latest/api/token``). Variables and files stay.
    """
    from botocore.session import Session  # type: ignore[import-untyped, unused-ignore]

    session = Session()
    resolver = session.get_component("credential_provider")
    resolver.providers = [one for one in resolver.providers if one.METHOD in _READ_HERE]
    return session


def session_of(role: TakenRole) -> Any:
    """A botocore session whose clients sign with a role's credential, as it is at the time."""
    from botocore.credentials import (  # type: ignore[import-untyped, unused-ignore]
        CredentialProvider,
        Credentials,
        ReadOnlyCredentials,
    )

    class OfRole(Credentials):  # type: ignore[misc, unused-ignore]
        def get_frozen_credentials(self) -> Any:
            keys = role.take()
            return ReadOnlyCredentials(
                keys.access_key_id, keys.secret_access_key, keys.session_token
            )

    class Provider(CredentialProvider):  # type: ignore[misc, unused-ignore]
        METHOD = "taken-role"

        def load(self) -> Any:
            return OfRole("none", "none")

    session = session_here()
    session.get_component("credential_provider").providers = [Provider()]
    return session


def run_out(error: Exception) -> bool:
    """Whether a store did not accept a credential because it ended."""
    from botocore.exceptions import (  # type: ignore[import-untyped, unused-ignore]
        ClientError,
    )

    return (
        isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _RUN_OUT
    )
