"""What an environment needs beside the core, looked for before anybody waits for it.

The SDKs of the platform and of the stores are extras of the distribution, loaded on first use.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from rollback.errors import InputError
from rollback.model.environment import S3Lease, S3Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollback.model.environment import Environment

EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "azure": (
        "azure.cosmos",
        "azure.identity",
        "azure.mgmt.web",
        "azure.storage.blob",
        "msgspec",
        "requests",
    ),
    "aws": ("botocore",),
    "rehearsal": ("aiohttp", "flask", "flask_cors", "moto", "trustme"),
}
"""The modules that each extra of the distribution brings, by the names they are loaded by."""


def extras_of(environment: Environment) -> tuple[str, ...]:
    """The extras that clients of an environment come from."""
    shared = isinstance(environment.evidence.store, S3Store) or isinstance(
        environment.lease.store, S3Lease
    )
    return ("azure", "aws") if shared else ("azure",)


def refuse_missing(extras: Iterable[str], what: str) -> None:
    """Raise InputError where a module of these extras is not installed. what: that needs it."""
    lacking = {one: [name for name in EXTRAS[one] if not _is_here(name)] for one in extras}
    names = [name for found in lacking.values() for name in found]
    if names:
        wanted = ",".join(one for one, found in lacking.items() if found)
        raise InputError(
            "install.missing",
            f"{what} needs {', '.join(names)}, which this Python does not have",
            hint=f"install trade-rollback[{wanted}]; nothing was sent",
        )


def _is_here(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a package above it
        return False
