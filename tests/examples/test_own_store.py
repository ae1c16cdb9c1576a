"""The store of one's own that a page shows, held to the suite as its author would: by pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/how-to/write-a-store.md"


def suite_of(page: str, folder: Path) -> subprocess.CompletedProcess[str]:
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    blocks = [one for one in shown if ">>>" not in one and "Environment.load" not in one]
    (folder / "test_own_store.py").write_text("\n".join(blocks))
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "test_own_store.py"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_store_of_the_page_passes(tmp_path: Path) -> None:
    done = suite_of(PAGE.read_text(), tmp_path)
    assert re.search(r"^18 passed", done.stdout, re.MULTILINE), done.stdout


def test_one_that_replaces_what_is_there_does_not(tmp_path: Path) -> None:
    page = PAGE.read_text().replace(
        "ON CONFLICT DO NOTHING", "ON CONFLICT DO UPDATE SET data=excluded.data"
    )
    done = suite_of(page, tmp_path)
    assert "what was there was replaced" in done.stdout or "put returned" in done.stdout, (
        done.stdout
    )
