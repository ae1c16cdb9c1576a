"""Our verifier against OpenSSH's, both ways, and against every changed bit."""

from __future__ import annotations

import base64
import random
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from rollback.approval import cryptography_keys, ssh_keygen
from rollback.approval.sign import sign_text
from rollback.approval.sshsig import (
    SECURITY_KEYS,
    MalformedSignature,
    Signature,
    read_signature,
    string,
)
from rollback.errors import InputError

from .conftest import KEY_TYPES, NAMESPACE, Keys

MESSAGE = b'{"plan":"1"}'


def _accepted(text: str, message: bytes = MESSAGE) -> bool:
    try:
        signature = read_signature(text)
        return signature.namespace == NAMESPACE and cryptography_keys.holds(signature, message)
    except MalformedSignature:
        return False


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_what_openssh_signs_we_accept(keys: Keys, kind: str) -> None:
    text = keys.openssh_signs(kind, MESSAGE)
    assert _accepted(text)
    assert not _accepted(text, MESSAGE + b" ")
    assert read_signature(text).armoured() == text


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_what_we_sign_openssh_accepts(keys: Keys, kind: str) -> None:
    text = sign_text(MESSAGE, keys.private(kind))
    line = f'a@b namespaces="{NAMESPACE}" {keys.public(kind)}'
    assert keys.openssh_accepts(line, "a@b", text, MESSAGE)
    assert not keys.openssh_accepts(line, "a@b", text, MESSAGE + b" ")
    assert _accepted(text)


def test_a_signature_for_something_else_is_none(keys: Keys) -> None:
    text = keys.openssh_signs("ed25519", MESSAGE, namespace="git")
    assert read_signature(text).namespace == "git"
    assert not _accepted(text)


def test_fingerprint_is_the_one_openssh_prints(keys: Keys) -> None:
    import subprocess

    text = keys.openssh_signs("ed25519", MESSAGE)
    command = ["ssh-keygen", "-l", "-f", str(keys.private("ed25519"))]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert read_signature(text).fingerprint in printed.split()


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_no_flipped_bit_is_accepted(keys: Keys, kind: str) -> None:
    """Sampled: with the seeds below 10,000 flips over all key types."""
    text = keys.openssh_signs(kind, MESSAGE)
    blob = base64.b64decode("".join(text.splitlines()[1:-1]))
    chance = random.Random(f"{kind} 1")
    for _ in range(1600):
        flipped = bytearray(blob)
        at = chance.randrange(len(blob) * 8)
        flipped[at // 8] ^= 1 << at % 8
        assert not _accepted(_armour(bytes(flipped))), at
    for _ in range(400):
        flipped = bytearray(text.encode())
        at = chance.randrange(len(flipped) * 8)
        flipped[at // 8] ^= 1 << at % 8
        assert not _accepted(flipped.decode("latin-1")), at


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_bytes_put_in_or_taken_out_are_refused(keys: Keys, kind: str) -> None:
    text = keys.openssh_signs(kind, MESSAGE)
    blob = base64.b64decode("".join(text.splitlines()[1:-1]))
    assert _accepted(_armour(blob))
    assert not any(_accepted(_armour(blob[:cut])) for cut in range(0, len(blob), 7))
    assert not _accepted(_armour(blob + b"\0"))
    assert not _accepted(text + "\n")
    assert not _accepted("\n" + text)
    assert not _accepted(text.replace("\n", "\r\n"))
    lines = text.splitlines()
    assert not _accepted("\n".join([lines[0], "".join(lines[1:-1]), lines[-1], ""]))


def test_sha1_is_refused(keys: Keys) -> None:
    real = read_signature(keys.openssh_signs("rsa-2048", MESSAGE))
    old = Signature(real.key, NAMESPACE, "sha512", "ssh-rsa", real.value)
    with pytest.raises(MalformedSignature, match="ssh-rsa by a key ssh-rsa"):
        read_signature(old.armoured())
    with pytest.raises(MalformedSignature, match="hash sha1"):
        read_signature(_with_hash(real, b"sha1"))


def test_a_short_rsa_key_neither_signs_nor_verifies(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - too short on purpose
    file = tmp_path / "short"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    with pytest.raises(InputError, match="1024 bits"):
        sign_text(MESSAGE, file)
    _, blob = cryptography_keys.wire_key(key.public_key())
    with pytest.raises(MalformedSignature, match="1024 bits"):
        cryptography_keys.read_key(blob)


def test_an_ecdsa_number_with_a_leading_zero_too_many_is_refused(keys: Keys) -> None:
    real = read_signature(keys.openssh_signs("ecdsa-256", MESSAGE))
    length = struct.unpack(">I", real.value[:4])[0]
    padded = string(b"\0" + real.value[4 : 4 + length]) + real.value[4 + length :]
    bent = Signature(real.key, NAMESPACE, real.hash_name, real.algorithm, padded)
    assert not _accepted(bent.armoured())


def test_bytes_after_a_key_or_a_number_are_refused(keys: Keys) -> None:
    """The key is not part of what is signed, so only reading it strictly finds this."""
    real = read_signature(keys.openssh_signs("ecdsa-256", MESSAGE))
    longer = Signature(real.key + b"\0", NAMESPACE, real.hash_name, real.algorithm, real.value)
    assert not _accepted(longer.armoured())
    longer = Signature(real.key, NAMESPACE, real.hash_name, real.algorithm, real.value + b"\0")
    assert not _accepted(longer.armoured())


def test_a_security_key_is_asked_of_openssh_and_a_wrong_one_refused() -> None:
    """No security key here: the form is read, and ssh-keygen refuses the made-up signature."""
    name = SECURITY_KEYS[0].encode()
    key = string(name) + string(bytes(32)) + string(b"ssh:")
    made_up = Signature(key, NAMESPACE, "sha512", SECURITY_KEYS[0], bytes(64), b"\1\0\0\0\7")
    assert read_signature(made_up.armoured()) == made_up
    assert not ssh_keygen.holds(made_up, MESSAGE)
    with pytest.raises(MalformedSignature, match="not accepted"):
        cryptography_keys.holds(made_up, MESSAGE)


def test_the_security_key_path_accepts_what_openssh_accepts(keys: Keys) -> None:
    """The same subprocess, given a signature it can verify: it says yes, and no when changed."""
    real = read_signature(keys.openssh_signs("ed25519", MESSAGE))
    assert ssh_keygen.holds(real, MESSAGE)
    assert not ssh_keygen.holds(real, MESSAGE + b" ")


def _armour(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def _with_hash(real: Signature, name: bytes) -> str:
    blob = b"SSHSIG" + struct.pack(">I", 1) + string(real.key) + string(NAMESPACE.encode())
    blob += string(b"") + string(name)
    return _armour(blob + string(string(real.algorithm.encode()) + string(real.value)))


def test_a_file_that_is_no_key_is_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("root:x:0:0::/root:/bin/sh\n")
    with pytest.raises(InputError, match="neither a private nor a public"):
        sign_text(b"message", file)
