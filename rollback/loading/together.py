"""A playbook and an environment held against each other, before anything is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import Complaint
from rollback.loading.complaints import meant
from rollback.model.steps import Notify, RevertDeployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.model.playbook import Playbook, Step


def check_together(playbook: Playbook, environment: Environment) -> tuple[Complaint, ...]:
    """Everything in the playbook that this environment does not have. Empty where they fit."""
    return tuple(
        Complaint(
            playbook.source or f"playbook {playbook.playbook}",
            step.line,
            None,
            f"{step.name}.{field}",
            problem,
            expected,
        )
        for step in playbook.steps
        for field, problem, expected in _step(step, environment)
    )


def _step(step: Step, environment: Environment) -> Iterator[tuple[str, str, str]]:
    names = environment.surface_names
    surfaces = step.spec.surfaces_named
    for name in surfaces:
        if name not in names:
            yield (
                "surfaces",
                f"{environment.environment} has no surface `{name}`",
                f"one of {', '.join(names)}{meant(name, names)}",
            )
    if isinstance(step.spec, Notify):
        channels = tuple(channel.name for channel in environment.channels)
        written = dict(step.references)
        if "channel" not in written and step.spec.channel not in channels:
            yield (
                "channel",
                f"{environment.environment} has no channel `{step.spec.channel}`",
                f"one of {', '.join(channels) or '(none)'}{meant(step.spec.channel, channels)}",
            )
    if isinstance(step.spec, RevertDeployment):
        yield from _revert(step.spec, tuple(n for n in surfaces if n in names), environment)


def _revert(
    spec: RevertDeployment, surfaces: tuple[str, ...], environment: Environment
) -> Iterator[tuple[str, str, str]]:
    for name in surfaces:
        surface = environment.surface(name)
        if surface.provider == "unsupported":
            continue
        builds = tuple(release.build for release in surface.releases)
        if spec.to != "last-stable" and builds and spec.to not in builds:
            yield (
                "to",
                f"`{spec.to}` is not in the release catalogue of {name}",
                f"last-stable, or one of {', '.join(builds)}{meant(spec.to, builds)}",
            )
        if spec.way not in ("auto", *surface.ways):
            yield (
                "way",
                f"{name} does not allow the way {spec.way}",
                f"auto, or one of {', '.join(surface.ways)}",
            )
