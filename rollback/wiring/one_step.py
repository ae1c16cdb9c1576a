"""Plans of a step or two that are no playbook's: there is one road for writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollback.errors import InputError, did_you_mean
from rollback.model.playbook import Playbook, Step
from rollback.model.steps import ReleaseHold, ReleaseLease

if TYPE_CHECKING:
    from rollback.model.environment import Environment

_BUILD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


def hold_release_playbook(environment: Environment, surface: str, build: str) -> Playbook:
    """Release one hold. Raises InputError for a surface or build that is none."""
    check_surface(environment, surface)
    if _BUILD.fullmatch(build) is None:
        raise InputError("hold.build", f"{build!r} is not a build id", hint="like 2026.11.2")
    spec = ReleaseHold(surface=surface, build=build)
    return Playbook(
        playbook="hold-release",
        summary=f"Release the hold on {build} of {surface}: it may be restored again.",
        steps=(Step(name="release", spec=spec),),
    )


def lease_release_playbook(surfaces: tuple[str, ...]) -> Playbook:
    """Give up one holder's lease on all of these, one after the other."""
    steps: list[Step] = []
    for surface in surfaces:
        after = (steps[-1].name,) if steps else ()
        spec = ReleaseLease(surface=surface)
        steps.append(Step(name=f"release-{surface}", spec=spec, after=after))
    return Playbook(
        playbook="lease-release",
        summary=f"Give up the lease on {' and '.join(surfaces)}.",
        steps=tuple(steps),
    )


def check_surface(environment: Environment, surface: str) -> None:
    """Raises InputError where the environment has no such surface."""
    names = environment.surface_names
    if surface not in names:
        raise InputError(
            "surface.unknown",
            f"{environment.environment} has no surface {surface!r}",
            hint=f"{did_you_mean(surface, names)}one of: {', '.join(names)}",
        )
