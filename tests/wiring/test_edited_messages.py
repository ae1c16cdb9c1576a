"""A message of a plan that was edited by hand: nobody signs it, so it goes to its own channel only.

Beside a halt it is sent, whatever else is withheld. Sent elsewhere it would take the credential of
its channel along: to another service of the environment, or to an issue of another incident.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from playbooks import halt_only
from rollback.connectors.webhook import notify_effect, path_of
from rollback.model.playbook import Playbook, Step
from rollback.model.steps import Notify
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names, stories
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.running.journal import check_file
from rollback.running.store import StateDirectory
from rollback.wiring import PlanDocument
from tests.builders import make_plan
from tests.wiring.desk import CHANNELS, Desk

if TYPE_CHECKING:
    from pathlib import Path

INCIDENT = "INC-4711"
HALTS = next(one for one in halt_only.steps if one.spec.action == "halt_rollout")


@pytest.mark.parametrize(
    ("of", "to", "incident"),
    [
        ("github", "jira", INCIDENT),
        ("jira", "github", INCIDENT),
        ("by-incident", "by-incident", "INC-9"),
        ("jira", "jira", INCIDENT),
    ],
)
def test_it_goes_to_its_own_channel_or_nowhere(
    tmp_path: Path, of: str, to: str, incident: str
) -> None:
    world = stories.ramped(stories.already_rolled_back(stories.default_world()), names.BACKEND, 15)
    tell = Step(name="tell", spec=Notify(channel=of, about="plan"))
    playbook = Playbook(playbook="halts-and-tells", summary="Halt and tell.", steps=(HALTS, tell))
    with Simulator.start(tmp_path / "simulator", world) as sim:
        stage = set_stage(tmp_path / "stage", sim, channels=CHANNELS)
        operator = Desk(sim, stage, PlanDocument.of(make_plan())).operator(tmp_path / "state")
        content = json.loads(operator.plan(playbook, incident=INCIDENT).canonical)
        channel = next(one for one in stage.environment.channels if one.name == to)
        path = path_of(channel, incident)
        assert path is not None
        (effect,) = content["steps"][1]["changes"][0]["effects"]
        effect.update(notify_effect(channel, path, id=effect["id"]).model_dump(mode="json"))
        before = len(sim.control.ledger())
        operator.apply(PlanDocument.read(canonical(content)), approvals=[])
        seen = sim.control.ledger()[before:]
    own = (of, incident) == (to, INCIDENT)
    assert [one.method for one in seen if one.path == path] == (["GET", "POST"] if own else [])
    assert [one for one in seen if one.write and one.path.endswith("/config/web")], "the halt went"
    (run,) = StateDirectory(tmp_path / "state").runs()
    records = check_file(run.journal_path).records
    told = [one.text("reason") for one in records if one.text("step") == "tell" and one.kind == "outcome"]
    assert ["elsewhere" in one for one in told] == [not own]
