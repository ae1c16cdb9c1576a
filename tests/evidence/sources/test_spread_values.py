"""Personal data in JSON over several lines, through every source that gives lines, and a death."""

from __future__ import annotations

import json
import sys
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from rollback.evidence.capture import capture
from rollback.evidence.cutting import Sizes
from rollback.evidence.redaction import Redaction
from rollback.evidence.source import Gap
from rollback.evidence.sources import app_service, files
from rollback.evidence.sources.commands import commands
from tests.connectors.stand import environment
from tests.evidence.pipeline import Kept, capturing
from tests.evidence.test_spread import SEEDS, Writer, value_of

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.evidence.source import AnySource
    from rollback.model.evidence import SourceWindow

RULES = ("email", "user", "tags.id", "x.*.name")
SIZES = Sizes(600, 2_000, 8)


def planted(value: Any, path: tuple[str, ...] = (), *, inside: bool = False) -> Any:
    """The value with other texts inside the fields that rules name."""
    if isinstance(value, dict):
        return {
            name: planted(child, (*path, name), inside=inside or _ruled(*path, name))
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [planted(child, path, inside=inside) for child in value]
    return f"planted {value}]" if inside and value is not None else value


def _ruled(*path: str) -> bool:
    last = path[-1].lower()
    within = last == "id" and path[-2:-1] == ("tags",)
    far = last == "name" and path[-3:-2] == ("x",)
    return last in {"email", "user"} or within or far


def written(chance: Random) -> str:
    writer = Writer(chance)
    for _ in range(chance.randint(1, 12)):
        writer.value(planted(value_of(chance)))
        writer.text += "\nin between\n"
    return writer.text


def taken(source: AnySource, sink: Kept, notes: Path | None = None) -> SourceWindow:
    with capturing(sink, notes, rules=RULES, sizes=SIZES) as shared:
        return capture(source, "at/capture", shared)


def a_file(path: Path, *rules: str) -> AnySource:
    env = environment(evidence={"files": [{"name": "log", "path": str(path)}], "redact": rules})
    return files.files(env, 60)[0]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_no_planted_value_is_kept_of_a_file_wherever_its_capture_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """And what is kept is the same as without a death."""
    monkeypatch.setattr(files, "PAGE_BYTES", 64)
    path = tmp_path / "app.log"
    path.write_text(written(Random(seed)))
    clean = Kept()
    expected = taken(a_file(path, *RULES), clean)
    kept = b"".join(clean.lines(expected))
    assert expected.completeness == "complete"
    assert b"planted" not in kept
    assert b"in between" in kept
    notes = tmp_path / f"notes-{seed}"
    for dies_at in range(1, len(clean.puts) + 1):
        sink = Kept(fails_at=dies_at)
        with pytest.raises(KeyboardInterrupt):
            taken(a_file(path, *RULES), sink, notes)
        sink.fails_at = 0
        again = taken(a_file(path, *RULES), sink, notes)
        assert (again.chunks, again.completeness) == (expected.chunks, "complete")
        notes.unlink()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_no_planted_value_is_kept_of_a_command(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "said"
    path.write_text(written(Random(seed)))
    argv = [sys.executable, "-c", f"print(open({str(path)!r}).read())"]
    named = [{"name": "state", "argv": argv}]
    (source,) = commands(environment(evidence={"commands": named, "redact": RULES}), 60)
    sink = Kept()
    window = taken(source, sink)
    assert window.completeness == "complete"
    assert b"planted" not in b"".join(sink.lines(window))


@settings(max_examples=100)
@given(SEEDS)
def test_no_planted_value_is_kept_of_a_worker_log(seed: int) -> None:
    """Of one that was cut at its bound neither, wherever that was."""
    chance = Random(seed)
    time = "2026-11-23T10:00:00.123Z "
    log = "".join(f"{time}{line}\n" for line in written(chance).split("\n")).encode()
    fields = Redaction(RULES, b"key")
    bound = len(log) - chance.randint(1, len(log) - 1)
    for cut, most in ((log, len(log) + 1), (log[-bound:], bound)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app_service, "LOG_BYTES_MAX", most)
            made = app_service._log_lines(cut, "web", bytes, fields)
        lines = b"".join(one + b"\n" for one in made if isinstance(one, bytes))
        gaps = [one.reason for one in made if isinstance(one, Gap)]
        assert b"planted" not in fields.lines(lines)
        assert cut is not log or not gaps


def test_where_no_end_is_found_the_rest_is_left_out_and_the_source_is_partial(
    tmp_path: Path,
) -> None:
    """Where it began is said, and a death in between forgets nothing of it."""
    path = tmp_path / "app.log"
    rest = "".join(f'"personal-{number}",\n' for number in range(3_000))
    path.write_text('first\n"email": [\n"a" "b"\n' + rest)
    clean = Kept()
    expected = taken(a_file(path, "email"), clean)
    lines = [json.loads(line) for line in clean.lines(expected)]
    assert lines[0]["text"] == "first"
    assert lines[1] == {"at": 6, "file": "app.log", "redacted_bytes": 11}
    assert all("text" not in line for line in lines[1:])
    assert expected.completeness == "partial"
    assert "from byte 6 on" in expected.reason
    assert "its end was not found" in expected.reason
    sink = Kept(fails_at=3)
    with pytest.raises(KeyboardInterrupt):
        taken(a_file(path, "email"), sink, tmp_path / "notes")
    sink.fails_at = 0
    again = taken(a_file(path, "email"), sink, tmp_path / "notes")
    assert (again.chunks, again.reason) == (expected.chunks, expected.reason)


def test_a_value_that_has_no_end_in_a_file_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text('"email": [\n"personal",\n')
    sink = Kept()
    window = taken(a_file(tmp_path / "app.log", "email"), sink)
    assert window.completeness == "partial"
    assert b"personal" not in b"".join(sink.lines(window))


def test_what_was_left_out_before_a_death_is_a_gap_after_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PAGE_BYTES", 64)
    path = tmp_path / "app.log"
    path.write_bytes(b"\xff not UTF-8\n" + b"a line of no interest\n" * 600)
    sink = Kept(fails_at=4)
    with pytest.raises(KeyboardInterrupt):
        taken(a_file(path, "email"), sink, tmp_path / "notes")
    sink.fails_at = 0
    again = taken(a_file(path, "email"), sink, tmp_path / "notes")
    assert again.completeness == "partial"
    assert "were left out: no field can be redacted there" in again.reason


@pytest.mark.parametrize("code", ["utf-16", "utf-16-be", "utf-32-le"])
def test_text_in_which_no_name_can_be_found_is_left_out(tmp_path: Path, code: str) -> None:
    path = tmp_path / "app.log"
    path.write_bytes('one\n{"email": "planted"}\n'.encode(code))
    named = [{"name": "state", "argv": ["cat", str(path)]}]
    env = environment(evidence={"commands": named, "redact": ["email"]})
    for source in (a_file(path, "email"), commands(env, 60)[0]):
        sink = Kept()
        window = taken(source, sink)
        assert window.completeness == "partial"
        assert b"p\\u0000l" not in b"".join(sink.lines(window))
    log = app_service._log_lines(path.read_bytes(), "web", bytes, Redaction(("email",)))
    assert b"p\\u0000l" not in b"".join(one for one in log if isinstance(one, bytes))
