"""A whole rollback whose evidence, lease, mirror and holds are in a container; then a second machine."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import playbooks
from rollback.rehearsal import acts
from rollback.rehearsal import stage as stage_of
from rollback.rehearsal.checks import problems_of
from rollback.rehearsal.scenario import Play, Scenario
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from tests.peers.azurite import KEY, Azurite, needs_node

pytestmark = needs_node


def on_container(content: dict[str, Any], azurite: Azurite, name: str) -> dict[str, Any]:
    store = {
        "kind": "azure-blob", "endpoint": azurite.endpoint, "container": name,
        "prefix": "rollback/", "key": "${BLOB_KEY}", "retention_days": 30,
    }  # fmt: skip
    lease = {**content["lease"], "store": {"kind": "azure-blob", "prefix": "leases/"}}
    return {**content, "evidence": {"store": store}, "lease": lease, "journal_mirror": True}


@pytest.fixture
def play(azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    variables = {**stage_of.variables_of(), "BLOB_KEY": KEY}
    monkeypatch.setattr(stage_of, "variables_of", lambda: variables)
    with ExitStack() as stack:
        sim = stack.enter_context(Simulator.start(tmp_path / "simulator", default_world()))
        container = azurite.container()
        over = on_container(stage_of.document(sim), azurite, container)
        stage = stage_of.set_stage(tmp_path, sim, **over)
        scenario = Scenario("blobs", "everything shared is in a container", (0,), swaps=1)
        told: list[str] = []
        playing = Play(
            scenario, playbooks.full_rollback, tmp_path, sim, stage,
            lambda kind, step, text: told.append(f"{kind} {step} {text}"),
        )  # fmt: skip
        yield playing, azurite, container


def names(azurite: Azurite, container: str) -> list[str]:
    with azurite.plain(container) as client:
        return list(client.list_blob_names())


def test_a_rollback_keeps_all_that_it_shares_in_the_container(play: Any) -> None:
    playing, azurite, container = play
    assert playing.plain() == 0, playing.results
    assert problems_of(playing, 0) == ()
    found = names(azurite, container)
    run = playing.results[0].run
    assert any(name.startswith("rollback/chunks/") for name in found)
    assert any(name.startswith(f"rollback/journals/{run}/lines-") for name in found)
    assert sum(name.startswith("leases/") for name in found) == 2
    assert sum("/held/0001.json" in name for name in found) == 2
    assert [one.standing for one in playing.operator().leases()] == ["free"] * 3


def test_a_second_machine_goes_on_from_the_container(play: Any) -> None:
    playing, _, _ = play
    assert acts.resumed_from_the_mirror(playing) == 0
    assert problems_of(playing, 0) == ()
