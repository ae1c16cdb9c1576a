"""Whatever a run met, its report, its messages and a difference of plans cannot be forged by it."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from markdown_it import MarkdownIt

from rollback.model.record import Record, RecordKind
from rollback.planning.canonical import canonical
from rollback.rendering.difference import difference
from rollback.rendering.escape import json_shown
from rollback.rendering.faces import for_channel, render_report
from tests.rendering.hostile import FORGERIES, anything, saying
from tests.rendering.test_hostile_world import DIGEST, FEW, PLAIN, Structure, cells, headings
from tests.rendering.test_report import records

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 90
every_forgery = pytest.mark.parametrize(
    "text", [text.encode("utf-8", "replace").decode() for text in FORGERIES if text]
)


def met(text: str) -> tuple[Record, ...]:
    """A run in which everything that comes from outside says `text`."""
    about: dict[str, Any] = {"step": "revert-backend", "change": "swap"}
    return records(
        (RecordKind.OPENED, {"by": text, "mode": "full", "break_glass": text, "plan": "d" * 64}),
        (RecordKind.APPROVED, {"principal": text, "key": text, "decision": "approve"}),
        (RecordKind.APPROVED, {"code": "approval.expired", "problem": text}),
        (RecordKind.ATTESTED, {"about": "halt-outside", "person": text, "statement": text}),
        (RecordKind.AUTHORITY, {"slot": text, "verdict": "lost", "reasons": (text,)}),
        (RecordKind.OBSERVED, {**about, "verdict": "drifted", "differences": (text,)}),
        (RecordKind.INTENT, {**about, "effect": "revert-backend#swap", "direction": text}),
        (RecordKind.EXCHANGE, {"request_id": text, "method": text, "host": text, "path": text}),
        (RecordKind.OUTCOME, {**about, "outcome": "unknown", "reason": text}),
        (RecordKind.VERIFIED, {**about, "holds": False, "checks": (f"FAILS build: {text}", text)}),
        (RecordKind.REFUSAL, {"method": text, "host": text, "path": text, "reasons": (text,)}),
        (RecordKind.STEP, {"step": "revert-backend", "status": "failed", "reason": text}),
        (RecordKind.CLOSED, {"exit": 6}),
    )


def report(text: str, face: Any) -> str:
    return render_report(
        PLAIN, DIGEST, met(text), face, next_moves=(text,), bundle=text, max_chars=None, width=WIDTH
    )


def message(text: str, face: Any) -> str:
    return for_channel(PLAIN, DIGEST, met(text), face, 200_000)


def shape(out: str) -> list[tuple[str, int]]:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(out)
    for token in tokens:
        for child in token.children or ():
            assert child.type in {"text", "code_inline", "strong_open", "strong_close"}
            if child.type == "text":
                bare = child.content.replace("->", "")
                assert not re.search(r"[@#<>\[\]`|~_*\\]|://|www\.|:\w+:|[0-9a-f]{7}", bare)
    return [(token.type, token.level) for token in tokens]


def check_text(text: str, told: Callable[[str, Any], str]) -> None:
    out = told(text, "text")
    assert headings(out) == headings(told("x", "text"))
    assert max(cells(row) for row in out.split("\n")) <= 100
    assert all(char == "\n" or seen(char) for char in out)


def check_markdown(text: str, told: Callable[[str, Any], str]) -> None:
    assert shape(told(text, "markdown")) == shape(told("x", "markdown"))


def seen(char: str) -> bool:
    """Whether a character is one that can be seen, and leaves its neighbours in their order."""
    reorders = {"R", "AL", "RLO", "RLE", "RLI", "LRO", "LRE", "LRI", "PDF", "PDI", "FSI"}
    hides = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return (
        unicodedata.category(char) not in hides and unicodedata.bidirectional(char) not in reorders
    )


def structure(page: str) -> list[str]:
    parser = Structure()
    parser.feed(page)
    return parser.tags


@every_forgery
def test_known_forgeries_in_reports_and_messages(text: str) -> None:
    for told in (report, message):
        check_text(text, told)
        check_markdown(text, told)
    assert structure(report(text, "html")) == structure(report("x", "html"))


@FEW
@given(anything)
def test_reports_and_messages_are_never_forged(text: str) -> None:
    for told in (report, message):
        check_text(text or "x", told)
        check_markdown(text or "x", told)


@every_forgery
def test_a_difference_is_one_line_a_line(text: str) -> None:
    found = difference(PLAIN, saying(text))
    assert found
    assert all(seen(char) for each in found for char in each.section + each.text)


@every_forgery
def test_json_at_a_terminal_says_the_same_and_moves_no_cursor(text: str) -> None:
    data = canonical(saying(text)).decode()
    shown = json_shown(data)
    assert json.loads(shown) == json.loads(data)
    assert all(seen(char) for char in shown)


def test_json_of_plain_words_is_the_document_itself() -> None:
    data = canonical(PLAIN).decode()
    assert json_shown(data) == data
