"""Container logs cut a long line into pieces: nothing of a value is kept that is parted so."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from rollback.evidence import container_logs, spread
from rollback.evidence.redaction import Redaction
from rollback.evidence.source import Gap
from rollback.evidence.sources import app_service
from rollback.evidence.sources.commands import commands
from tests.connectors.stand import environment
from tests.evidence.pipeline import Kept
from tests.evidence.sources.test_spread_values import RULES, a_file, taken, written
from tests.evidence.test_broken_off import log_of
from tests.evidence.test_spread import SEEDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Form = Callable[[str, int], list[str]]

TIME = "2026-11-23T10:00:00.123456789Z"


def docker(line: str, size: int) -> list[str]:
    """As Docker writes it: the last piece has the newline."""
    pieces = [line[at : at + size] for at in range(0, len(line), size)]
    if not pieces or len(pieces[-1]) == size:
        pieces.append("")
    pieces[-1] += "\n"
    return [json.dumps({"log": one, "stream": "stdout", "time": TIME}) for one in pieces]


def cri(line: str, size: int) -> list[str]:
    pieces = [line[at : at + size] for at in range(0, len(line), size)] or [""]
    tags = ["P"] * (len(pieces) - 1) + ["F"]
    return [f"{TIME} stdout {tag} {one}" for tag, one in zip(tags, pieces, strict=True)]


def kept_of(log: bytes, rules: tuple[str, ...] = RULES) -> tuple[bytes, list[str]]:
    fields = Redaction(rules, b"key")
    made = app_service._log_lines(log, "web", bytes, fields)
    lines = b"".join(one + b"\n" for one in made if isinstance(one, bytes))
    return fields.lines(lines), [one.reason for one in made if isinstance(one, Gap)]


@pytest.mark.parametrize("form", [docker, cri])
@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_nothing_of_a_value_is_kept_wherever_its_line_was_cut(
    form: Form, seed: int
) -> None:
    chance = Random(seed)
    size = chance.randint(12, 60)
    lines = [one for line in written(chance).split("\n") for one in form(line, size)]
    with pytest.MonkeyPatch.context() as patch:
        for module in (spread, container_logs):
            patch.setattr(module, "PIECE_BYTES_MIN", size)
        kept, gaps = kept_of("\n".join(lines).encode())
    assert b"planted" not in kept, "\n".join(lines)
    assert b"in between" in kept
    assert all("cut into pieces" in gap for gap in gaps)


@pytest.mark.parametrize("form", [docker, cri])
@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_nothing_is_kept_of_what_was_broken_off_within(form: Form, seed: int) -> None:
    lines = [one for line in log_of(Random(seed)).split("\n") for one in form(line, 10**6)]
    kept, _ = kept_of("\n".join(lines).encode())
    assert b"Q" not in kept, "\n".join(lines)


def test_what_was_broken_off_within_is_over_where_records_are_whole_again() -> None:
    whole = '{"n":1,"at":"t","x":"yes"}'
    broken = ['{"n":1,"at":"t","email":["SECRET","SEC', whole, "after", whole]
    for form in (docker, cri):
        lines = [one for line in [whole, *broken] for one in form(line, 10**6)]
        kept, gaps = kept_of("\n".join(lines).encode())
        assert kept.count(b"yes") == 2
        assert b"SEC" not in kept
        assert "broken off" in gaps[0]


LONG = '{"x":"' + "x" * 16_378


@pytest.mark.parametrize("form", [docker, cri])
@pytest.mark.parametrize(
    "rest",
    ['"SECRET"]}', 'ail":"SECRET"}', 'SECRET"}', '","email":{"a":1,\n"b":"SECRET"}}'],
)
def test_a_file_and_a_command_say_that_a_line_was_in_pieces(
    tmp_path: Path, form: Form, rest: str
) -> None:
    """At the size that is cut at, and with whole lines before and after."""
    begun = {'"SECRET"]}': '","email":["a",', 'ail":"SECRET"}': '","em', 'SECRET"}': '","email":"'}
    before = begun.get(rest, "")
    line = LONG[: 16_384 - len(before)] + before + rest
    lines = [one for part in ["first", *line.split("\n"), "last"] for one in form(part, 16_384)]
    path = tmp_path / "json.log"
    path.write_text("".join(f"{one}\n" for one in lines))
    named = [{"name": "state", "argv": ["cat", str(path)]}]
    command = commands(environment(evidence={"commands": named, "redact": ["email"]}), 60)[0]
    for source in (a_file(path, "email"), command):
        sink = Kept()
        window = taken(source, sink)
        kept = b"".join(sink.lines(window))
        assert b"SECRET" not in kept
        assert b"first" in kept
        assert b"last" in kept
        assert window.completeness == "partial"
        assert "cut into pieces" in window.reason


def test_a_whole_line_of_docker_that_lost_its_newline_is_no_piece() -> None:
    """Collectors take it off; only what is as long as a piece goes on."""
    lines = [json.dumps({"log": one, "stream": "stderr"}) for one in ("one", "two", LONG + '"}', "x")]
    kept, gaps = kept_of("\n".join([*lines, *lines]).encode())
    assert [gap for gap in gaps if "cut into pieces" in gap]
    assert kept.count(b"one") == kept.count(b"two") == 2
    others = [json.dumps({"log": "x" * 20_000, "stream": "elsewhere"})] * 2
    assert kept_of("\n".join(others).encode())[1] == []


def test_streams_of_a_container_are_followed_apart() -> None:
    lines = [
        f'{TIME} stdout F {{"email": [',
        f"{TIME} stderr F words",
        f'{TIME} stderr P {{"a":',
        f'{TIME} stdout F "SECRET"]}}',
        f"{TIME} stderr F 1}}",
        f"{TIME} stdout F after",
    ]
    kept, gaps = kept_of("\n".join(lines).encode())
    texts = [json.loads(line).get("text", "")[len(TIME) :] for line in kept.splitlines()]
    assert texts == ["", " stderr F words", "", "", "", " stdout F after"]
    assert len(gaps) == 1


def test_without_rules_every_piece_is_kept() -> None:
    lines = cri("x" * 40_000, 16_384)
    kept, gaps = kept_of("\n".join(lines).encode(), ())
    assert kept.count(b"x" * 7_000) >= 3
    assert gaps == []
