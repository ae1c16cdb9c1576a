"""The readiness check against the simulated platform: what it says of each thing it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.connectors.app_service_views import principal
from rollback.connectors.secrets import VariableSecrets
from rollback.loading.environment import Environment
from rollback.model.ports import Check, Grant, Principal
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.simulator.world import World
from rollback.rehearsal.stage import Stage, set_stage
from rollback.wiring import Operator
from rollback.wiring.doctor_credential import WRITES, able
from tests.cli.conftest import rollback  # noqa: F401 - a fixture

READS = "Microsoft.DocumentDB/databaseAccounts/read"
OURS = names.OBJECT_ID
WRITE = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/write"


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    running: list[Simulator] = []

    def stage(change: Callable[[World], Any] = lambda _: None, **over: Any) -> Stage:
        world = default_world()
        change(world)
        sim = Simulator.start(tmp_path / f"sim{len(running)}", world)
        running.append(sim)
        return set_stage(tmp_path / f"stage{len(running)}", sim, **over)

    yield stage
    for one in running:
        one.close()


def checked(stage: Stage, environment: Environment | None = None) -> dict[str, Check]:
    operator = Operator(
        environment or stage.environment,
        state=stage.state,
        secrets=VariableSecrets(stage.variables),
        user="ana@trading.example",
    )
    found = operator.doctor()
    assert not stage.state.exists()  # by reading only
    names_ = [one.name for one in found]
    assert len(set(names_)) == len(names_)
    return {one.name: one for one in found}


MUST = (
    "variables of the environment file",
    "files the environment names",
    "state folder",
    "the guard refuses what is forbidden",
    "clock",
    "Resource Manager answers",
    "evidence store",
    "halt authority is proved",
)
IDENTITY = "identity cannot write under Microsoft.DocumentDB"
METADATA = "key-based metadata writes are disabled"
CREDENTIAL = "the Cosmos credential can only read"
WARM_UP = "warm-up before a swap is strict"


def test_a_platform_in_order(staged: Callable[..., Stage]) -> None:
    """Everything holds, but what no read can tell of an account key, and what one machine cannot do."""
    found = checked(staged())
    for name in MUST:
        assert found[name].holds, found[name]
    for name in (IDENTITY, METADATA, WARM_UP, "Cosmos answers"):
        assert found[name].holds, found[name]
    assert found[CREDENTIAL] == Check(CREDENTIAL, False, found[CREDENTIAL].seen, "weak")
    assert "an account key" in found[CREDENTIAL].seen
    assert "second machine" in found["lease"].seen
    assert "10 forbidden requests" in found["the guard refuses what is forbidden"].seen


def test_what_could_write_the_account(staged: Callable[..., Stage]) -> None:
    def lax(world: World) -> None:
        world.keys_may_change_metadata = True
        world.more_roles = [(["Microsoft.DocumentDB/*"], []), (["*"], ["Microsoft.DocumentDB/*"])]

    stage = staged(lax)
    found = checked(stage)
    assert not found[IDENTITY].holds
    assert WRITE in found[IDENTITY].seen
    assert not found[METADATA].holds
    assert {found[IDENTITY].weight, found[METADATA].weight} == {"weak"}


def _entra(roles: dict[str, int], **claims: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.cosmos_roles = {name: str(number) for name, number in roles.items()}
        world.claims = claims

    return change


@pytest.mark.parametrize(
    ("roles", "holds", "words"),
    [
        ({OURS: 1}, True, "no role of it writes documents; nobody else may either"),
        ({OURS: 1, "backend": 2}, True, "no role of it writes documents; others that may: backend"),
        ({OURS: 2, "backend": 1}, False, f"we are {OURS}, and may write documents: {OURS} has "),
        ({OURS: 3}, False, f"we are {OURS}, and may write documents: {OURS} has "),  # a role nobody lists
        ({"A-GROUP": 2, OURS: 1}, False, "may write documents: A-GROUP has "),
        ({"another": 1}, False, "which has no data-plane role by its own name"),
        ({}, False, "which has no data-plane role by its own name"),
    ],
)
def test_data_plane_roles(
    staged: Callable[..., Stage], roles: dict[str, int], holds: bool, words: str
) -> None:
    """Which rows are ours is read from our own token: roles of others say nothing of us."""
    stage = staged(_entra(roles, groups=["a-group"]))
    found = checked(stage, _with_entra(stage))
    assert found[CREDENTIAL].holds is holds
    assert words in found[CREDENTIAL].seen
    assert found[CREDENTIAL].weight == "weak"
    assert found["Cosmos answers"].holds


def _with_entra(stage: Stage, **over: Any) -> Environment:
    cosmos = stage.environment.cosmos.model_copy(update={"key": None, "entra": True})
    return stage.environment.model_copy(update={"cosmos": cosmos, **over})


def test_a_role_of_ours_that_writes_must_go_in_production(staged: Callable[..., Stage]) -> None:
    stage = staged(_entra({OURS: 2}))
    kind = type(stage.environment.kind)("production")
    found = checked(stage, _with_entra(stage, kind=kind))
    assert (found[CREDENTIAL].holds, found[CREDENTIAL].weight) == (False, "must")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"oid": ""}, "our token does not say who we are. Principals that may write documents: other"),
        ({"hasgroups": True}, "in more groups than our token names; make sure that none is among"),
    ],
)
def test_a_token_that_does_not_say_enough(
    staged: Callable[..., Stage], claims: dict[str, Any], words: str
) -> None:
    stage = staged(_entra({OURS: 1, "other": 2}, **claims))
    found = checked(stage, _with_entra(stage))
    assert not found[CREDENTIAL].holds
    assert words in found[CREDENTIAL].seen


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "e30.W10.AAAA", "e30.e30.AAAA"])
def test_a_token_that_is_none(token: str) -> None:
    """Nothing is known then; nothing is raised."""
    assert principal(token) == Principal()


def test_a_key_that_the_account_does_not_take(staged: Callable[..., Stage]) -> None:
    def change(world: World) -> None:
        world.account_takes_keys = False

    found = checked(staged(change))
    assert found[METADATA].holds
    assert "the account takes no keys at all" in found[METADATA].seen
    assert "the account takes none (disableLocalAuth)" in found[CREDENTIAL].seen
    assert not found[CREDENTIAL].holds


def test_a_list_of_roles_with_a_second_page_is_not_taken_for_the_whole(
    staged: Callable[..., Stage],
) -> None:
    def change(world: World) -> None:
        _entra({OURS: 1, "other": 2})(world)
        world.cosmos_roles_page = 1

    stage = staged(change)
    found = checked(stage, _with_entra(stage))
    assert not found["what the credentials could do"].holds
    assert "more than one page" in found["what the credentials could do"].seen


HOLDS = "releases on hold"


def test_releases_on_hold_are_said(staged: Callable[..., Stage]) -> None:
    """None; one that is seen nowhere; one that production serves again."""
    stage = staged()
    found = checked(stage)
    assert found[HOLDS] == Check(HOLDS, True, "none", "weak")
    again = f"on hold, and seen again: {names.BAD_BUILD} of backend on production"
    for build, holds, words in (
        ("2026.10.9", True, "2026.10.9 of backend: seen nowhere but parked"),
        (names.BAD_BUILD, False, again),
    ):
        held = stage.directory / "evidence-store/holds/backend" / build / "held" / "0001.json"
        held.parent.mkdir(parents=True)
        held.write_text("{}")
        found = checked(stage)
        assert found[HOLDS].holds is holds
        assert words in found[HOLDS].seen
        assert found[HOLDS].weight == "weak"


def test_holds_that_cannot_be_kept_or_read(staged: Callable[..., Stage]) -> None:
    stage = staged()
    evidence = stage.environment.evidence.model_copy(update={"store": None})
    found = checked(stage, stage.environment.model_copy(update={"evidence": evidence}))
    assert not found[HOLDS].holds
    assert "no evidence store to keep a hold in" in found[HOLDS].seen
    store = stage.directory / "evidence-store"
    store.mkdir(exist_ok=True)
    (store / "holds").symlink_to("holds")
    found = checked(stage)
    assert not found[HOLDS].holds
    assert "not looked at: holds cannot be read" in found[HOLDS].seen


def test_the_account_is_found_by_its_endpoint(staged: Callable[..., Stage]) -> None:
    stage = staged()
    cosmos = stage.environment.cosmos.model_copy(update={"account": None})
    found = checked(stage, stage.environment.model_copy(update={"cosmos": cosmos}))
    assert found[METADATA].holds


def test_a_slot_that_may_be_swapped_while_it_answers_errors(staged: Callable[..., Stage]) -> None:
    def lax(world: World) -> None:
        slot = world.sites[names.WEB].slots[names.STAGING]
        del slot.settings["WEBSITE_SWAP_WARMUP_PING_STATUSES"]

    found = checked(staged(lax))
    assert (found[WARM_UP].holds, found[WARM_UP].weight) == (False, "weak")
    assert f"{names.WEB}/{names.STAGING} (any status)" in found[WARM_UP].seen


def test_what_is_not_there(
    staged: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables, signers, folders: each said by name; what cannot be asked fails and says why."""
    stage = staged()
    del stage.variables["COSMOS_KEY"]
    (stage.directory / str(stage.environment.approvals.allowed_signers)).unlink()
    (stage.directory / "blocked").write_text("")
    evidence = {"store": {"kind": "folder", "path": "blocked/evidence"}}
    changed = stage.environment.model_validate(
        {**stage.environment.model_dump(mode="json"), "evidence": evidence, "journal_mirror": True}
    ).model_copy(update={"base": stage.environment.base, "source": stage.environment.source})
    found = checked(stage, changed)
    assert "COSMOS_KEY" in found["variables of the environment file"].seen
    assert "No such file" in found["files the environment names"].seen
    assert "blocked is no folder" in found["evidence store"].seen
    assert "blocked is no folder" in found["journal mirror"].seen
    missing = found["Cosmos answers"]
    assert not missing.holds
    for name in ("variables of the environment file", "files the environment names", "evidence store"):
        assert not found[name].holds


def test_a_platform_that_is_down(staged: Callable[..., Stage], tmp_path: Path) -> None:
    """Nothing answers: every check is there all the same, and what needs nobody still holds."""
    stage = staged()
    network = stage.environment.network
    nowhere = tuple((host, "127.0.0.1:1") for host, _ in network.resolve)
    down = stage.environment.model_copy(
        update={"network": network.model_copy(update={"resolve": nowhere})}
    )
    found = checked(stage, down)
    for name in ("Resource Manager", "what the credentials could do", "clock"):
        assert not found[name].holds
        assert found[name].seen.startswith("could not be checked: ")
    assert not found["Cosmos answers"].holds
    assert not found["halt authority is proved"].holds
    assert found["the guard refuses what is forbidden"].holds


@pytest.mark.parametrize(
    ("grants", "may"),
    [
        ([Grant(("*",))], True),
        ([Grant(("*/read",))], False),
        ([Grant(("*",), ("Microsoft.DocumentDB/*", "Microsoft.Authorization/*/write"))], True),  # its group
        ([Grant(("*",), ("Microsoft.DocumentDB/*", "Microsoft.Authorization/*", "Microsoft.Resources/*"))], False),
        # Known writes taken out one by one: others are left, and come with each release of the service.
        ([Grant(("Microsoft.DocumentDB/*",), WRITES)], True),
        ([Grant(("*",), (*WRITES, "Microsoft.Authorization/*", "Microsoft.Resources/*"))], True),
        ([Grant(("*/write",), (*WRITES, "Microsoft.Authorization/*"))], True),
        ([Grant(("*/action",), ("*/listKeys/action", "*/regenerateKey/action", "Microsoft.Authorization/*", "Microsoft.Resources/*"))], True),
        ([Grant(("Microsoft.Document*",), ("*/write", "*/delete", "*/action"))], False),
        ([Grant(("*/mongodbDatabases/write",))], True),
        ([Grant(("*e/write",))], True),
        ([Grant(("*/write",), ("Microsoft.DocumentDB/*", "Microsoft.Authorization/*"))], False),
        ([Grant(("*",), ("Microsoft.DocumentDB/databaseAccounts/*", "Microsoft.Authorization/*", "Microsoft.Resources/*"))], False),
        ([Grant(("Microsoft.DocumentDB/*/tables/write",))], True),
        ([Grant(("Microsoft.DocumentDB/database*/tables/*",))], True),
        ([Grant(("*Accounts/gremlinDatabases/throughputSettings/wri*",))], True),
        ([Grant(("Microsoft.DocumentDB/databaseAccountsOfOthers/write", "*s/read", "*d"))], False),
        ([Grant(("Microsoft.DocumentDB/cassandraClusters/*", "Microsoft.DocumentDB/locations/*"))], False),
        ([Grant(("Microsoft.Resources/subscriptions/resourceGroups/delete",))], True),
        ([Grant(("Microsoft.Resources/subscriptions/*/action",))], True),
        ([Grant(("Microsoft.Authorization/roleAssignmentScheduleRequests/write",))], True),
        ([Grant(("Microsoft.Authorization/roleEligibilityScheduleRequests/*",))], True),
        ([Grant(("Microsoft.Authorization/elevateAccess/Action",))], True),
        ([Grant(("Microsoft.Authorization/*/read", "Microsoft.Resources/deployments/*"))], False),
        ([Grant(("*",), ("Microsoft.DocumentDB/*",))], True),  # it may give itself a role
        ([Grant(("*",), ("Microsoft.DocumentDB/*", "Microsoft.Authorization/*")), Grant((WRITE,))], True),
        ([Grant((READS,)), Grant(("Microsoft.Web/sites/*",))], False),
        ([Grant(("microsoft.documentdb/databaseaccounts/*",))], True),
        ([Grant(("Microsoft.DocumentDB/databaseAccounts/mongodbDatabases/write",))], True),
        ([Grant(("Microsoft.DocumentDB/databaseAccounts/listKeys/action",))], True),
        ([Grant(("Microsoft.DocumentDB/*",), ("Microsoft.DocumentDB/databaseAccounts/*",))], False),
        ([Grant(("Microsoft.DocumentDB/[a-z]*/write",))], False),
        ([Grant(("Microsoft.DocumentDB/databaseAccounts/gremlinDatabases/*",))], True),
        ([Grant(("Microsoft.DocumentDB/databaseAccounts/*/action",))], True),
        ([Grant(("Microsoft.DocumentDB/databaseAccounts/*/read",))], False),
        ([Grant(("Microsoft.DocumentDB/databaseAccounts/*",), ("*/write", "*/delete", "*/action"))], False),
        ([Grant(("Microsoft.DocumentDB/databaseAccounts/*",), ("*/write", "*/delete"))], True),
        ([Grant(("Microsoft.Authorization/roleDefinitions/*",))], True),
        # The built-in account reader role.
        ([Grant(("Microsoft.DocumentDB/*/read", "Microsoft.DocumentDB/databaseAccounts/readonlykeys/action"))], False),
        ([], False),
    ],
)  # fmt: skip
def test_what_roles_permit(grants: list[Grant], may: bool) -> None:
    """Role by role: what one takes out, another may give. `*` is the only wildcard."""
    assert bool(able(grants)) is may


def test_the_table_and_its_exit_status(
    rollback: Any, staged: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    stage = staged()
    for name, value in stage.variables.items():
        monkeypatch.setenv(name, value)
    file = stage.directory / "environment.yaml"
    ran = rollback("--state", stage.state, "doctor", "--environment", file)
    assert ran.status == 0, ran.out + ran.err
    assert ran.err.startswith("ready; ")
    lines = ran.out.splitlines()
    assert {line[:5].strip() for line in lines} <= {"ok", "weak", ""}
    assert max(map(len, lines)) <= 100
    monkeypatch.delenv("COSMOS_KEY")
    ran = rollback("--state", stage.state, "doctor", "--environment", file)
    assert ran.status == 3
    assert ran.err.startswith("not ready: ")
    assert "FAIL " in ran.out


def test_production_must_what_others_may(staged: Callable[..., Stage]) -> None:
    """An identity that could rewrite the account stops a production environment's readiness."""

    def lax(world: World) -> None:
        world.more_roles = [([WRITE], [])]

    stage = staged(lax)
    kind = type(stage.environment.kind)("production")
    found = checked(stage, stage.environment.model_copy(update={"kind": kind}))
    assert (found[IDENTITY].holds, found[IDENTITY].weight) == (False, "must")
