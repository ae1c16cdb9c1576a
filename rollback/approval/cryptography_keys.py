"""SSH public keys and raw signatures on `cryptography`: the only file that does arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rollback.approval.sshsig import MalformedSignature, Reader, mpint, string

if TYPE_CHECKING:
    from rollback.approval.sshsig import Signature

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 16_384
_CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_RSA: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def read_key(blob: bytes) -> PublicKey:
    """A public key from its wire form. Raises MalformedSignature for what is not accepted."""
    reader = Reader(blob)
    key_type = reader.text()
    try:
        key = _read_key(key_type, reader)
    except MalformedSignature:
        raise
    except ValueError as error:
        msg = f"its key is not a {key_type} key"
        raise MalformedSignature(msg) from error
    reader.end()
    return key


def _read_key(key_type: str, reader: Reader) -> PublicKey:
    if key_type == "ssh-ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(reader.string())
    if key_type == "ssh-rsa":
        exponent, modulus = reader.integer(), reader.integer()
        if not RSA_BITS_MIN <= modulus.bit_length() <= RSA_BITS_MAX:
            msg = f"its RSA key has {modulus.bit_length()} bits, {RSA_BITS_MIN} are needed"
            raise MalformedSignature(msg)
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    name = key_type.removeprefix("ecdsa-sha2-")
    if name not in _CURVES or reader.text() != name:
        msg = f"keys of type {key_type} are not accepted"
        raise MalformedSignature(msg)
    point = reader.string()
    key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[name][0], point)
    if key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) != point:
        msg = "its key is not in the one form that is accepted"
        raise MalformedSignature(msg)
    return key


def wire_key(key: PublicKey) -> tuple[str, bytes]:
    """(type, wire form) of a public key."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        name = "ssh-ed25519"
        rest = string(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    elif isinstance(key, rsa.RSAPublicKey):
        name = "ssh-rsa"
        numbers = key.public_numbers()
        rest = mpint(numbers.e) + mpint(numbers.n)
    else:
        curve = next(known for known, (at, _) in _CURVES.items() if at.name == key.curve.name)
        name = f"ecdsa-sha2-{curve}"
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        rest = string(curve.encode()) + string(point)
    return name, string(name.encode()) + rest


def holds(signature: Signature, message: bytes) -> bool:
    """True when the signature's own key made it over `message`. Says nothing of whose key it is.

    Raises MalformedSignature for what is not accepted, security keys among it.
    """
    key = read_key(signature.key)
    data = signature.signed(message)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature.value, data)
        elif isinstance(key, rsa.RSAPublicKey):
            if len(signature.value) != (key.key_size + 7) // 8:
                return False
            key.verify(signature.value, data, padding.PKCS1v15(), _RSA[signature.algorithm])
        else:
            reader = Reader(signature.value)
            r, s = reader.integer(), reader.integer()
            reader.end()
            digest = _CURVES[signature.algorithm.rpartition("-")[2]][1]
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def sign_bytes(key: PrivateKey, data: bytes) -> tuple[str, bytes]:
    """(algorithm, raw signature) over `data`."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ssh-ed25519", key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return "rsa-sha2-512", key.sign(data, padding.PKCS1v15(), hashes.SHA512())
    curve = next(known for known, (at, _) in _CURVES.items() if at.name == key.curve.name)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_CURVES[curve][1])))
    return f"ecdsa-sha2-{curve}", mpint(r) + mpint(s)
