"""Each face for what only it must do."""

from __future__ import annotations

import hashlib
import re

from rollback.loading.plan_file import read_plan
from rollback.rendering.faces import render
from tests.builders import digest_of, make_plan


def test_json_is_the_bytes_that_are_signed() -> None:
    plan = make_plan()
    out = render(plan, digest_of(plan), "json", max_chars=10)
    assert hashlib.sha256(out.encode()).hexdigest() == digest_of(plan)
    assert read_plan(out.encode()) == plan


def test_plain_text_has_no_escape_and_colour_adds_nothing_else() -> None:
    plan = make_plan()
    plain = render(plan, "d", "text")
    coloured = render(plan, "d", "text", colour=True, max_chars=None)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_html_stands_alone() -> None:
    page = render(make_plan(), "d", "html")
    assert page.startswith("<!doctype html>")
    for absent in ("<script", "<link", "http:", "https:", "url(", "@import"):
        assert absent not in page
    for present in (
        "prefers-color-scheme: dark",
        "@media print",
        'lang="en"',
        "width=device-width",
    ):
        assert present in page


def test_given_approvals_are_shown() -> None:
    out = render(make_plan(), "d", "text", given=("ana@example.net",))
    assert "given           ana@example.net" in out
    assert "none yet" not in out


def test_the_same_plan_gives_the_same_document() -> None:
    for face in ("text", "markdown", "html"):
        assert render(make_plan(), "d", face) == render(make_plan(), "d", face)
