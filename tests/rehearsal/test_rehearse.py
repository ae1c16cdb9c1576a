"""The main job, as a newcomer sees it: `rollback rehearse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.cli.main import run
from rollback.rehearsal.run import rehearse

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_clean_rehearsal_ends_as_stated_and_keeps_every_promise(tmp_path: Path) -> None:
    said: list[str] = []
    assert rehearse(None, "clean", keep=tmp_path, out=said.append, talk=said.append) == 0
    text = "\n".join(said)
    assert "BROKEN" not in text
    assert text.count("kept   ") == 8


def test_an_unknown_scenario_is_bad_input_and_names_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["rehearse", "--scenario", "no-such"]) == 2
    assert "clean" in capsys.readouterr().err
