"""What a verb does not need, it does not import: seen in sys.modules of a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "azure", "boto3", "botocore", "moto", "aiohttp", "requests", "rich", "httpx", "jinja2",
    "structlog", "tenacity", "cryptography", "websockets", "flask",
)  # fmt: skip
SHOW = (
    "import sys, json; from rollback.cli.main import run; status = run(sys.argv[1:]);"
    "print(json.dumps([status, sorted({name.split('.')[0] for name in sys.modules})]), file=sys.stderr)"
)


def imported(*args: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *args],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    status, names = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done.stderr
    return set(names)


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("--version",),
        ("validate", "full-rollback"),
        ("validate", "full-rollback", "--environment", "examples/environments/rehearsal.yaml"),
        *[(verb, "--help") for verb in ("plan", "show", "approve", "apply", "status", "rehearse")],
    ],
)
def test_nothing_heavy_is_imported(args: tuple[str, ...]) -> None:
    assert not imported(*args) & set(HEAVY)


def test_help_imports_no_pydantic() -> None:
    assert "pydantic" not in imported("--help")
    assert "yaml" not in imported("--help")


def test_only_a_process_of_the_commands_own_takes_turns_more_often() -> None:
    code = (
        "import sys; from rollback.cli import main; before = sys.getswitchinterval();"
        "main.run(['--version']); between = sys.getswitchinterval();"
        "main.end_at_once = lambda: print(before == between, sys.getswitchinterval() < before);"
        "main.main(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "True True" in done.stdout.splitlines()
