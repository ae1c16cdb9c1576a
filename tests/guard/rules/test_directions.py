"""A label opens nothing: which way a change says it moves is held by its shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rollback.guard.rules.directions import judge_direction, ramp_rules, safe_unseen, within
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.effect import BoundedBody, Effect, FileWrite, HttpWrite, NoBody, Purpose
from rollback.rehearsal.simulator import names
from tests.guard.support import DIGEST, SITES, environment, exact, swap

PERIMETER = perimeter_of(environment())
CONFIG = f"{SITES}/{names.BACKEND}/config/web"
TOWARD, AWAY, NEITHER = Direction.TOWARD, Direction.AWAY, Direction.NEITHER
RULES = '{"properties":{"experiments":{"rampUpRules":[]}}}'
BUCKET = f"{names.EVIDENCE_BUCKET}.s3.eu-west-1.amazonaws.com"


def configuration(content: str) -> HttpWrite:
    return swap(method="PATCH", path=CONFIG, body=exact(content))


def start() -> HttpWrite:
    path = f"{SITES}/{names.BACKEND}/slots/staging/start"
    return swap(path=path, body=NoBody())


def pipeline() -> HttpWrite:
    path = f"/repos/{names.REPOSITORY}/actions/workflows/release.yml/disable"
    return swap(method="PUT", host="api.github.com", path=path, query=(), body=NoBody())


def stored(purpose: Purpose, condition: str) -> HttpWrite:
    return swap(
        method="PUT", host=BUCKET, path="/evidence/{key}", query=(), body=BoundedBody(bytes_max=64),
        purpose=purpose, condition=condition,
    )  # fmt: skip


def word(path: str, condition: str = "create-only") -> HttpWrite:
    return stored(Purpose.HOLD, condition).model_copy(update={"path": path})


def file(purpose: Purpose, path: str = "/evidence") -> FileWrite:
    return FileWrite.model_validate(
        {"id": "f", "path": path, "bytes_max": 1, "times_max": 1, "purpose": purpose}
    )


def problem(effect: Effect, direction: Direction, **over: Any) -> str:
    turned = effect.model_copy(update={"direction": direction})
    change = Update(
        id="x", resource="x", summary="x", before=(), after=(), effects=(turned,),
        direction=over.pop("says", direction), **over,
    )  # fmt: skip
    denial = judge_direction(change, PERIMETER)
    return "" if denial is None else denial.rule


@pytest.mark.parametrize(
    ("effect", "possible"),
    [
        (swap(), {AWAY}),
        (start(), {AWAY}),
        (configuration(f'{{"properties":{{"linuxFxVersion":"DOCKER|r/b@sha256:{DIGEST}"}}}}'), {AWAY}),
        (configuration(RULES), {TOWARD, AWAY}),
        (configuration('{"properties":{"autoSwapSlotName":""}}'), {TOWARD, AWAY}),
        (configuration('{"properties":{"autoSwapSlotName":"staging"}}'), {AWAY}),
        (configuration('{"properties":{"autoSwapSlotName":"","linuxFxVersion":"x"}}'), {AWAY}),
        (configuration('{"properties":{"experiments":{"rampUpRules":[]},"autoSwapSlotName":""}}'), {AWAY}),
        (configuration('{"properties":[]}'), {AWAY}),
        (configuration('{"properties":{}}'), {AWAY}),
        (swap(path=CONFIG, body=exact(RULES)), {AWAY}),
        (pipeline(), {TOWARD, AWAY}),
        (stored(Purpose.EVIDENCE, "create-only"), {NEITHER}),
        (stored(Purpose.LEASE, "if-match"), {NEITHER}),
        (stored(Purpose.HOLD, "create-only"), {AWAY}),
        (stored(Purpose.HOLD, "if-match"), {AWAY}),
        (word("/evidence/holds/web/2026.11.2/held/0001.json"), {TOWARD, AWAY}),
        (word("/evidence/holds/web/2026.11.2/held/0001.json", "if-match"), {AWAY}),
        (word("/evidence/holds/web/2026.11.2/released/0002.json"), {AWAY}),
        (word("/evidence/holds/web/held/{key}"), {AWAY}),
        (word("/evidence/holds/web/{key}/held/0001.json"), {AWAY}),
        (file(Purpose.EVIDENCE), {NEITHER}),
        (file(Purpose.HOLD), {AWAY}),
        (file(Purpose.HOLD, "/evidence/holds/web/2026.11.2/held"), {TOWARD, AWAY}),
        (file(Purpose.HOLD, "/evidence/holds/web/2026.11.2/released"), {AWAY}),
        (swap(host="nobody.example"), {NEITHER}),
    ],
)
def test_a_shape_has_the_directions_it_can_have(effect: Effect, possible: set[Direction]) -> None:
    assert {one for one in Direction if not problem(effect, one)} == possible


@pytest.mark.parametrize("label", [TOWARD, NEITHER])
def test_a_change_does_not_differ_from_its_effects(label: Direction) -> None:
    assert problem(swap(), AWAY, says=label) == "effect.direction"


def test_what_moves_users_moves_away_from_safety() -> None:
    assert problem(configuration(RULES), TOWARD, moves_users=True) == "effect.direction"
    assert not problem(configuration(RULES), AWAY, moves_users=True)


def test_a_body_that_is_not_shown_narrows_nothing() -> None:
    hidden = configuration(RULES)
    dark = hidden.model_copy(update={"body": hidden.body.model_copy(update={"content": None})})
    assert problem(dark, TOWARD) == "effect.direction"


def test_a_change_without_effects_may_be_any() -> None:
    for direction in Direction:
        bare = Update(
            id="x", resource="x", summary="x", before=(), after=(), effects=(), direction=direction
        )
        assert judge_direction(bare, PERIMETER) is None


def test_the_rules_that_a_write_sets_are_read_from_its_body() -> None:
    told = (
        '{"properties":{"experiments":{"rampUpRules":['
        '{"actionHostName":"a.example","name":"staging","reroutePercentage":12.5},'
        '{"actionHostName":"b.example","name":"canary","reroutePercentage":3}]}}}'
    )
    assert ramp_rules(configuration(told)) == ("staging=a.example=1250", "canary=b.example=300")
    none = configuration('{"properties":{"experiments":{"rampUpRules":[]}}}')
    assert ramp_rules(none) == ()


@pytest.mark.parametrize(
    "effect",
    [
        swap(),
        start(),
        pipeline(),
        file(Purpose.EVIDENCE),
        configuration('{"properties":{"autoSwapSlotName":""}}'),
        configuration('{"properties":[]}'),
        configuration("[]"),
    ],
)
def test_what_sets_no_rules_has_none(effect: Effect) -> None:
    assert ramp_rules(effect) is None


def reviewed(run: int, *environments: object, host: str = "api.github.com") -> HttpWrite:
    path = f"/repos/{names.REPOSITORY}/actions/runs/{run}/pending_deployments"
    content = json.dumps(
        {"comment": "x", "environment_ids": environments, "state": "rejected"}, separators=(",", ":")
    )
    return swap(path=path, host=host, query=(), body=exact(content))


def cancelled(run: int) -> HttpWrite:
    path = f"/repos/{names.REPOSITORY}/actions/runs/{run}/cancel"
    return swap(path=path, host="api.github.com", query=(), body=NoBody())


def spooled(place: str) -> FileWrite:
    return FileWrite(
        id="h", path=place, bytes_max=9, times_max=1, direction=TOWARD, purpose=Purpose.HOLD
    )


def test_what_names_no_target_is_safe_unseen() -> None:
    assert safe_unseen(pipeline())
    assert safe_unseen(configuration('{"properties":{"autoSwapSlotName":""}}'))
    for aimed in (
        configuration(RULES), configuration('{"properties":{"autoSwapSlotName":"staging"}}'),
        cancelled(7), reviewed(7, 1), spooled("/s/holds/web/1/held"), start(), swap(),
        pipeline().model_copy(update={"method": "POST"}),
        pipeline().model_copy(update={"path": f"{pipeline().path}/x"}),
        stored(Purpose.HOLD, "create-only"),
    ):  # fmt: skip
        assert not safe_unseen(aimed)


def test_a_write_is_within_another_that_is_aimed_alike() -> None:
    assert within(cancelled(7), cancelled(7).model_copy(update={"id": "another", "says": "x"}))
    assert within(reviewed(7, 1), reviewed(7, 1, 2))
    assert within(reviewed(7, 1, 2), reviewed(7, 2, 1))
    assert within(spooled("/s/held"), spooled("/s/held"))
    assert not within(spooled("/s/a"), spooled("/s/b"))
    assert not within(spooled("/s/b"), spooled("/s/a"))
    assert within(configuration(RULES), configuration(RULES.replace("[]", "[{}]")))
    for one, other in (
        (cancelled(7), cancelled(8)),
        (reviewed(7, 1, 2), reviewed(7, 1)),
        (reviewed(7, 1), reviewed(8, 1)),
        (reviewed(7, "1"), reviewed(7, 1)),
        (reviewed(7, 1), reviewed(7, 1, host="github.example")),
        (reviewed(7, 1), reviewed(7)),
        (cancelled(7), cancelled(7).model_copy(update={"method": "PUT"})),
        (spooled("/s/held"), spooled("/t/held")),
        (spooled("/s/held"), cancelled(7)),
        (cancelled(7), spooled("/s/held")),
        (spooled(cancelled(7).path), cancelled(7)),
        (cancelled(7), spooled(cancelled(7).path)),
        (configuration(RULES), configuration('{"properties":{"autoSwapSlotName":""}}')),
        (stored(Purpose.HOLD, "create-only"), stored(Purpose.EVIDENCE, "create-only")),
        (stored(Purpose.HOLD, "create-only"), stored(Purpose.HOLD, "if-match")),
    ):
        assert not within(one, other)
