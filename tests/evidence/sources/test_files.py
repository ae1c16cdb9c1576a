"""Files and folders of this machine, whatever is in them."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from rollback.connectors.secrets import VariableSecrets
from rollback.evidence.capture import capture
from rollback.evidence.cutting import Sizes
from rollback.evidence.sources import files
from rollback.evidence.sources.commands import commands
from rollback.evidence.windows import recorded
from rollback.model.environment import Secret
from tests.connectors.stand import environment
from tests.evidence.pipeline import Kept, capturing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rollback.evidence.source import PagedSource, Read
    from rollback.model.evidence import SourceWindow
    from rollback.model.ports import Clients


def source(path: Path, *redact: str) -> PagedSource:
    named = [{"name": "logs", "path": str(path)}]
    env = environment(evidence={"files": named, "redact": redact})
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


def during(
    path: Path, act: Callable[[], object], sink: Kept | None = None, *redact: str
) -> SourceWindow:
    """What a capture says of a file to which something happens after its first page."""
    sink, plain = sink or Kept(), source(path, *redact)

    def read_part(clients: Clients, part: str, place: str) -> Iterator[Read]:
        for number, read in enumerate(plain.read_part(clients, part, place)):
            yield read
            if number == 0 and not part.startswith("./"):
                act()

    with capturing(sink, sizes=Sizes(200_000, 900_000, 64)) as shared:
        return capture(dataclasses.replace(plain, read_part=read_part), "at/capture", shared)


def rotated(path: Path) -> None:
    path.rename(path.with_suffix(".1"))
    path.write_text("a new one\n")


@pytest.mark.parametrize(
    ("act", "word"),
    [
        (lambda path: os.truncate(path, 0), "cut shorter"),
        (lambda path: path.unlink(), "removed or replaced"),
        (rotated, "removed or replaced"),
    ],
    ids=["truncated", "removed", "rotated"],
)
def test_a_file_that_loses_lines_while_it_is_read_is_a_gap(
    tmp_path: Path, act: Callable[[Path], object], word: str
) -> None:
    path = tmp_path / "app.log"
    path.write_text("a line\n" * 200_000)
    window = during(path, lambda: act(path))
    assert window.completeness == "partial"
    assert word in window.reason


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("a line\n" * 200_000)

    def append() -> None:
        with path.open("a") as file:
            file.write("and one\n")

    window = during(path, append)
    assert (window.completeness, window.items) == ("complete", 200_001)


@pytest.mark.parametrize("redact", [(), ("password",)], ids=["", "with rules"])
def test_a_line_that_is_being_written_is_left_out(tmp_path: Path, redact: tuple[str, ...]) -> None:
    """Half of a line may hold half a secret, which is not known for one."""
    path, sink = tmp_path / "app.log", Kept()
    path.write_text("a line\n" * 200_000)

    def append() -> None:
        with path.open("a") as file:
            file.write("and one\nhalf")

    window = during(path, append, sink, *redact)
    last = [json.loads(line) for line in sink.lines(window)][-2:]
    assert last == [
        {"at": 1_400_000, "file": "app.log", "text": "and one"},
        {"at": 1_400_008, "file": "app.log", "left_out_bytes": 4},
    ]
    assert window.completeness == "partial"
    assert "its last line was being written" in window.reason


def test_a_folder_whose_files_change_their_names_is_a_gap(tmp_path: Path) -> None:
    """What was written before it was rotated stands in a file that nobody listed."""
    (tmp_path / "a.log").write_text("first\n")
    (tmp_path / "b.log").write_text("to be rotated before it is read\n")

    def rotate() -> None:
        if not (tmp_path / "b.1").exists():
            rotated(tmp_path / "b.log")

    window = during(tmp_path, rotate)
    assert window.completeness == "partial"
    assert "renamed while it was read" in window.reason


def test_a_linked_folder_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "app.log").write_text("not read\n")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text("fine\n")
    (tmp_path / "logs" / "linked").symlink_to(tmp_path / "elsewhere")
    sink = Kept()
    window = captured(tmp_path / "logs", sink)
    assert window.completeness == "partial"
    assert "linked" in window.reason
    assert whole(sink, window) == {"app.log": b"fine"}


SECRET = "a-secret-of-a-webhook-0123456789"


def test_a_secret_is_not_cut_in_two_wherever_a_long_line_is_cut(tmp_path: Path) -> None:
    """Half of it in one line and half in the next would both be kept."""
    secrets = VariableSecrets({"KEY": SECRET})
    secrets.get(Secret(variable="KEY"))
    path = tmp_path / "app.log"
    for before in (*range(65_536 - len(SECRET) - 2, 65_536 + 3), 131_060, 139_000):
        path.write_bytes(b"\xc3\xa9" * (before // 2) + b"." * (before % 2) + SECRET.encode() + b"z" * 90_000)
        sink = Kept(blots=secrets.redact_bytes)
        window = captured(path, sink)
        texts = "".join(json.loads(one)["text"] for one in sink.lines(window))
        assert texts == "\u00e9" * (before // 2) + "." * (before % 2) + "[secret]" + "z" * 90_000


@pytest.mark.parametrize(
    "line",
    [
        b"x" * 65_000 + b'{"a":"' + b"b" * 20_000 + b'","email":"ana@example.net"}',
        b'\xff{"email":"ana@example.net"}',
    ],
    ids=["long", "not-utf-8"],
)
@pytest.mark.parametrize("start", [0, 1])
def test_what_no_rule_can_be_held_against_is_left_out_and_said(
    tmp_path: Path, line: bytes, start: int
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"short\n" * start + line + b"\n" + b"the last\n")
    sink = Kept()
    with capturing(sink, rules=("email",)) as shared:
        window = capture(source(path, "email"), "at/capture", shared)
    said = b"\n".join(sink.lines(window))
    assert window.completeness == "partial"
    assert "left out" in window.reason
    assert b"example.net" not in said
    assert base64.b64encode(b"ana@example")[:12] not in said
    assert b"the last" in said


def test_a_long_line_read_on_from_its_middle_is_still_no_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"x" * 70_000 + b'{"email":"ana@example.net"}\n')
    with capturing(Kept()) as shared:
        reads = list(source(path, "email").read_part(shared.clients, "", "70000"))
    assert "example.net" not in str(reads)


def test_names_that_are_no_text_cost_nothing_else(tmp_path: Path) -> None:
    """What cannot be read of them is told; what can is kept, also where there are rules."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / os.fsdecode(b"good\xff")).write_text('{"id": 1}\n')
    (folder / os.fsdecode(b"link\xfe")).symlink_to(tmp_path)
    sink = Kept()
    with capturing(sink, rules=("email",)) as shared:
        window = capture(source(folder, "email"), "at/capture", shared)
    recorded((window,), "at/capture", sink)
    (line,) = sink.lines(window)
    assert json.loads(line) == {"at": 0, "file": "good\\udcff", "text": '{"id": 1}'}
    assert window.reason == f"{folder}/link\\udcfe: a link, which is not followed"


def test_a_name_with_a_zero_in_it_is_a_gap(tmp_path: Path) -> None:
    sink = Kept()
    with capturing(sink) as shared:
        window = capture(source(tmp_path / "a\0b"), "at/capture", shared)
        named = [{"name": "state", "argv": ["echo", "a\0b"]}]
        command = commands(environment(evidence={"commands": named}), 60)[0]
        said = capture(command, "at/capture", shared)
    assert [one.completeness for one in (window, said)] == ["unknown", "unknown"]
    assert "embedded null byte" in window.reason
    assert "embedded null byte" in said.reason
