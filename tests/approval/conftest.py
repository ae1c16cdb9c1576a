"""Keys made by the real ssh-keygen, once for all tests here; nothing leaves the machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

NAMESPACE = "plan-approval@trade-rollback"
PLAN = "ab" * 32
NOW = datetime(2026, 11, 23, 9, 36, tzinfo=UTC)
KEY_TYPES = ("ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048")


@dataclass(frozen=True)
class Keys:
    """A folder of key pairs and what ssh-keygen says with them."""

    folder: Path

    def private(self, name: str) -> Path:
        return self.folder / name

    def public(self, name: str) -> str:
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def make(self, name: str, kind: str, passphrase: str = "", *options: str) -> Path:
        algorithm, _, bits = kind.partition("-")
        command = ["ssh-keygen", "-q", "-t", algorithm, "-N", passphrase, "-C", name]
        command += ["-f", str(self.folder / name)] + (["-b", bits] if bits else [])
        command += options
        subprocess.run(command, check=True, capture_output=True)
        return self.folder / name

    def openssh_signs(self, name: str, message: bytes, namespace: str = NAMESPACE) -> str:
        command = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(self.folder / name)]
        return subprocess.run(
            command, input=message, check=True, capture_output=True
        ).stdout.decode()

    def openssh_accepts(
        self, signers: str, principal: str, signature: str, message: bytes, *options: str
    ) -> bool:
        allowed, armoured = self.folder / "signers.tmp", self.folder / "signature.tmp"
        allowed.write_text(signers)
        armoured.write_text(signature)
        command = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", principal]
        command += ["-f", str(allowed), "-s", str(armoured), *options]
        done = subprocess.run(command, input=message, check=False, capture_output=True)
        return done.returncode == 0


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """One key of each accepted type, named like it, and a second ed25519 one: ``other``."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    made = Keys(tmp_path_factory.mktemp("keys"))
    for kind in KEY_TYPES:
        made.make(kind, kind)
    made.make("other", "ed25519")
    return made
