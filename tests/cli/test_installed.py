"""What an installation lacks is told before anything is done, with the extra that brings it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rollback.wiring.packages import EXTRAS

ROOT = Path(__file__).parents[2]
PRODUCTION = "examples/environments/production.yaml"
WITHOUT = (
    "import sys; hidden, *args = sys.argv[1:]; sys.modules[hidden] = None;"
    "from rollback.cli.main import run; sys.exit(run(args))"
)

LOADED = (
    "import sys; sys.modules['botocore'] = None\n"
    "from rollback.errors import ConnectorError\n"
    "from rollback.guard.wire import first_use\n"
    "try: first_use.load(first_use.S3)\n"
    "except ConnectorError as error: print(error.code)"
)


def without(hidden: str, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, hidden, *args],
        capture_output=True, text=True, check=False, cwd=ROOT, env=variables,
    )  # fmt: skip


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    names = re.findall(r"\$\{(\w+)\}", (ROOT / PRODUCTION).read_text())
    given = {name: f"what-{name.lower().replace('_', '-')}-holds" for name in names}
    given = {
        name: f"https://{said}.example" if name.endswith(("_URL", "_ISSUER")) else said
        for name, said in given.items()
    }
    given |= {"COSMOS_ENDPOINT": "https://trading-cosmos.documents.azure.com"}
    return {**given, "PLATFORM_AUTH_ENABLED": "true", "ROLLBACK_STATE": str(tmp_path / "state")}


@pytest.mark.parametrize("verb", [("plan", "halt-only"), ("doctor",)])
@pytest.mark.parametrize(
    ("hidden", "lacking", "extra"),
    [
        ("azure", "azure.cosmos, azure.identity, azure.mgmt.web, azure.storage.blob", "azure"),
        ("msgspec", "msgspec", "azure"),
        ("botocore", "botocore", "aws"),
    ],
)
def test_an_sdk_that_is_not_installed_is_named_before_anything_is_asked(
    verb: tuple[str, ...], hidden: str, lacking: str, extra: str, variables: dict[str, str]
) -> None:
    ran = without(hidden, *verb, "--environment", PRODUCTION, **variables)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.splitlines() == [
        f"error: install.missing: trading-production needs {lacking}, which this Python does not have",
        f"hint: install trade-rollback[{extra}]; nothing was sent",
    ]


@pytest.mark.parametrize("hidden", ["trustme", "moto", "azure"])
def test_a_rehearsal_says_what_it_needs(hidden: str) -> None:
    ran = without(hidden, "rehearse")
    assert ran.returncode == 2, ran.stderr
    assert "error: install.missing: the rehearsal needs" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_store_whose_sdk_is_missing_is_a_store_that_cannot_be_reached() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout == "connector.not-installed\n"


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_what_is_looked_for_is_what_the_extra_brings(extra: str) -> None:
    """Each requirement of an extra has a module that is looked for, and no module has none."""
    wanted = [
        re.split(r"[\[<>=;]", one)[0].strip()
        for one in importlib.metadata.requires("trade-rollback") or ()
        if f"extra == '{extra}'" in one.replace('"', "'")
    ]
    of = {name: {str(file) for file in importlib.metadata.files(name) or ()} for name in wanted}
    for module in EXTRAS[extra]:
        file = f"{module.replace('.', '/')}/__init__.py"
        found = [name for name, files in of.items() if file in files]
        assert found, f"nothing that {extra} brings has {module}"
        of.pop(found[0])
    assert not of, "of an extra, and looked for nowhere"
