"""What may not be restored: each refusal, and what is merely weak."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rollback.model.base import Value, facts
from rollback.model.environment import Surface
from rollback.model.observation import Observation, World
from rollback.planning.refusals import refuse_release

AT = datetime(2026, 11, 23, tzinfo=UTC)
OLD, STABLE, BAD = "2026.10.9", "2026.11.1", "2026.11.2"
KNOWN = {"control_schema": (3, 5), "flags": ("backtest",)}


def surface(*, floor: str | None = STABLE, authority: bool = True, **entry: Any) -> Surface:
    return Surface.model_validate(
        {
            "provider": "app-service",
            "site": "trading-backend",
            "hosts": ("backend.example",),
            "carries_authority": authority,
            "rollback_floor": floor,
            "releases": (
                {"build": OLD, **KNOWN},
                {"build": STABLE, **(KNOWN | entry)},
                {"build": BAD, **KNOWN},
            ),
        }
    )


def seen(resource: str, **context: Value) -> Observation:
    return Observation(resource=resource, context=facts(**context), at=AT)


CONTROL = seen("control/trading", schema=4)
FLAGS = seen("control/flags", enabled=("backtest",))
LIVE = World(observations=(CONTROL, FLAGS))


def refuse(build: str = STABLE, world: World = LIVE, **changes: Any) -> tuple[str, str, set[str]]:
    refusal, findings = refuse_release("backend", surface(**changes), build, world)
    codes = {finding.code for finding in findings}
    assert all(finding.weight == "weak" for finding in findings)
    if refusal is None:
        return "", "", codes
    assert refusal.next_move
    return refusal.code, refusal.promise, codes


def test_a_declared_release_that_understands_what_is_live() -> None:
    assert refuse() == ("", "", set())


@pytest.mark.parametrize(
    ("build", "changes", "code", "promise"),
    [
        ("2026.9.9", {}, "release.unknown", "no-control-plane-rewrite"),
        (OLD, {}, "release.below-floor", "no-control-plane-rewrite"),
        (STABLE, {"floor": "2026.8.1"}, "release.floor-unknown", "fail-closed"),
        (STABLE, {"on_hold": True}, "release.on-hold", ""),
        (STABLE, {"control_schema": (1, 3)}, "release.schema", ""),
        (STABLE, {"control_schema": (5, 9)}, "release.schema", ""),
        (STABLE, {"flags": ()}, "release.flags", ""),
        (STABLE, {"control_schema": (1, 3), "authority": False}, "release.schema", ""),
    ],
)
def test_refused(build: str, changes: dict[str, Any], code: str, promise: str) -> None:
    assert refuse(build, **changes)[:2] == (code, promise)


@pytest.mark.parametrize(
    ("changes", "world", "codes"),
    [
        ({"floor": None}, LIVE, {"release.no-floor"}),
        ({"control_schema": None}, LIVE, {"release.schema-undeclared"}),
        ({"flags": None}, LIVE, {"release.schema-undeclared"}),
        ({"control_schema": None, "flags": None}, LIVE, {"release.schema-undeclared"}),
        ({"control_schema": None, "flags": None, "authority": False}, LIVE, set()),
        ({}, World(observations=(FLAGS,)), {"release.schema-unread"}),
        ({}, World(observations=(CONTROL,)), {"release.flags-unread"}),
    ],
)
def test_weak_but_not_refused(changes: dict[str, Any], world: World, codes: set[str]) -> None:
    assert refuse(world=world, **changes) == ("", "", codes)


def told(lowest: int, highest: int, *builds: str) -> World:
    own = seen(
        "authority/backend/staging",
        builds=builds,
        schema_document=4,
        schema_min=lowest,
        schema_max=highest,
    )
    return World(observations=(CONTROL, FLAGS, own))


def test_what_the_release_says_of_itself_goes_before_the_catalogue() -> None:
    assert refuse(world=told(3, 5, STABLE), control_schema=(1, 3))[0] == ""
    assert refuse(world=told(5, 6, STABLE))[0] == "release.schema"
    assert refuse(world=told(3, 5, STABLE), control_schema=None)[2] == set()


def test_what_other_builds_say_says_nothing_of_this_one() -> None:
    assert refuse(world=told(5, 6, BAD))[0] == ""
    assert refuse(world=told(5, 6, BAD, STABLE))[0] == ""


def test_the_live_schema_as_the_authority_tells_it_where_control_is_not_readable() -> None:
    world = World(observations=(FLAGS, told(3, 5, BAD).observations[2]))
    assert refuse(world=world, control_schema=(1, 3))[0] == "release.schema"


def test_a_hold_in_the_store_refuses_like_one_in_the_catalogue() -> None:
    def world(*more: Observation) -> World:
        return World(observations=(CONTROL, FLAGS, *more))

    held = world(seen("backend/holds", on_hold=(BAD, STABLE)))
    assert refuse(world=held)[0] == "release.on-hold"
    assert refuse(world=world(seen("backend/holds", on_hold=(BAD,)))) == ("", "", set())
    assert refuse(world=world(seen("web/holds", on_hold=(STABLE,)))) == ("", "", set())


def test_holds_that_cannot_be_read_are_weak_and_refuse_nothing() -> None:
    """The store being down must not keep users on the bad release."""
    gap = Observation(resource="backend/holds-unread", at=AT, gaps=("it is down",))
    world = World(observations=(CONTROL, FLAGS, gap))
    assert refuse(world=world) == ("", "", {"release.holds-unread"})
