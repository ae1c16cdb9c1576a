"""Servers from npm, each in a process of its own on a free port of loopback, gone with the test."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.peers.azurite import ACCOUNT, MODULES, Azurite

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite, in memory. It cannot keep blobs from change and has no versions."""
    if not MODULES.is_dir():
        pytest.skip("`make peers` installs the servers")
    program = MODULES / "azurite" / "dist" / "src" / "blob" / "main.js"
    given = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]
    with subprocess.Popen(
        ["node", str(program), *given, "--skipApiVersionCheck", "--disableTelemetry"],
        cwd=tmp_path_factory.mktemp("azurite"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"]},
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if "successfully listens on" in line:
                    yield Azurite(f"{line.split()[-1]}/{ACCOUNT}")
                    break
            else:
                pytest.fail(f"azurite did not start: {''.join(said)}")
        finally:
            process.terminate()
