"""What a custom action or an edited plan could try to get past, through the doors people use.

A plan edited by hand is made canonical again, its digest is computed anew and two people sign it:
everything about it is in order but what it says. Each is refused for its own reason, and nothing
reaches the platform.
"""

from __future__ import annotations

import copy
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import playbooks
from rollback.actions.revert_deployment import RevertDeploymentAction
from rollback.approval.sign import approve
from rollback.connectors.secrets import VariableSecrets
from rollback.model.change import Update
from rollback.model.observation import World
from rollback.model.ports import ActionPlan, Catalogue, StepContext
from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world, digest_of
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import Operator, PlanDocument
from rollback.wiring.catalogue import built_in
from tests.cli.conftest import Rollback
from tests.cli.conftest import rollback as command_line

rollback = command_line

SITES = f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}/providers/Microsoft.Web/sites"
ACCOUNT = f"{SITES.rpartition('/Microsoft.Web')[0]}/Microsoft.DocumentDB/databaseAccounts/{names.COSMOS_ACCOUNT}"
BACKEND = f"{names.BACKEND}.azurewebsites.net"
CONFIG = f"{SITES}/{names.BACKEND}/config"
DOCUMENTS = f"/dbs/{names.DATABASE}/colls/trading_controls/docs"
NO_REWRITE, PERMISSION = "no-control-plane-rewrite", "plan-is-permission"


def exact(content: Any) -> dict[str, Any]:
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    return {"kind": "exact", "sha256": hashlib.sha256(text.encode()).hexdigest(), "content": text}


def image(build: str, site: str = names.BACKEND) -> dict[str, Any]:
    name = f"trading.azurecr.io/{site}@{digest_of(site, build)}"
    return exact({"properties": {"linuxFxVersion": f"DOCKER|{name}"}})


@dataclass(frozen=True)
class Smuggled:
    """Fields put in place of a swap's; the code, the promise and words of the refusal."""

    fields: dict[str, Any]
    code: str
    promise: str
    words: str = ""


CONTROL = "plan.names-control-plane"
CASES = {
    "a document of Cosmos": Smuggled(
        {"host": names.COSMOS_HOST, "path": DOCUMENTS, "query": [], "body": exact({"id": "x"})}, CONTROL, NO_REWRITE,
    ),
    "in another region": Smuggled(
        {"host": f"{names.COSMOS_ACCOUNT}-westeurope.documents.azure.com", "path": DOCUMENTS, "query": []}, CONTROL, NO_REWRITE,
    ),
    "the Cosmos account": Smuggled({"method": "PUT", "path": ACCOUNT, "body": exact({"properties": {}})}, CONTROL, NO_REWRITE),
    "its keys": Smuggled({"path": f"{ACCOUNT}/regenerateKey", "body": exact({"keyKind": "primary"})}, CONTROL, NO_REWRITE),
    "the control API": Smuggled(
        {"host": BACKEND, "path": "/api/control/trading", "query": [], "body": exact({"halted": False})}, CONTROL, NO_REWRITE,
    ),
    "feature flags": Smuggled(
        {"host": BACKEND, "path": "/api/feature-flags", "query": [], "body": exact({"x": True})},
        "guard.effect.control", NO_REWRITE, "the backend's own API",
    ),
    "a setting that repoints Cosmos": Smuggled(
        {"method": "PUT", "path": f"{CONFIG}/appsettings", "body": exact({"properties": {"COSMOS_ENDPOINT": "https://x"}})},
        "guard.shape.settings-repoint", NO_REWRITE, "COSMOS_ENDPOINT",
    ),
    "a setting that repoints the platform-service": Smuggled(
        {"method": "PUT", "path": f"{CONFIG}/appsettings", "body": exact({"properties": {"PLATFORM_API_URL": "https://x"}})},
        "guard.shape.settings-repoint", NO_REWRITE, "PLATFORM_API_URL",
    ),
    "one inside the configuration": Smuggled(
        {
            "method": "PATCH", "path": f"{CONFIG}/web",
            "body": exact({"properties": {"appSettings": [{"name": "PLATFORM_JWT_JWKS_URL", "value": "https://x"}]}}),
        },
        "guard.shape.settings-repoint", NO_REWRITE, "PLATFORM_JWT_JWKS_URL",
    ),
    "any other setting": Smuggled(
        {"method": "PUT", "path": f"{CONFIG}/appsettings", "body": exact({"properties": {"COLOUR": "blue"}})},
        "guard.shape.settings", PERMISSION, "never written",
    ),
    "a release below the floor": Smuggled(
        {"method": "PATCH", "path": f"{CONFIG}/web", "body": image(names.OLD_BUILD)},
        "guard.effect.floor", NO_REWRITE, f"{names.OLD_BUILD} is below the rollback floor",
    ),
    "a release nobody knows": Smuggled(
        {"method": "PATCH", "path": f"{CONFIG}/web", "body": image("unheard-of")}, "guard.effect.image", PERMISSION,
    ),
    "another site": Smuggled({"path": f"{SITES}/somebody-elses/slots/staging/slotsswap"}, "guard.effect.site", PERMISSION),
    "a slot nobody named": Smuggled(
        {"body": exact({"preserveVnet": True, "targetSlot": "secret"})}, "guard.effect.slot", PERMISSION,
    ),
    "a restart": Smuggled(
        {"path": f"{SITES}/{names.BACKEND}/restart", "body": {"kind": "none"}}, "guard.shape.resource-manager", PERMISSION,
    ),
    "another host": Smuggled({"host": "elsewhere.example"}, "guard.effect.host", PERMISSION, "perimeter"),
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Simulator]]:
    folder = tmp_path_factory.mktemp("smuggling")
    with Simulator.start(folder / "simulator", default_world()) as sim:
        yield set_stage(folder / "stage", sim), sim


def operator(stage: Stage, catalogue: Catalogue | None = None) -> Operator:
    return Operator(
        stage.environment,
        state=stage.state,
        secrets=VariableSecrets(stage.variables),
        user="ana@trading.example",
        catalogue=catalogue,
    )


@pytest.fixture(scope="module")
def plan(stage: tuple[Stage, Simulator]) -> dict[str, Any]:
    made = operator(stage[0]).plan(playbooks.backend_only)
    assert made.exit_status == 0
    content: dict[str, Any] = json.loads(made.canonical)
    return content


def edited(plan: dict[str, Any], fields: dict[str, Any]) -> bytes:
    """The plan with its swap made into something else; canonical, as a careful hand leaves it."""
    content = copy.deepcopy(plan)
    swaps = [
        effect
        for step in content["steps"]
        for change in step["changes"]
        for effect in change.get("effects", ())
        if effect.get("path", "").endswith("/slotsswap")
    ]
    assert len(swaps) == 1
    swaps[0].update(fields)
    return canonical(content)


def writes(simulator: Simulator) -> list[str]:
    return [entry.path for entry in simulator.control.ledger() if entry.write]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_edited_plan_digested_and_signed_anew(
    rollback: Rollback,
    stage: tuple[Stage, Simulator],
    plan: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: Smuggled,
) -> None:
    staged, simulator = stage
    for name, value in staged.variables.items():
        monkeypatch.setenv(name, value)
    data = edited(plan, case.fields)
    file = tmp_path / "plan.json"
    file.write_bytes(data)
    signed: list[str] = []
    for person, key in staged.keys:
        approval = approve(
            hashlib.sha256(data).hexdigest(), staged.environment.environment, key=key,
            now=datetime.now(UTC), lasts_s=3_600, nonce=secrets.token_hex(16), approver=person,
        )  # fmt: skip
        path = tmp_path / f"{person}.json"
        path.write_bytes(approval.to_bytes())
        signed += ["--approval", str(path)]
    before = writes(simulator)
    environment = ("--environment", str(staged.directory / "environment.yaml"))
    ran = rollback("--state", tmp_path / "state", "apply", file, *environment, *signed, "--non-interactive")
    assert ran.status == 3, ran.err
    assert f"error: {case.code} [{case.promise}]: " in ran.err
    assert case.words in ran.err
    assert "hint: " in ran.err
    assert writes(simulator) == before
    assert not (tmp_path / "state" / "runs").exists()


def test_the_same_plan_unedited_is_refused_by_none_of_these(
    stage: tuple[Stage, Simulator], plan: dict[str, Any]
) -> None:
    """What stops the others is what they say, not that they were written again."""
    from rollback.wiring.as_made import refuse_forbidden

    document = PlanDocument.read(edited(plan, {}))
    refuse_forbidden(stage[0].environment, document)


class Smuggler(RevertDeploymentAction):
    """A third party's action that plans a swap, and means something else."""

    def __init__(self, change: Callable[[Update], Update]) -> None:
        self._change = change

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        made = super().plan(step, world)
        changes = tuple(self._change(one) if isinstance(one, Update) else one for one in made.changes)
        return ActionPlan(changes, *(getattr(made, name) for name in ActionPlan.__slots__[1:]))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_custom_actions_plan(stage: tuple[Stage, Simulator], case: Smuggled) -> None:
    """The type is gone round (`model_construct`): the planner's fence refuses, and shows why."""
    from pydantic import TypeAdapter

    from rollback.model.effect import Body, HttpWrite

    fields = dict(case.fields)
    if "query" in fields:
        fields["query"] = ()
    if "body" in fields:
        fields["body"] = TypeAdapter(Body).validate_python(fields["body"])

    def smuggle(change: Update) -> Update:
        effects = tuple(
            HttpWrite.model_construct(**{**dict(effect), **fields})
            if isinstance(effect, HttpWrite) and effect.path.endswith("/slotsswap")
            else effect
            for effect in change.effects
        )
        return Update.model_construct(**{**dict(change), "effects": effects})

    actions = built_in().actions
    mine = tuple(Smuggler(smuggle) if isinstance(one, RevertDeploymentAction) else one for one in actions)
    before = writes(stage[1])
    made = operator(stage[0], Catalogue(mine)).plan(playbooks.backend_only)
    assert made.exit_status == 3
    refused = [one for step in made.plan.steps for one in step.refused]
    reasons = " ".join(f"{one.code} {one.reason} {one.promise}" for one in refused)
    assert case.promise in reasons, refused
    assert writes(stage[1]) == before


def test_an_honest_custom_action_cannot_even_say_it(stage: tuple[Stage, Simulator]) -> None:
    """The type refuses where the effect is made; a plan is not what comes of it."""

    def smuggle(change: Update) -> Update:
        effect: Any = change.effects[0]
        return Update(**{**dict(change), "effects": (type(effect)(**{**dict(effect), "host": names.COSMOS_HOST}),)})

    actions = built_in().actions
    mine = tuple(Smuggler(smuggle) if isinstance(one, RevertDeploymentAction) else one for one in actions)
    made = operator(stage[0], Catalogue(mine)).plan(playbooks.backend_only)
    assert made.exit_status == 3
    (refused,) = [one for step in made.plan.steps for one in step.refused if one.promise == NO_REWRITE]
    assert refused.reason == (
        "action revert_deployment would write control-plane state: no effect can name a Cosmos host"
    )
    assert refused.reason in " ".join(made.to_text().split())
