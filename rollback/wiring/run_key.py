"""The key that signs what runs of an environment seal, where the environment names one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.environment import Environment


def run_key_signing(environment: Environment) -> Callable[[bytes], str] | None:
    """What signs a manifest; None where no key is named. Raises InputError where it cannot sign."""
    if environment.evidence.run_key is None:
        return None
    from rollback.approval.sign import read_private_key
    from rollback.evidence.signature import signing_with

    path = Path(environment.base) / Path(environment.evidence.run_key).expanduser()
    key = read_private_key(path)
    if key is None:
        raise InputError(
            "evidence.run-key",
            f"{path} cannot sign by itself: it is a public key, or it has a passphrase",
            hint="name a private key without passphrase, kept for evidence alone",
        )
    return signing_with(key)
