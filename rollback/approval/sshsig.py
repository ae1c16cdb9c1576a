"""SSH signatures (OpenSSH's PROTOCOL.sshsig), read strictly: one byte form for each signature.

Refused, although some tools take it: another wrap of the armour, trailing bytes anywhere, lengths
or numbers that are not minimal, a non-empty reserved field, SHA-1 (``ssh-rsa`` signatures), RSA
below 2048 bits, DSA, certificates.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

MAGIC = b"SSHSIG"
VERSION = 1
BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
END = "-----END SSH SIGNATURE-----\n"
_WRAP = 70
_PRINTABLE = range(0x21, 0x7F)
_SECURITY_TAIL = 5
ARMOUR_CHARS_MAX = 16_384

HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
SECURITY_KEYS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
SIGNATURE_ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-256", "rsa-sha2-512"),
    SECURITY_KEYS[0]: SECURITY_KEYS[:1],
    SECURITY_KEYS[1]: SECURITY_KEYS[1:],
}
"""Which signature algorithms each key type may use."""


class MalformedSignature(ValueError):
    """The bytes are not a signature in the one accepted form. The text says why."""


class Reader:
    """SSH wire types over bytes. Raises MalformedSignature."""

    def __init__(self, data: bytes) -> None:
        """data: all of it must be read before `end`."""
        self._data = data
        self._at = 0

    def raw(self, length: int) -> bytes:
        """`length` bytes."""
        if length > len(self._data) - self._at:
            msg = "it ends too early"
            raise MalformedSignature(msg)
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self) -> int:
        """A uint32."""
        return int(struct.unpack(">I", self.raw(4))[0])

    def string(self) -> bytes:
        """A length and that many bytes."""
        return self.raw(self.number())

    def text(self) -> str:
        """A string of printable ASCII."""
        value = self.string()
        if not all(byte in _PRINTABLE for byte in value):
            msg = "a name in it is not plain text"
            raise MalformedSignature(msg)
        return value.decode("ascii")

    def integer(self) -> int:
        """A positive integer (mpint) in its shortest form."""
        value = self.string()
        number = int.from_bytes(value, "big", signed=True)
        if number <= 0 or mpint(number) != struct.pack(">I", len(value)) + value:
            msg = "a number in it is not in shortest form"
            raise MalformedSignature(msg)
        return number

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._data):
            msg = "bytes follow its end"
            raise MalformedSignature(msg)


def string(value: bytes) -> bytes:
    """The wire form of a string."""
    return struct.pack(">I", len(value)) + value


def mpint(number: int) -> bytes:
    """The wire form of a positive integer."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature taken apart. key: the signer's public key in wire form.

    tail: what a security key adds (one byte of flags, four of a counter); empty for others.
    """

    key: bytes
    namespace: str
    hash_name: str
    algorithm: str
    value: bytes
    tail: bytes = b""

    @property
    def key_type(self) -> str:
        """Like ``ssh-ed25519``."""
        return Reader(self.key).text()

    @property
    def fingerprint(self) -> str:
        """As OpenSSH writes it: ``SHA256:`` and base64 without padding."""
        return fingerprint(self.key)

    def signed(self, message: bytes) -> bytes:
        """The bytes that the key signs for `message`."""
        return signed_bytes(self.namespace, self.hash_name, message)

    def armoured(self) -> str:
        """The text form that ssh-keygen writes."""
        blob = MAGIC + struct.pack(">I", VERSION) + string(self.key)
        blob += string(self.namespace.encode()) + string(b"") + string(self.hash_name.encode())
        blob += string(string(self.algorithm.encode()) + string(self.value) + self.tail)
        text = base64.b64encode(blob).decode()
        lines = [text[start : start + _WRAP] + "\n" for start in range(0, len(text), _WRAP)]
        return BEGIN + "".join(lines) + END


def fingerprint(key: bytes) -> str:
    """SHA-256 fingerprint of a public key in wire form, as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def signed_bytes(namespace: str, hash_name: str, message: bytes) -> bytes:
    """What is signed: magic, namespace, reserved, hash name, digest of the message."""
    digest = HASHES[hash_name](message).digest()
    return (
        MAGIC
        + string(namespace.encode())
        + string(b"")
        + string(hash_name.encode())
        + string(digest)
    )


def read_signature(text: str) -> Signature:
    """Take an armoured signature apart. Raises MalformedSignature."""
    if len(text) > ARMOUR_CHARS_MAX:
        msg = f"it is longer than {ARMOUR_CHARS_MAX} characters"
        raise MalformedSignature(msg)
    if not (text.startswith(BEGIN) and text.endswith(END)):
        msg = "it does not begin and end as an SSH signature does"
        raise MalformedSignature(msg)
    try:
        body = text[len(BEGIN) : -len(END)].replace("\n", "")
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = "its base64 cannot be read"
        raise MalformedSignature(msg) from error
    signature = _take_apart(blob)
    if signature.armoured() != text:
        msg = "its text is not wrapped or padded as ssh-keygen does it"
        raise MalformedSignature(msg)
    return signature


def _take_apart(blob: bytes) -> Signature:
    reader = Reader(blob)
    if reader.raw(len(MAGIC)) != MAGIC or reader.number() != VERSION:
        msg = "it is not an SSH signature of version 1"
        raise MalformedSignature(msg)
    key, namespace, reserved = reader.string(), reader.text(), reader.string()
    hash_name, inner = reader.text(), Reader(reader.string())
    reader.end()
    algorithm, value = inner.text(), inner.string()
    tail = inner.raw(_SECURITY_TAIL if algorithm in SECURITY_KEYS else 0)
    inner.end()
    if reserved:
        msg = "its reserved field is not empty"
        raise MalformedSignature(msg)
    if hash_name not in HASHES:
        msg = f"its hash {hash_name} is not accepted"
        raise MalformedSignature(msg)
    key_type = Reader(key).text()
    if algorithm not in SIGNATURE_ALGORITHMS.get(key_type, ()):
        msg = f"a signature {algorithm} by a key {key_type} is not accepted"
        raise MalformedSignature(msg)
    return Signature(key, namespace, hash_name, algorithm, value, tail)
