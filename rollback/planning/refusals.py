"""What may not be restored, and why: catalogue, floor, hold, control schema, flags. Pure.

Each refusal names the next possible move. The order is the order in which a reviewer would ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.model.change import Finding, RefusedChange

if TYPE_CHECKING:
    from rollback.model.base import Value
    from rollback.model.environment import Surface
    from rollback.model.observation import World
    from rollback.model.release import Release

CONTROL = "no-control-plane-rewrite"
HOLD_RELEASE = "have the hold released: `rollback hold release`"
ON_HOLD = f"choose another release with --set to=BUILD, or {HOLD_RELEASE}"


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    surface: Surface
    build: str
    world: World
    chosen: bool

    def no(self, code: str, reason: str, move: str, promise: str = "") -> RefusedChange:
        return RefusedChange(
            id="release",
            resource=f"{self.name}/release/{self.build}",
            code=code,
            reason=reason,
            next_move=move,
            promise=promise,
        )

    def weak(self, code: str, text: str) -> Finding:
        return Finding(weight="weak", code=code, text=text, surface=self.name)


def refuse_release(
    name: str, surface: Surface, build: str, world: World, *, chosen: bool = True
) -> tuple[RefusedChange | None, tuple[Finding, ...]]:
    """Why a build may not be restored to a surface, and what is weak about restoring it.

    chosen: whoever plans may choose another; an undo goes back to what was recorded.
    """
    one = _Candidate(name, surface, build, world, chosen)
    entry = surface.release(build)
    if entry is None:
        unknown = one.no(
            "release.unknown",
            f"{build} is not in the release catalogue of {name}, so nothing is known of what it "
            "does when it starts",
            "name a release of the catalogue with --set to=BUILD, or add this one to the "
            "environment file with its facts"
            if chosen
            else "add it to the environment file with its facts",
            CONTROL,
        )
        return unknown, ()
    if (below := _below_floor(one)) is not None:
        return below, ()
    findings: list[Finding] = []
    held = {one.casefold() for one in _texts(world.get(f"{name}/holds", "on_hold"))}
    if entry.on_hold or build.casefold() in held:
        reason = f"{build} is on hold: it was marked bad"
        return one.no("release.on-hold", reason, _held_move(one)), ()
    here = {one.casefold() for one in _texts(world.get(f"{name}/holds-here", "on_hold"))}
    if build.casefold() in here:
        reason = f"{build} is on hold: a run of this machine marked it bad, and the evidence store "
        return one.no("release.on-hold", f"{reason}did not take that", _held_move(one)), ()
    unread = world.find(f"{name}/holds-unread")
    if unread is not None:
        text = f"whether {build} is on hold could not be read: {'; '.join(unread.gaps)}"
        findings.append(one.weak("release.holds-unread", text))
    if surface.rollback_floor is None:
        findings.append(
            one.weak(
                "release.no-floor",
                f"{name} has no rollback floor: nothing says which releases rewrite control state "
                "when they start",
            )
        )
    refusal = _schema(one, entry, findings) or _flags(one, entry, findings)
    return refusal, tuple(findings)


def _held_move(one: _Candidate) -> str:
    return ON_HOLD if one.chosen else f"{HOLD_RELEASE}; then `rollback undo` again"


def _below_floor(one: _Candidate) -> RefusedChange | None:
    floor = one.surface.rollback_floor
    if floor is None:
        return None
    catalogue = [entry.build for entry in one.surface.releases]
    if floor not in catalogue:
        return one.no(
            "release.floor-unknown",
            f"the rollback floor {floor} of {one.name} is not in its release catalogue, so nobody "
            "can say what lies below it",
            "add the floor's release to the catalogue, oldest first",
            "fail-closed",
        )
    if catalogue.index(one.build) >= catalogue.index(floor):
        return None
    return one.no(
        "release.below-floor",
        f"{one.build} is below the rollback floor {floor} of {one.name}: it seeds or mirrors "
        "control state from legacy storage when it starts",
        f"restore {floor} or a later release",
        CONTROL,
    )


def _schema(one: _Candidate, entry: Release, findings: list[Finding]) -> RefusedChange | None:
    """Refused where it is known not to understand the control documents that are live now.

    What the release itself says on its slot goes before what the catalogue says of it.
    """
    told = _told(one)
    live, said = told or (_live_schema(one), entry.control_schema)
    if said is None:
        if one.surface.carries_authority:
            findings.append(
                one.weak(
                    "release.schema-undeclared",
                    f"nothing says which control schema {one.build} understands; one more approver "
                    "is needed",
                )
            )
        return None
    if live is None:
        if one.surface.carries_authority:
            findings.append(
                one.weak(
                    "release.schema-unread",
                    f"the live control schema could not be read; {one.build} understands {said[0]} "
                    f"to {said[1]}",
                )
            )
        return None
    if said[0] <= live <= said[1]:
        return None
    return one.no(
        "release.schema",
        f"the live control documents have schema {live}; {one.build} understands {said[0]} to "
        f"{said[1]}",
        "choose a release that understands them; repairing control state is a person's work",
    )


def _flags(one: _Candidate, entry: Release, findings: list[Finding]) -> RefusedChange | None:
    """An old release may give a live flag another meaning: it must know every one."""
    if entry.flags is None:
        if one.surface.carries_authority:
            code = "release.schema-undeclared"
            if not any(finding.code == code for finding in findings):
                findings.append(
                    one.weak(
                        code,
                        f"the catalogue does not say which feature flags {one.build} understands; "
                        "one more approver is needed",
                    )
                )
        return None
    seen = one.world.find("control/flags")
    if seen is None or seen.gaps:
        findings.append(
            one.weak("release.flags-unread", "the live feature flags could not be read")
        )
    unknown = sorted(set(_texts(None if seen is None else seen.get("enabled"))) - set(entry.flags))
    if not unknown:
        return None
    return one.no(
        "release.flags",
        f"live feature flags that {one.build} does not understand: {', '.join(unknown)}",
        "choose a release that understands them, or have a person switch them off first",
    )


def _told(one: _Candidate) -> tuple[int | None, tuple[int, int] | None] | None:
    """(live document, range) as every instance of a slot that serves the build says it."""
    for seen in one.world.under(f"authority/{one.name}/"):
        lowest, highest = seen.get("schema_min"), seen.get("schema_max")
        if (
            _texts(seen.get("builds")) == (one.build,)
            and isinstance(lowest, int)
            and isinstance(highest, int)
        ):
            document = seen.get("schema_document")
            live = document if isinstance(document, int) else _live_schema(one)
            return live, (lowest, highest)
    return None


def _live_schema(one: _Candidate) -> int | None:
    live = one.world.get("control/trading", "schema")
    if isinstance(live, int):
        return live
    documents = [seen.get("schema_document") for seen in one.world.under("authority/")]
    known = [document for document in documents if isinstance(document, int)]
    return max(known) if known else None


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, tuple) else ()
