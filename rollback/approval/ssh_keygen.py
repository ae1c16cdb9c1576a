"""OpenSSH's own program, for keys that never leave an agent or a security key."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from pathlib import Path

from rollback.approval.sshsig import MalformedSignature, Signature, read_signature
from rollback.approval.statement import NAMESPACE
from rollback.errors import ApprovalMissing

TOUCH_S_MAX = 120
"""How long a person has to touch a key or type a passphrase."""

VERIFY_S_MAX = 20

_TOUCHED = 0x01
"""The flag that a device sets when a person touched it (FIDO: user presence)."""


def program() -> str | None:
    """Where ssh-keygen is, None where there is none."""
    return shutil.which("ssh-keygen")


def sign(key: Path, message: bytes) -> str:
    """Let OpenSSH sign, and return the armoured signature. Raises ApprovalMissing.

    key: a public key whose private half is in the agent, or a security key's file.
    """
    found = program()
    if found is None:
        raise _failed("there is no ssh-keygen here, and this key needs it")
    command = [found, "-Y", "sign", "-n", NAMESPACE, "-f", str(key)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, input=message, capture_output=True, timeout=TOUCH_S_MAX, check=False
        )
        if done.returncode == 0:
            text = done.stdout.decode()
            read_signature(text)
            return text
    except subprocess.TimeoutExpired as error:
        raise _failed(f"ssh-keygen did not sign within {TOUCH_S_MAX} s") from error
    except (OSError, UnicodeError, MalformedSignature) as error:
        raise _failed(f"ssh-keygen gave no usable signature ({error})") from error
    raise _failed(f"ssh-keygen refused to sign: {_last_line(done.stderr)}")


def holds(signature: Signature, message: bytes) -> bool:
    """True when ssh-keygen verifies the signature, by its own key, in our namespace.

    False also where there is no ssh-keygen (promise fail-closed), and for a signature that a
    security key made untouched: ssh-keygen takes it, but then no person was there.
    """
    found = program()
    if found is None or (signature.tail and not signature.tail[0] & _TOUCHED):
        return False
    key = f"{signature.key_type} {base64.b64encode(signature.key).decode()}"
    with tempfile.TemporaryDirectory() as folder:
        signers, armoured = Path(folder, "signers"), Path(folder, "signature")
        signers.write_text(f'signer namespaces="{NAMESPACE}" {key}\n')
        armoured.write_text(signature.armoured())
        command = [found, "-Y", "verify", "-n", NAMESPACE, "-I", "signer"]
        command += ["-f", str(signers), "-s", str(armoured)]
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command, no shell
                command, input=message, capture_output=True, timeout=VERIFY_S_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "no reason given"


def _failed(reason: str) -> ApprovalMissing:
    return ApprovalMissing(
        "approval.not-signed",
        reason,
        hint="see `ssh-add -L` for the keys of the agent, or name a private key file",
    )
