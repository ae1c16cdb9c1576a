"""A bundle as an in-toto statement in a DSSE envelope, for tools that read attestations.

The statement names the manifest and every file and chunk by digest, so that whoever holds a file
can be told which bundle it is of. The envelope is signed by a key that is named when it is made:
the signature covers payload type and payload, in DSSE's own encoding, and is no SSH signature.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rollback.evidence.bundle import MANIFEST, chunk_names
from rollback.evidence.stores import CHUNKS

if TYPE_CHECKING:
    from rollback.approval.cryptography_keys import PrivateKey
    from rollback.model.evidence import Manifest

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "urn:trade-rollback:evidence-bundle:1"
PAYLOAD: Final = "application/vnd.in-toto+json"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


def statement(manifest: Manifest, manifest_sha256: str) -> bytes:
    """The statement, RFC 8785."""
    subjects = [(MANIFEST, manifest_sha256)]
    subjects += [(one.path, one.sha256) for one in manifest.files]
    subjects += [(f"{CHUNKS}/{name}", name) for name in chunk_names(manifest.windows)]
    told = manifest.model_dump(mode="json", exclude={"files", "windows"})
    told["windows"] = [
        {
            "source": one.source,
            "moment": one.moment,
            "completeness": one.completeness,
            "reason": one.reason,
            "items": one.items,
        }
        for one in manifest.windows
    ]
    return rfc8785.dumps(
        {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects],
            "predicateType": PREDICATE,
            "predicate": told,
        }
    )


def pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)


def envelope(payload: bytes, key: PrivateKey) -> dict[str, Any]:
    """The DSSE envelope. keyid: SHA-256 of the public key in its DER form.

    Ed25519; ECDSA with the digest of its curve's size; RSA-PSS with SHA-256.
    """
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD,
        "signatures": [
            {
                "keyid": hashlib.sha256(public).hexdigest(),
                "sig": base64.b64encode(_signed(key, pae(payload))).decode(),
            }
        ],
    }


def _signed(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(_HASHES[key.curve.name]))
    salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return key.sign(message, salted, hashes.SHA256())
