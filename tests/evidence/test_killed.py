"""A capture's process killed at every chunk, and started again until it comes to its end."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rollback.evidence.chunks import unpacked
from rollback.evidence.windows import parsed
from tests.evidence.cosmos_shaped import events, shaped, spread
from tests.evidence.kills import MOMENTS, ground

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.evidence import SourceWindow
    from tests.evidence.cosmos_shaped import Shaped

EVENTS = 24_000
PARTS = 3


def started(folder: Path, story: Shaped, kill_at: int) -> str | None:
    """The name of the list of windows; None where the process was killed."""
    command = [sys.executable, "-m", "tests.evidence.killed", str(folder), str(story.port), str(kill_at)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, timeout=120)
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0
    return done.stdout.strip()


def windows(folder: Path, name: str) -> dict[str, SourceWindow]:
    listed = parsed(unpacked((folder / "store" / "chunks" / name).read_bytes()))
    return {window.source: window for window in listed}


def lines(folder: Path, window: SourceWindow) -> list[bytes]:
    store = folder / "store" / "chunks"
    content = b"".join(unpacked((store / chunk.sha256).read_bytes()) for chunk in window.chunks)
    return content.split(b"\n")[:-1]


@pytest.mark.parametrize("kill_at", [1, -1], ids=["after-a-chunk", "before-the-next"])
def test_killed_at_every_chunk_nothing_is_lost_and_nothing_stands_twice(
    tmp_path: Path, kill_at: int
) -> None:
    clean, torn = tmp_path / "clean", tmp_path / "torn"
    for folder in (clean, torn):
        folder.mkdir()
    with shaped(spread(events(EVENTS), PARTS)) as story:
        name = started(clean, story, 0)
        assert name is not None
        expected = windows(clean, name)
        kills = 0
        while (name := started(torn, story, kill_at)) is None:
            kills += 1
            assert kills < 60
        found = windows(torn, name)
        everything = story.all
    audit = expected["cosmos/audit_log"]
    assert audit.completeness == "complete"
    assert lines(clean, audit) == lines(torn, found["cosmos/audit_log"]) == everything
    # Each process adds one chunk and dies; the last one finds all of them and writes the list.
    # It may have added two: there are two threads that store.
    assert kills * 2 >= len(audit.chunks) - 1 > PARTS
    times = {"took_ms", "until", "facts"}  # a page that is read twice costs its units twice
    assert [one.model_dump(exclude=times) for one in found.values()] == [
        one.model_dump(exclude=times) for one in expected.values()
    ]
    created = (torn / "created").read_text().split()
    assert len(set(created)) == len(created)
    assert not (torn / "local").exists()


def test_the_command_killed_at_every_upload_into_a_bucket_comes_to_the_same_bundle(
    tmp_path: Path,
) -> None:
    """One capture, each of its processes killed at its second upload, at one moment after another.

    `make capture-kills` kills a capture of its own at every upload and every moment.
    """
    with ground(tmp_path, EVENTS // 2) as here:
        capture = here.capture()
        for moment in itertools.cycle(MOMENTS):
            if capture.process(2, moment):
                break
            assert capture.kills < 2 * here.uploads
        assert capture.kills >= len(MOMENTS)
        assert here.objections(capture) == []
