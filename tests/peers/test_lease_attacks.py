"""Two laptops whose lease is a blob: the attacks of `tests.rehearsal.leases`, against Azurite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from playbooks import full_rollback
from rollback.rehearsal import stage as stage_of
from rollback.rehearsal.scenario import Play
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from tests.peers.azurite import KEY, Azurite, needs_node
from tests.peers.test_rollback_on_blobs import on_container
from tests.rehearsal.leases.attacks import paused, taken_over, together
from tests.rehearsal.leases.laptops import quick, scenario

pytestmark = needs_node


@pytest.fixture
def play(azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    variables = {**stage_of.variables_of(), "BLOB_KEY": KEY}
    monkeypatch.setattr(stage_of, "variables_of", lambda: variables)
    with ExitStack() as stack:
        sim = stack.enter_context(Simulator.start(tmp_path / "simulator", default_world()))
        over = on_container(quick(stage_of.document(sim)), azurite, azurite.container())
        stage = stage_of.set_stage(tmp_path, sim, **over)
        yield Play(scenario(mirror=True), full_rollback, tmp_path, sim, stage, lambda *_: None)


@pytest.mark.parametrize("moment", ["leased", "in flight"])
def test_a_paused_holder_sends_nothing_when_it_wakes_up(play: Play, moment: str) -> None:
    broken = paused(play, moment)
    assert not broken, "\n".join(broken)


def test_of_two_that_press_at_once_one_moves_users(play: Play) -> None:
    broken = together(play)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("dead", [True, False], ids=["dead", "asleep"])
def test_a_run_goes_on_elsewhere_from_its_mirror(play: Play, dead: bool) -> None:
    broken = taken_over(play, dead=dead)
    assert not broken, "\n".join(broken)
