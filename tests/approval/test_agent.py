"""A key that lives in an agent signs through ssh-keygen."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.approval.sign import sign_text

from .conftest import Keys


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real ssh-agent in the foreground on a socket of its own."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh-agent here")
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder, "agent")
        command = ["ssh-agent", "-D", "-a", str(socket)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()  # said once the socket is there
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            yield
            process.terminate()


def test_a_public_key_signs_by_its_agent(keys: Keys, agent: None, tmp_path: Path) -> None:
    subprocess.run(
        ["ssh-add", "-q", str(keys.private("ed25519"))],
        check=True,
        capture_output=True,
        env=dict(os.environ),
    )
    public = tmp_path / "me.pub"
    public.write_text(keys.public("ed25519"))
    text = sign_text(b"x", public)
    assert keys.openssh_accepts(f"a@b {keys.public('ed25519')}", "a@b", text, b"x")
