"""Private key files: those that cannot sign are told, whatever is to be signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rollback.approval.sign import read_private_key
from rollback.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, curve: ec.EllipticCurve) -> Path:
    path = folder / "key.pem"
    key = ec.generate_private_key(curve)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP256R1()])
def test_a_curve_that_ssh_does_not_have(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    path = written(tmp_path, curve)
    with pytest.raises(InputError, match="a curve that SSH does not have") as caught:
        read_private_key(path)
    assert caught.value.code == "approval.key"


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_curve_that_it_has(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    assert read_private_key(written(tmp_path, curve)) is not None
