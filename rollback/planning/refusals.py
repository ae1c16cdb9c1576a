"""What may not be restored, and why: floor, hold, schema, flags, settings. Pure.

Each refusal names the next possible move. The order is the order in which a reviewer would ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.change import Finding, RefusedChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.environment import Surface
    from rollback.model.observation import World

CONTROL = "no-control-plane-rewrite"


def refuse_release(
    name: str, surface: Surface, build: str, world: World
) -> tuple[RefusedChange | None, tuple[Finding, ...]]:
    """Why a build may not be restored to a surface, and what is weak about restoring it."""
    resource = f"{name}/release/{build}"

    def no(code: str, reason: str, move: str, promise: str = "") -> RefusedChange:
        return RefusedChange(
            id="release",
            resource=resource,
            code=code,
            reason=reason,
            next_move=move,
            promise=promise,
        )

    catalogue = [entry.build for entry in surface.releases]
    if build not in catalogue:
        return no(
            "release.unknown",
            f"{build} is not in the release catalogue of {name}, so nothing is known of what it "
            "does when it starts",
            "name a release of the catalogue with --set to=BUILD, or add this one to the "
            "environment file with its facts",
            CONTROL,
        ), ()
    entry = surface.releases[catalogue.index(build)]
    floor = surface.rollback_floor
    if floor is not None and catalogue.index(build) < catalogue.index(floor):
        return no(
            "release.below-floor",
            f"{build} is below the rollback floor {floor} of {name}: it seeds or mirrors control "
            "state from legacy storage when it starts",
            f"restore {floor} or a later release",
            CONTROL,
        ), ()
    if entry.on_hold:
        return no(
            "release.on-hold",
            f"{build} is on hold: it was marked bad",
            "choose another release with --set to=BUILD",
        ), ()
    return _understands(
        name, build, entry.control_schema, entry.flags, world, surface, no
    )


def _understands(  # noqa: PLR0913 - the facts of one release against the live ones
    name: str,
    build: str,
    schema: tuple[int, int] | None,
    flags: tuple[str, ...] | None,
    world: World,
    surface: Surface,
    no: Callable[..., RefusedChange],
) -> tuple[RefusedChange | None, tuple[Finding, ...]]:
    if not surface.carries_authority:
        return None, ()
    findings: list[Finding] = []
    live = world.get("control/trading", "schema")
    if schema is None or flags is None:
        missing = "control schema" if schema is None else "feature flags"
        findings.append(
            Finding(
                weight="weak",
                code="release.schema-undeclared",
                text=f"the catalogue does not say which {missing} {build} understands; one more "
                "approver is needed",
                surface=name,
            )
        )
    if (
        schema is not None
        and isinstance(live, int)
        and not schema[0] <= live <= schema[1]
    ):
        refusal = no(
            "release.schema",
            f"the live control documents have schema {live}; {build} understands {schema[0]} to "
            f"{schema[1]}",
            "choose a release that understands them; repairing control state is a person's work",
        )
        return refusal, tuple(findings)
    enabled = world.get("control/flags", "enabled", ())
    unknown = sorted(
        str(flag)
        for flag in (enabled if isinstance(enabled, tuple) else ())
        if flags is not None and flag not in flags
    )
    if unknown:
        refusal = no(
            "release.flags",
            f"live feature flags that {build} does not understand: {', '.join(unknown)}",
            "choose a release that understands them, or have a person switch them off first",
        )
        return refusal, tuple(findings)
    return None, tuple(findings)
