"""Escaping, piece by piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.rendering.escape import clipped, markdown_code, markdown_prose, quoted, visible


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_printable_ascii_stays_as_it_is_but_for_runs_of_spaces(text: str) -> None:
    assert visible(text).replace("\\u{20}", " ") == text.replace("\\u{20}", " ")


@given(st.text())
def test_visible_is_one_line_and_settles(text: str) -> None:
    once = visible(text)
    assert once.isprintable()
    assert visible(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", "a\\u{a}b"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("\u202ex", "\\u{202e}x"),
        ("a  b", "a \\u{20}b"),
        ("a\u00a0b", "a\\u{a0}b"),
        ("Zürich e\u0301", "Zürich e\u0301"),
        ("\u05d0", "\\u{5d0}"),
        ("\ud800", "\\u{d800}"),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_clipped_says_how_much_and_of_what() -> None:
    out = clipped("a" * 50, 10)
    assert out.startswith("a" * 10 + "...[40 more characters, sha256 of all ")
    assert clipped("a" * 50, 10) != clipped("a" * 49 + "b", 10)
    assert clipped("a" * 10, 10) == "a" * 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [("staging", "staging"), ("two words", '"two words"'), ("", '""'), ('a"b', '"a\\"b"')],
)
def test_quoted(text: str, expected: str) -> None:
    assert quoted(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "`x`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("", "(empty)"),
    ],
)
def test_markdown_code(text: str, expected: str) -> None:
    assert markdown_code(text) == expected
    assert "|" not in markdown_code(text + "|", cell=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words, as they are.", "plain words, as they are."),
        ("slot staging serves 2026.11.20-3:", "slot staging serves `2026.11.20-3`:"),
        ("ask @ana about #12", "ask `@ana` about `#12`"),
        ("see https://x.example.", "see `https://x.example`."),
        ("commit deadbeef and 1234567", "commit `deadbeef` and `1234567`"),
        ("[x](y)", "`[x](y`)"),
        ("12 s, 3,000 people (80 %)", "12 s, 3,000 people (80 `%`)"),
    ],
)
def test_markdown_prose(text: str, expected: str) -> None:
    assert markdown_prose(text) == expected
