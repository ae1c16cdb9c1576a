"""A halt of a pipeline in an edited plan: nobody signs it, and it takes its own pipeline's token."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rollback.model.environment import Pipeline
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names
from rollback.wiring import PlanDocument
from tests.wiring.test_aimed_halts import HALTS, change_of
from tests.wiring.test_aimed_halts import stage as of_backend
from tests.wiring.test_edited_halts import operator

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.process import Simulator
    from rollback.rehearsal.stage import Stage

stage = of_backend
OTHER, TOKEN = "git.example", "only-for-git.example"


@pytest.mark.parametrize("edited", [True, False])
def test_a_token_goes_to_its_own_pipelines_host(
    stage: tuple[Simulator, Stage], *, edited: bool
) -> None:
    sim, staged = stage
    theirs = Pipeline.model_validate(
        {"repository": "a/b", "file": "web.yml", "api_host": OTHER, "token": "${OTHER_TOKEN}"}
    )
    known = staged.environment
    surfaces = tuple(
        (name, one.model_copy(update={"pipeline": theirs}) if name == "web" else one)
        for name, one in known.surfaces
    )
    resolve = (*known.network.resolve, (OTHER, dict(known.network.resolve)[names.GITHUB_HOST]))
    network = known.network.model_copy(update={"resolve": resolve})
    environment = known.model_copy(update={"surfaces": surfaces, "network": network})
    staged = replace(
        staged, environment=environment, variables={**staged.variables, "OTHER_TOKEN": TOKEN}
    )
    content = json.loads(operator(staged).plan(HALTS, incident="INC-1").canonical)
    _, change = change_of(content, "pipeline-backend")
    if edited:
        change.update({"surface": "web", "id": "pipeline-of-mine"})
    before = len(sim.control.ledger())
    operator(staged).apply(PlanDocument.read(canonical(content)), approvals=[])
    came = [one for one in sim.control.ledger()[before:] if one.host == names.GITHUB_HOST]
    assert f"github:{hashlib.sha256(TOKEN.encode()).hexdigest()[:8]}" not in {one.principal for one in came}
    disabled = [one for one in came if one.path.endswith("/disable")]
    assert len(disabled) == (0 if edited else 1)
