"""Files and folders of this machine, whatever is in them."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from rollback.evidence.capture import capture
from rollback.evidence.cutting import Sizes
from rollback.evidence.sources import files
from tests.connectors.stand import environment
from tests.evidence.pipeline import Kept, capturing

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.evidence.source import PagedSource
    from rollback.model.evidence import SourceWindow


def source(path: Path) -> PagedSource:
    env = environment(evidence={"files": [{"name": "logs", "path": str(path)}]})
    (found,) = files.files(env, 60)
    return found


def captured(path: Path, sink: Kept, notes: Path | None = None) -> SourceWindow:
    with capturing(sink, notes, sizes=Sizes(200_000, 900_000, 64)) as shared:
        return capture(source(path), "at/capture", shared)


def whole(sink: Kept, window: SourceWindow) -> dict[str, bytes]:
    """The files, put together again from what was captured."""
    found: dict[str, bytes] = {}
    for line in sink.lines(window):
        item: dict[str, Any] = json.loads(line)
        data = base64.b64decode(item["base64"]) if "base64" in item else item["text"].encode()
        held = found.get(item["file"], b"")
        found[item["file"]] = held.ljust(item["at"], b"\n") + data
    return found


def test_a_file_can_be_put_together_again(tmp_path: Path) -> None:
    content = b"one\ntwo \xc3\xa9\n\n\xff\xfe binary\n" + b"y" * 200_000 + b"\nlast, without an end"
    (tmp_path / "app.log").write_bytes(content)
    sink = Kept()
    window = captured(tmp_path / "app.log", sink)
    assert (window.source, window.completeness) == ("files/logs", "complete")
    assert whole(sink, window) == {"app.log": content}


def test_a_folder_is_everything_under_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("z.log", "a/1.log", "a/b/2.log"):
        (tmp_path / name).write_text(f"line of {name}\n")
    sink = Kept()
    window = captured(tmp_path, sink)
    assert sorted(whole(sink, window)) == ["a/1.log", "a/b/2.log", "z.log"]
    assert window.completeness == "complete"


def test_links_and_pipes_are_gaps_and_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not to be read\n")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text("fine\n")
    (tmp_path / "logs" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "logs" / "pipe")
    sink = Kept()
    window = captured(tmp_path / "logs", sink)
    assert window.completeness == "partial"
    assert "link" in window.reason
    assert "not a plain file" in window.reason
    assert whole(sink, window) == {"app.log": b"fine"}


def test_what_is_not_there_is_a_gap(tmp_path: Path) -> None:
    window = captured(tmp_path / "none", Kept())
    assert window.completeness == "unknown"
    assert "No such file" in window.reason


def test_more_files_than_are_taken_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILES_MAX", 3)
    for number in range(5):
        (tmp_path / f"{number}.log").write_text("x\n")
    sink = Kept()
    window = captured(tmp_path, sink)
    assert window.completeness == "partial"
    assert "more than 3 files" in window.reason
    assert sorted(whole(sink, window)) == ["0.log", "1.log", "2.log"]


def test_an_interrupted_file_is_read_on_from_its_offset(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(f"line {number} {number * number}\n" for number in range(120_000)))
    clean = Kept()
    expected = captured(path, clean)
    sink = Kept(fails_at=4)
    with pytest.raises(KeyboardInterrupt):
        captured(path, sink, tmp_path / "notes")
    sink.fails_at = 0
    window = captured(path, sink, tmp_path / "notes")
    assert window.chunks == expected.chunks
    assert sorted(sink.puts) == sorted(clean.puts)
