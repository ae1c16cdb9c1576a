"""Whose users stay where they are: said by every plan of a rollback that leaves some."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rollback.model.base import facts
from rollback.model.change import NoOp, RefusedChange, Update
from rollback.model.direction import Direction
from rollback.model.observation import Observation
from rollback.model.plan import PlannedStep
from rollback.planning.not_moved import not_moved
from tests.actions.loopback import environment

AT = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
SEEN = (
    Observation(resource="backend/slot/production", compared=facts(builds=("b2",)), at=AT),
    Observation(resource="web/slot/staging", compared=facts(builds=("b1",)), at=AT),
)


def revert(surface: str, *, moves: bool = True) -> PlannedStep:
    change = Update(
        id="swap",
        resource=f"{surface}/slot/production",
        summary="",
        before=(),
        after=(),
        effects=(),
        direction=Direction.AWAY,
        moves_users=moves,
        surface=surface,
    )
    return step("revert_deployment", change, surface=surface)


def step(action: str, *changes: Any, surface: str | None = None) -> PlannedStep:
    name = action.replace("_", "-")
    return PlannedStep(name=name, action=action, spec=(), changes=changes, surface=surface)


def there(surface: str) -> PlannedStep:
    return step("revert_deployment", NoOp(id="x", resource="x", reason="served"), surface=surface)


def refused(surface: str) -> PlannedStep:
    change = RefusedChange(id="x", resource="x", code="c", reason="", next_move="")
    return step("revert_deployment", change, surface=surface)


@pytest.mark.parametrize(
    ("steps", "by_hand", "said"),
    [
        ((step("halt_rollout"),), (), "users of backend (b2) and web stay on the release they are on: this plan moves nobody"),
        ((step("snapshot_audit_logs"),), ("mobile",), "users of backend (b2) and web stay on the release they are on: this plan moves nobody"),
        ((revert("backend"),), ("mobile",), "users of web stay on the release they are on: this plan does not move them"),
        ((revert("web"), refused("backend")), ("mobile",), "users of backend (b2) stay on the release they are on: this plan does not move them"),
        ((revert("backend", moves=False), there("web")), ("mobile",), "users of backend (b2) stay on the release they are on: this plan moves nobody"),
        ((revert("backend"), there("web")), ("mobile",), ""),
        ((step("release_lease"),), (), ""),
        ((step("release_hold"), step("hold_release")), (), ""),
    ],
)  # fmt: skip
def test_who_is_not_moved_is_named(
    steps: tuple[PlannedStep, ...], by_hand: tuple[str, ...], said: str
) -> None:
    found = not_moved(environment(), steps, SEEN, frozenset(by_hand))
    assert [one.text for one in found] == ([said] if said else [])
    assert all(one.weight == "exposure" for one in found)
