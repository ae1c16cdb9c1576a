"""Signatures over a manifest: SSHSIG by the run's key, in a namespace of their own.

A signature says that a key signed these bytes. Whose key that is, the reader has to know from
elsewhere: `ssh-keygen -Y verify -n evidence@trade-rollback` with an allowed-signers file says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.approval import cryptography_keys
from rollback.approval.sshsig import MalformedSignature, Signature, read_signature, signed_bytes
from rollback.evidence.bundle import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rollback.approval.allowed_signers import AllowedSigner

_HASH = "sha512"


def signing_with(key: cryptography_keys.PrivateKey) -> Callable[[bytes], str]:
    """What `seal` takes as `sign`: an armored signature by this key over a manifest's bytes."""

    def sign(message: bytes) -> str:
        _, blob = cryptography_keys.wire_key(key.public_key())
        data = signed_bytes(NAMESPACE, _HASH, message)
        algorithm, value = cryptography_keys.sign_bytes(key, data)
        return Signature(blob, NAMESPACE, _HASH, algorithm, value).armoured()

    return sign


def signer(armored: bytes, message: bytes, namespace: str) -> tuple[Signature | None, str]:
    """(the signature, what is wrong with it); the first is None where it does not hold."""
    try:
        signature = read_signature(armored.decode("ascii"))
        if signature.namespace != namespace:
            return None, f"a signature for {signature.namespace!r}, not for evidence"
        holds = cryptography_keys.holds(signature, message)
    except (MalformedSignature, UnicodeDecodeError, ValueError) as error:
        return None, f"not an SSH signature that is accepted ({error})"
    return (signature, "") if holds else (None, "it does not belong to this manifest")


def allowed(
    signature: Signature, signers: tuple[AllowedSigner, ...], at: datetime
) -> tuple[str, ...]:
    """Whose key it is, by lines that allow evidence at that moment; empty where nobody's."""
    return tuple(
        dict.fromkeys(
            principal
            for one in signers
            if one.key == signature.key and one.allows(NAMESPACE) and one.valid_at(at)
            for principal in one.principals
        )
    )
