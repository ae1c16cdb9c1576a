"""Two laptops, real processes, one lease: a folder that both see, and a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from playbooks import full_rollback
from rollback.rehearsal.scenario import Play, staged
from tests.rehearsal.leases.attacks import MOMENTS, SKEWS_S, one_lost, paused, taken_over, together
from tests.rehearsal.leases.laptops import scenario

Staged = Callable[..., Play]
UNCAPTURED = full_rollback.model_copy(
    update={
        "steps": tuple(one for one in full_rollback.steps if one.name not in ("capture", "seal"))
    }
)
"""What needs a lease, all of it, and what the planner captures before. `make lease-attacks` plays the
whole; here a run that is taken over does."""

STORES = pytest.mark.parametrize("bucket", [False, True], ids=["folder", "bucket"])


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Staged]:
    with ExitStack() as stack:

        def made(*, bucket: bool, mirror: bool = False) -> Play:
            story = scenario(bucket=bucket, mirror=mirror)
            playbook = full_rollback if mirror else UNCAPTURED
            return staged(stack, story, playbook, tmp_path, lambda *_: None)

        yield made


@pytest.mark.parametrize(
    ("moment", "bucket"),
    [*((moment, False) for moment in MOMENTS), ("leased", True), ("in flight", True)],
)
def test_a_paused_holder_sends_nothing_when_it_wakes_up(
    stage: Staged, moment: str, bucket: bool
) -> None:
    broken = paused(stage(bucket=bucket), moment)
    assert not broken, "\n".join(broken)


@STORES
@pytest.mark.parametrize("skews_s", SKEWS_S[:2])
def test_of_two_that_press_at_once_one_moves_users(
    stage: Staged, bucket: bool, skews_s: tuple[int, int]
) -> None:
    """Also where their wall clocks are a quarter of an hour apart."""
    broken = together(stage(bucket=bucket), skews_s=skews_s)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("dead", [True, False], ids=["dead", "asleep"])
def test_a_run_goes_on_elsewhere_from_its_mirror(stage: Staged, dead: bool) -> None:
    broken = taken_over(stage(bucket=True, mirror=True), dead=dead)
    assert not broken, "\n".join(broken)


def test_an_effect_under_way_keeps_its_lease_when_another_surface_is_lost(stage: Staged) -> None:
    broken = one_lost(stage(bucket=False))
    assert not broken, "\n".join(broken)
