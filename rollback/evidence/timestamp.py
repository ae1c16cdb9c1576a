"""Time-stamps by RFC 3161: an authority's word that a manifest existed at a moment.

Nothing here sends anything: a query is a file that a person posts to an authority, a reply is a
file that is kept beside the bundle, never in it. Needs the extra ``timestamp``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography import x509

from rollback.errors import InputError

if TYPE_CHECKING:
    from datetime import datetime
    from types import ModuleType

REPLY_BYTES_MAX = 1 << 20


def query(manifest: bytes) -> bytes:
    """The query for a manifest's SHA-256, in DER; it asks for the authority's certificate."""
    client = _client()
    builder = client.TimestampRequestBuilder().data(manifest)
    builder = builder.hash_algorithm(client.base.HashAlgorithm.SHA256)
    made: bytes = builder.cert_request(cert_request=True).nonce(nonce=True).build().as_bytes()
    return made


def roots(pem: bytes, name: str) -> tuple[x509.Certificate, ...]:
    """The root certificates of an authority, in PEM. Raises InputError."""
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise InputError(
            "timestamp.root",
            f"{name} holds no certificate in PEM",
            hint="name the root certificate of the time-stamping authority, in PEM",
        ) from error
    return found


def stamped(
    reply: bytes, manifest: bytes, trusted: tuple[x509.Certificate, ...]
) -> tuple[datetime | None, str]:
    """(when the authority says it was there, what is wrong). A bad reply is told, not raised."""
    client = _client()
    try:
        answer = client.decode_timestamp_response(reply)
        builder = client.VerifierBuilder()
        for certificate in trusted:
            builder = builder.add_root_certificate(certificate)
        info = answer.tst_info
        if info.message_imprint.message != hashlib.sha256(manifest).digest():
            return None, "it is a time-stamp of something else than this manifest"
        builder.build().verify_message(answer, manifest)
    except client.VerificationError as error:
        return None, f"the time-stamp does not verify: {error}"
    except ValueError as error:
        what = "it is not a reply that can be read"
        if "InvalidSetOrdering" in str(error):
            what = (
                "its certificates are not in the order DER wants, as `openssl ts -chain` writes "
                "them; have the authority send its own certificate alone"
            )
        return None, f"{what} ({error})"
    when: datetime = info.gen_time
    return when, ""


def _client() -> ModuleType:
    try:
        import rfc3161_client
        import rfc3161_client.base
    except ModuleNotFoundError as error:
        raise InputError(
            "timestamp.not-installed",
            f"time-stamps need {error.name}",
            hint="install trade-rollback[timestamp]",
        ) from error
    return rfc3161_client
