"""Whatever the world says, it cannot forge a line, a link, a mention, a row or a colour."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt

from rollback.model.plan import Plan
from rollback.rendering.faces import render
from tests.rendering.hostile import FORGERIES, anything, saying

DIGEST = "0" * 64
WIDTH = 80
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PLAIN = saying("x")
every_forgery = pytest.mark.parametrize("text", [text for text in FORGERIES if text])


def shown(plan: Plan, face: str) -> str:
    return render(plan, DIGEST, face, max_chars=None, width=WIDTH)  # type: ignore[arg-type]


def cells(row: str) -> int:
    """Columns on a terminal: wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1 for char in row)


def headings(text: str) -> list[str]:
    """The lines that a reader takes for ours: those that start in the first column."""
    return [
        row.split(":")[0] for row in text.split("\n") if row and not row.startswith((" ", "!!"))
    ]


def check_text(text: str) -> None:
    out = shown(saying(text), "text")
    assert headings(out) == headings(shown(PLAIN, "text"))
    assert all(cells(row) <= WIDTH for row in out.split("\n"))
    assert not {
        char
        for char in out
        if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }
    assert not [
        char for char in out if unicodedata.bidirectional(char) in {"R", "AL", "RLO", "RLE", "RLI"}
    ]


def check_markdown(text: str) -> None:
    out = shown(saying(text), "markdown")
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(out)
    expected = MarkdownIt("gfm-like", {"linkify": False}).parse(shown(PLAIN, "markdown"))
    assert [(token.type, token.level) for token in tokens] == [
        (token.type, token.level) for token in expected
    ]
    for token in tokens:
        for child in token.children or ():
            assert child.type in {"text", "code_inline", "strong_open", "strong_close"}
            if child.type == "text":
                assert not re.search(
                    r"[@#<>\[\]`|~_*\\]|://|www\.|:\w+:|[0-9a-f]{7}",
                    child.content.replace("->", ""),
                )


class Structure(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        assert not names & {"href", "src", "onerror", "onclick", "srcset", "action"}
        if tag not in {"code", "strong"}:
            self.tags.append(tag)


def structure(page: str) -> list[str]:
    parser = Structure()
    parser.feed(page)
    return parser.tags


def check_html(text: str) -> None:
    page = shown(saying(text), "html")
    assert structure(page) == structure(shown(PLAIN, "html"))
    assert "<script" not in page
    assert not {
        char for char in page if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs"}
    }


@every_forgery
@pytest.mark.parametrize("check", [check_text, check_markdown, check_html])
def test_known_forgeries(check: object, text: str) -> None:
    check(text.encode("utf-8", "replace").decode())  # type: ignore[operator]


@FEW
@given(anything)
def test_text_is_never_forged(text: str) -> None:
    check_text(text or "x")


@FEW
@given(anything)
def test_markdown_is_never_forged(text: str) -> None:
    check_markdown(text or "x")


@FEW
@given(anything)
def test_html_is_never_forged(text: str) -> None:
    check_html(text or "x")
