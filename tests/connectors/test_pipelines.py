"""Deployment pipelines: what is on its way, and the writes that stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rollback.connectors import pipelines
from rollback.errors import ConnectorError, GuardRefusal
from rollback.model.environment import Pipeline, Secret
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.world import PipelineRun
from tests.connectors.conftest import quick
from tests.connectors.stand import environment, stand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = names.GITHUB_TOKEN


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Simulator]:
    """A simulator where a run is queued, one waits for a review, and one has ended."""
    world = quick()
    file = next(iter(world.pipelines))
    world.runs = [
        PipelineRun.model_validate(
            {"id": 71 + n, "file": file, "status": status, "build": names.THIRD_BUILD,
             "created_at": world.at}
        )
        for n, status in enumerate(("queued", "waiting", "completed"))
    ]  # fmt: skip
    with Simulator.start(tmp_path / "simulator", world) as running:
        yield running


def of(sim: Simulator) -> Pipeline:
    file = next(iter(sim.control.world().pipelines))
    return Pipeline(repository=names.REPOSITORY, file=file, token=Secret(variable="GITHUB_TOKEN"))


def test_a_pipeline_is_halted_absolutely(fresh: Simulator) -> None:
    which = of(fresh)
    disable = pipelines.disable_effect(which, id="h#disable")
    cancel = pipelines.cancel_effect(which, "71", id="h#cancel")
    reject = pipelines.reject_effect(which, "72", (501,), id="h#reject")
    again = cancel.model_copy(update={"id": "h#again"})
    with stand(environment(fresh), disable, cancel, reject, again) as here:
        http = here.clients.http(names.GITHUB_HOST)
        before = pipelines.pipeline(http, which, TOKEN)
        waiting = pipelines.pending(http, which, TOKEN, "72")
        said = [pipelines.send(http, effect, TOKEN) for effect in (disable, cancel, reject)]
        twice = pipelines.send(http, again, TOKEN)
        after = pipelines.pipeline(http, which, TOKEN)
    assert (before.state, before.queued, before.waiting) == ("active", ("71",), ("72",))
    assert [one.environment_id for one in waiting] == [501]
    assert said == ["", "", ""]
    assert twice == "answered 409"
    assert (after.state, after.queued, after.waiting) == ("disabled_manually", (), ())
    assert [spent for spent, _ in here.ledger.spent] == [
        "h#disable", "h#cancel", "h#reject", "h#again",
    ]  # fmt: skip


def test_without_permission_nothing_is_cancelled(fresh: Simulator) -> None:
    which = of(fresh)
    cancel = pipelines.cancel_effect(which, "71", id="h#cancel")
    with stand(environment(fresh)) as here, pytest.raises(GuardRefusal):
        pipelines.send(here.clients.http(names.GITHUB_HOST), cancel, TOKEN)
    assert [run.status for run in fresh.control.world().runs] == ["queued", "waiting", "completed"]


def test_a_pipeline_that_cannot_be_read_is_told(fresh: Simulator) -> None:
    which = of(fresh)
    with stand(environment(fresh)) as here:
        http = here.clients.http(names.GITHUB_HOST)
        with pytest.raises(ConnectorError) as missing:
            pipelines.pipeline(http, which.model_copy(update={"file": "none.yml"}), TOKEN)
        fresh.control.fault("github_down")
        with pytest.raises(ConnectorError) as down:
            pipelines.pipeline(http, which, TOKEN)
    assert missing.value.status == 404
    assert down.value.transient
