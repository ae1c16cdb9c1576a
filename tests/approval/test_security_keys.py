"""Security keys: what a device would sign is made here by hand, and OpenSSH itself judges it."""

from __future__ import annotations

import hashlib
import json
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rollback.approval.file import ApprovalFile, read_approval
from rollback.approval.sign import approve
from rollback.approval.sshsig import SECURITY_KEYS, Signature, signed_bytes, string
from rollback.approval.verify import check_approvals

from .conftest import NAMESPACE, NOW, PLAN, Keys

APPLICATION = b"ssh:"
TOUCHED = 0x01


def device_signs(key: Ed25519PrivateKey, message: bytes, flags: int) -> Signature:
    """As a FIDO device does: over the application, the flags, a counter, and the message's digest."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    blob = string(SECURITY_KEYS[0].encode()) + string(public) + string(APPLICATION)
    tail = bytes([flags]) + struct.pack(">I", 7)
    digest = hashlib.sha256(signed_bytes(NAMESPACE, "sha512", message)).digest()
    value = key.sign(hashlib.sha256(APPLICATION).digest() + tail + digest)
    return Signature(blob, NAMESPACE, "sha512", SECURITY_KEYS[0], value, tail)


@pytest.mark.parametrize(("flags", "counts"), [(TOUCHED, True), (0x05, True), (0x00, False)])
def test_a_touched_security_key_approves(keys: Keys, flags: int, counts: bool) -> None:
    import base64

    given = approve(
        PLAN, "production", key=keys.private("ed25519"), now=NOW, lasts_s=3600, nonce="0f" * 16
    )
    statement = read_approval(given.to_bytes()).statement
    device = Ed25519PrivateKey.generate()
    signature = device_signs(device, statement.encode(), flags)
    line = f"{SECURITY_KEYS[0]} {base64.b64encode(signature.key).decode()}"
    signers = f'ana@example.org namespaces="{NAMESPACE}" {line}\n'
    file = ApprovalFile(statement=statement, signature=signature.armoured())

    def check(data: bytes) -> int:
        found = check_approvals(PLAN, "production", [data], signers, NOW, needed=1, outlast_s=60)
        return len(found.accepted)

    assert check(file.to_bytes()) == int(counts)
    other = json.dumps(
        json.loads(statement) | {"nonce": "1f" * 16}, sort_keys=True, separators=(",", ":")
    )
    assert check(ApprovalFile(statement=other, signature=file.signature).to_bytes()) == 0
