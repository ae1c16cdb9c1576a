"""Attestations and progress."""

from __future__ import annotations

import pytest

from rollback.cli.people import AtTerminal, read_attestations
from rollback.cli.progress import PlainProgress
from rollback.errors import InputError


def test_attestations_are_about_a_step_or_the_halt_outside() -> None:
    assert read_attestations(
        ("Dana Reyes: halted at the venue", "check-ui=Ben: it loads, a=b")
    ) == {
        "halt-outside": "Dana Reyes: halted at the venue",
        "check-ui": "Ben: it loads, a=b",
    }
    assert read_attestations(("Dana: a=b",)) == {"halt-outside": "Dana: a=b"}


@pytest.mark.parametrize(
    "given", [("words",), (": words",), ("Dana:",), ("=Dana: x",), ("D: a", "E: b")]
)
def test_an_attestation_names_a_person_once(given: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        read_attestations(given)


def test_nobody_is_asked_without_a_terminal() -> None:
    assert AtTerminal(PlainProgress(), silent=False).attest("check", "is it so?") is None


def test_progress_is_one_line_whatever_the_world_says(capsys: pytest.CaptureFixture[str]) -> None:
    PlainProgress()("outcome", "revert", "done\n12:00:00Z verified     revert\x1b[32m")
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.count("\n") == 1
    assert "\x1b" not in seen.err
    assert " outcome      revert: done\\u{a}" in seen.err
