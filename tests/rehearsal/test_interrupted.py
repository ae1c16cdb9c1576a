"""All scenarios side by side, and a person who has seen enough."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ENDS_S_MAX = 90


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_ends_every_scenario_that_runs(tmp_path: Path, number: int) -> None:
    """Also where it was started deaf to Ctrl-C, as a shell without job control does."""
    command = [
        *("sh", "-c", "trap '' INT; exec \"$@\"", "sh"),
        str(Path(sys.executable).with_name("rollback")), "rehearse", "--scenario", "all", "--at-once", "2",
        "--keep", str(tmp_path),
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "scenario clean\n"
            os.killpg(process.pid, number)  # what a terminal does
            _, said = process.communicate(timeout=ENDS_S_MAX)
        finally:
            with suppress(ProcessLookupError):  # nothing of it is left, as it should be
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "interrupted: stopped by a person" in said
    assert "Traceback" not in said
