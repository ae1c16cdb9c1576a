"""The command line, run in this process, and its three outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollback.cli.main import run
from rollback.planning.canonical import canonical
from tests.builders import make_plan


@dataclass(frozen=True, slots=True)
class Ran:
    """Exit status, standard output, standard error."""

    status: int
    out: str
    err: str


Rollback = Callable[..., Ran]


@pytest.fixture
def rollback(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rollback:
    for name in ("ROLLBACK_ENVIRONMENT", "ROLLBACK_STATE", "ROLLBACK_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def go(*args: str | Path) -> Ran:
        status = run([str(arg) for arg in args])
        seen = capfd.readouterr()
        return Ran(status, seen.out, seen.err)

    return go


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_bytes(canonical(make_plan()))
    return path
