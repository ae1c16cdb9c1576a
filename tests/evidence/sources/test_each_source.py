"""Each source has a file of its own, and the page on captures says which go on from a place."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rollback.actions.snapshot_sources import sources_of
from rollback.evidence.source import PagedSource
from rollback.model.steps import SnapshotAuditLogs
from tests.actions.loopback import context
from tests.connectors.stand import environment

if TYPE_CHECKING:
    from rollback.evidence.source import AnySource

PAGE = Path(__file__).parents[3] / "docs/explanation/capture.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (goes on|anew)\b", re.MULTILINE)
FOLDER: Final = "rollback.evidence.sources."


def every_source() -> list[AnySource]:
    known = environment(
        evidence={
            "answers": [{"name": "alerts", "host": "alerts.example.com", "path": "/"}],
            "files": [{"name": "log", "path": "log"}],
            "commands": [{"name": "date", "argv": ["date"]}],
        }
    )
    step = context(known, SnapshotAuditLogs(), "capture", created=datetime(2026, 11, 23, tzinfo=UTC))
    return [one for _, one in sources_of(step, datetime(2026, 11, 24, tzinfo=UTC))]


def kind(name: str, surfaces: tuple[str, ...]) -> str:
    """A source's name as documents write it."""
    first, _, rest = name.partition("/")
    if first in surfaces:
        return rest
    return first if not rest else f"{first}/"


def told() -> dict[str, tuple[str, bool]]:
    """(file, goes on) by source, as the page says."""
    found = {}
    for file, names, how in ROW.findall(PAGE.read_text()):
        for name in re.findall(r"`([^`]+)`", names):
            plain = name.removeprefix("<surface>/").partition("<")[0]
            found[plain] = (file, how == "goes on")
    return found


def test_each_source_has_its_file_and_goes_on_as_the_page_says() -> None:
    made = {}
    for one in every_source():
        read = one.read_part if isinstance(one, PagedSource) else one.read
        if not one.name.startswith("authority/"):
            module = read.__module__.removeprefix(FOLDER)
            made[kind(one.name, ("backend", "web"))] = (module, isinstance(one, PagedSource))
    assert made == told()


def test_every_file_has_its_sources_on_the_page() -> None:
    """But those by which others read and write."""
    folder = Path(__file__).parents[3] / "rollback/evidence/sources"
    shared = {"__init__", "lines", "pieces", "raw"}
    assert {path.stem for path in folder.glob("*.py")} - shared == {one for one, _ in told().values()}
