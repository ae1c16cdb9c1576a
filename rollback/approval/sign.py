"""Sign a plan's digest, with a private key file or through OpenSSH's program."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)

from rollback.approval import ssh_keygen
from rollback.approval.cryptography_keys import PrivateKey, read_key, sign_bytes, wire_key
from rollback.approval.file import ApprovalFile
from rollback.approval.sshsig import MalformedSignature, Signature, signed_bytes
from rollback.approval.statement import NAMESPACE, Statement
from rollback.errors import InputError
from rollback.loading.files import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

SKEW_S = 60
"""A statement is valid from a minute before it is signed: clocks of two laptops differ."""

_HASH = "sha512"
KEY_BYTES_MAX = 1 << 20
"""Largest key file that is read."""


_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")
"""How a public key's line begins: its private half is in an agent or in a device."""


def approve(  # noqa: PLR0913 - a person fills in a form
    plan_sha256: str,
    environment: str,
    *,
    key: Path,
    now: datetime,
    lasts_s: int,
    nonce: str,
    decision: Literal["approve", "reject"] = "approve",
    approver: str | None = None,
    reason: str | None = None,
    passphrase: Callable[[], str] | None = None,
) -> ApprovalFile:
    """One person's decision over one plan, signed.

    key: a private key file, or a public one whose private half an agent holds. lasts_s: from now.
    nonce: 32 hex digits. passphrase: asked only for an encrypted key in PEM form; for one in
    OpenSSH's own form ssh-keygen asks, at the terminal or by SSH_ASKPASS. Raises InputError for a
    key that cannot be used, ApprovalMissing where ssh-keygen does not sign.
    """
    statement = Statement(
        plan_sha256=plan_sha256,
        environment=environment,
        decision=decision,
        not_before=now - timedelta(seconds=SKEW_S),
        expires=now + timedelta(seconds=lasts_s),
        nonce=nonce,
        approver=approver,
        reason=reason,
    )
    text = statement.text()
    return ApprovalFile(statement=text, signature=sign_text(text.encode(), key, passphrase))


def sign_text(message: bytes, key: Path, passphrase: Callable[[], str] | None = None) -> str:
    """An armoured signature over `message` in the namespace of approvals. Raises like `approve`."""
    private = read_private_key(key, passphrase)
    if private is None:
        return ssh_keygen.sign(key, message)
    try:
        _, blob = wire_key(private.public_key())
        read_key(blob)
    except MalformedSignature as error:
        raise _unusable(key, str(error)) from error
    algorithm, value = sign_bytes(private, signed_bytes(NAMESPACE, _HASH, message))
    return Signature(blob, NAMESPACE, _HASH, algorithm, value).armoured()


def check_key(path: Path) -> None:
    """Raises InputError where a file is no key at all. Asks for no passphrase, and no agent."""
    _key_bytes(path)


def _key_bytes(path: Path) -> bytes:
    try:
        data = bytes_of(path, KEY_BYTES_MAX)
    except (OSError, ValueError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or str(error)) from error
    if not _is_private(data) and not data.lstrip().startswith(_PUBLIC):
        raise _unusable(path, "it holds neither a private nor a public SSH key")
    return data


def _is_private(data: bytes) -> bool:
    return b"PRIVATE KEY-----" in data[:200]


def read_private_key(path: Path, passphrase: Callable[[], str] | None = None) -> PrivateKey | None:
    """A private key file; None for one that only OpenSSH's program can use. Raises InputError."""
    data = _key_bytes(path)
    if not _is_private(data):
        return None
    ssh = b"OPENSSH PRIVATE KEY" in data[:200]
    load = load_ssh_private_key if ssh else load_pem_private_key
    try:
        try:
            key = load(data, password=None)
        except (TypeError, ValueError):
            if passphrase is None:
                if ssh:
                    return None  # most likely encrypted: ssh-keygen asks, and knows better
                raise
            key = load(data, password=passphrase().encode())
    except UnsupportedAlgorithm:
        return None
    except (TypeError, ValueError) as error:
        raise _unusable(path, "it is no private key, or its passphrase is another") from error
    known = (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)
    if not isinstance(key, known):
        raise _unusable(path, "it is not an Ed25519, ECDSA or RSA key")
    try:
        wire_key(key.public_key())
    except StopIteration as error:
        raise _unusable(path, "it is on a curve that SSH does not have") from error
    return key


def _unusable(path: Path, why: str) -> InputError:
    return InputError(
        "approval.key",
        f"{path} cannot sign: {why}",
        hint="name a private key made by `ssh-keygen -t ed25519`, or a public key of your agent",
    )
