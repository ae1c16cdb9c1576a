"""The world moves as the service does; told step by step, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.rehearsal.simulator import cosmos_query, names, stories, transitions
from rollback.rehearsal.simulator.exchange import Call
from rollback.rehearsal.simulator.ledger import classify
from rollback.rehearsal.simulator.world import World

SITE, SLOT = names.BACKEND, names.STAGING
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def swap(world: World, now: datetime = NOON) -> None:
    operation = transitions.begin_swap(
        world, now, SITE, source=SLOT, target=names.PRODUCTION, principal="x"
    )
    error = transitions.warm_up(world, now, operation)
    if error:
        transitions.fail_swap(world, now, operation, error)
        return
    while transitions.move_instance(world, now, operation):
        pass
    transitions.finish_swap(world, now, operation)


settings = st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(["1", "2"]))


@given(here=settings, there=settings, sticky=st.lists(st.sampled_from("ABCDEF"), unique=True))
def test_a_swap_moves_what_is_not_sticky_and_two_swaps_move_nothing(
    here: dict[str, str], there: dict[str, str], sticky: list[str]
) -> None:
    world = stories.default_world(NOON)
    site = world.sites[SITE]
    source, target = site.slots[SLOT], site.slots[names.PRODUCTION]
    source.settings, target.settings, site.sticky = dict(here), dict(there), sticky
    swap(world)
    for name in "ABCDEF":
        stays = name in sticky
        assert source.settings.get(name) == (here if stays else there).get(name)
        assert target.settings.get(name) == (there if stays else here).get(name)
    assert world.build_in(SITE) == names.STABLE_BUILD
    swap(world, NOON + timedelta(minutes=1))
    assert (source.settings, target.settings) == (here, there)
    assert world.build_in(SITE) == names.BAD_BUILD
    assert site.swaps == 2


def test_instances_change_one_by_one_before_the_site_resource_tells() -> None:
    world = stories.default_world(NOON)
    operation = transitions.begin_swap(
        world, NOON, SITE, source=SLOT, target=names.PRODUCTION, principal="x"
    )
    workers = world.sites[SITE].slots[names.PRODUCTION].instances
    before = world.sites[SITE].swap_status
    assert transitions.warm_up(world, NOON, operation) is None
    seen = []
    more = True
    while more:
        more = transitions.move_instance(world, NOON, operation)
        seen.append([worker.build for worker in workers].count(names.STABLE_BUILD))
    assert seen == [1, 2, 3]
    assert world.sites[SITE].swap_status == before
    assert world.build_in(SITE) == names.BAD_BUILD


def test_a_failed_swap_leaves_everything_where_it_was() -> None:
    world = stories.unhealthy(stories.default_world(NOON), names.STABLE_BUILD)
    before = world.sites[SITE].model_copy(deep=True)
    swap(world)
    assert world.sites[SITE] == before
    assert [entry.status for entry in world.activity[-2:]] == ["Started", "Failed"]


def test_an_image_nobody_knows_does_not_start() -> None:
    world = stories.default_world(NOON)
    transitions.set_image(world, NOON, SITE, SLOT, "trading.azurecr.io/x@sha256:0", "x")
    swap(world)
    assert world.build_in(SITE) == names.BAD_BUILD


def test_a_stopped_slot_and_a_busy_site_are_not_swapped() -> None:
    world = stories.stopped(stories.default_world(NOON), SITE)
    with pytest.raises(transitions.RefusedError, match="is stopped"):
        swap(world)
    world = stories.default_world(NOON)
    transitions.begin_operation(world, NOON, SITE, name="ScaleWebSite", principal="x")
    with pytest.raises(transitions.RefusedError, match="ScaleWebSite") as refused:
        swap(world)
    assert refused.value.status == 409


def test_a_release_that_rewrites_control_state_does_so_when_it_starts() -> None:
    world = stories.rewriting(stories.default_world(NOON), names.STABLE_BUILD)
    swap(world)
    (change,) = world.changes
    assert (change.principal, change.id) == (f"backend:{names.STABLE_BUILD}", "limits")


def test_variants_leave_their_argument_alone() -> None:
    world = stories.default_world(NOON)
    kept = world.model_copy(deep=True)
    stories.already_rolled_back(world)
    stories.ramped(world, SITE, 50, pinned=3)
    stories.mixed(world, SITE, SLOT, 0, names.OLD_BUILD)
    stories.holding(world, SITE, SLOT, names.THIRD_BUILD)
    stories.with_setting(world, SITE, SLOT, "COSMOS_ENDPOINT", "https://x")
    stories.preview_pending(world, SITE)
    stories.auto_swapping(world, SITE)
    stories.with_authority(world, names.BAD_BUILD, "denies")
    assert world == kept
    assert World.model_validate_json(world.model_dump_json()) == world


QUERY = {"x-ms-documentdb-isquery": "True", "content-type": "application/query+json"}
PLAN = {"x-ms-cosmos-is-query-plan-request": "True", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("host", "method", "path", "headers", "kind"),
    [
        (names.ARM_HOST, "GET", "/x", {}, "read"),
        (names.ARM_HOST, "POST", "/s/config/appsettings/list", {}, "read"),
        (names.ARM_HOST, "POST", "/s/slots/staging/slotsdiffs", {}, "read"),
        (names.ARM_HOST, "POST", "/s/slotsswap", {}, "write"),
        (names.ARM_HOST, "PUT", "/s/config/appsettings", {}, "write"),
        (names.LOGIN_HOST, "POST", "/t/oauth2/v2.0/token", {}, "credential"),
        (names.PLATFORM_HOST, "POST", "/auth/token", {}, "credential"),
        (names.WEBHOOK_HOST, "POST", "/auth/token", {}, "write"),
        (names.COSMOS_HOST, "POST", "/dbs/d/colls/c/docs", QUERY, "read"),
        (names.COSMOS_HOST, "POST", "/dbs/d/colls/c/docs", PLAN, "read"),
        (names.COSMOS_HOST, "POST", "/dbs/d/colls/c/docs", {}, "write"),
        (
            names.COSMOS_HOST,
            "POST",
            "/dbs/d/colls/c/docs",
            {**QUERY, "x-ms-documentdb-is-upsert": "True"},
            "write",
        ),
        (names.COSMOS_HOST, "DELETE", "/dbs/d/colls/c/docs/1", QUERY, "write"),
        ("anything.example", "PATCH", "/", {}, "write"),
    ],
)
def test_the_ledger_tells_reads_from_writes(
    host: str, method: str, path: str, headers: dict[str, str], kind: str
) -> None:
    assert classify(Call(method=method, host=host, path=path, headers=headers)) == kind


rows = st.lists(st.fixed_dictionaries({"n": st.integers(0, 9)}), max_size=12)


@given(rows=rows, low=st.integers(0, 9), high=st.integers(0, 9), down=st.booleans())
def test_a_window_query_returns_the_window_in_order(
    rows: list[dict[str, int]], low: int, high: int, *, down: bool
) -> None:
    documents = [{"id": str(index), **row} for index, row in enumerate(rows)]
    order = " DESC" if down else ""
    text = "SELECT * FROM c WHERE c.n >= @low AND c.n <= @high ORDER BY c.n" + order  # noqa: S608 - the grammar of the simulation
    given_values = [{"name": "@low", "value": low}, {"name": "@high", "value": high}]
    found = cosmos_query.parse({"query": text, "parameters": given_values}).run(documents)
    expected = sorted(row["n"] for row in rows if low <= row["n"] <= high)
    assert [row["n"] for row in found] == (expected[::-1] if down else expected)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT",
        "DELETE FROM c",
        "SELECT * FROM c WHERE c.n LIKE 'a'",
        "SELECT * FROM c WHERE c.n = @x",
    ],
)
def test_a_query_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(cosmos_query.QueryError):
        cosmos_query.parse({"query": text})
