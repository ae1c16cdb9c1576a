"""An edited plan, which nobody has to sign for evidence, that names another folder of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.errors import Refused
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import Operator, PlanDocument


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("elsewhere")
    with Simulator.start(folder / "simulator") as sim:
        yield set_stage(folder / "stage", sim)


@pytest.fixture(scope="module")
def plan(stage: Stage) -> PlanDocument:
    return operator(stage).plan(playbooks.preserve_evidence)


def operator(stage: Stage) -> Operator:
    return Operator(
        stage.environment, state=stage.state, secrets=VariableSecrets(stage.variables), user="ana"
    )


def own_folder(plan: PlanDocument) -> str:
    (bundle,) = [one for one in plan.plan.upkeep if one.id == "upkeep#bundle"]
    return str(bundle.path)


def everywhere(content: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(content).replace(old, new))


@pytest.mark.parametrize(
    "named",
    [
        lambda _, root: f"{root}/www",
        lambda own, _: own.rpartition("/")[0],
        lambda own, _: own[:-1] + ("0" if own[-1] != "0" else "1"),
        lambda own, _: f"{own}/deeper",
        lambda own, _: own.replace("/evidence/", "/evidence-"),
    ],
    ids=["another", "all plans'", "another plan's", "below", "beside"],
)
def test_throughout(
    stage: Stage, plan: PlanDocument, tmp_path: Path, named: Callable[[str, Path], str]
) -> None:
    own = own_folder(plan)
    folder = named(own, tmp_path)
    document = PlanDocument.read(canonical(everywhere(json.loads(plan.canonical), own, folder)))
    before = sorted(stage.state.rglob("*"))
    with pytest.raises(Refused) as caught:
        operator(stage).apply(document)
    assert caught.value.code == "plan.evidence-folder"
    assert folder in caught.value.reason
    assert sorted(stage.state.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


def test_in_one_permission(stage: Stage, plan: PlanDocument, tmp_path: Path) -> None:
    content = json.loads(plan.canonical)
    content["steps"] = everywhere(content["steps"], own_folder(plan), str(tmp_path / "www"))
    with pytest.raises(Refused) as caught:
        operator(stage).apply(PlanDocument.read(canonical(content)))
    assert caught.value.code == "guard.effect.folder"
    assert list(tmp_path.iterdir()) == []


def test_as_it_was_made_it_is_applied(stage: Stage, plan: PlanDocument) -> None:
    assert operator(stage).apply(plan).exit_status == 0
