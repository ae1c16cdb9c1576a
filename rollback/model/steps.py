"""What each action may be told: one frozen specification per kind of step.

A third party's action brings its own subclass of `StepSpec`, flat like these (scalars and tuples of
scalars), and passes it in a catalogue; nothing registers itself.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from rollback.errors import ExitStatus
from rollback.model.base import Fact, Facts, Frozen, Seconds
from rollback.model.release import Build
from rollback.model.traits import Traits

SurfaceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Way = Literal["auto", "image", "swap", "artifact"]

CAPTURE_BEFORE: Final = "capture-before/"
"""How the planner names a capture that it puts in; the rest is the step it comes before."""


class StepSpec(Frozen):
    """Base of all step specifications. Flat: scalars and tuples of scalars."""

    traits: ClassVar[Traits] = Traits()
    action: str

    @property
    def surfaces_named(self) -> tuple[str, ...]:
        """What stands in its field `surfaces`; nothing where it has none."""
        named: tuple[str, ...] = getattr(self, "surfaces", ())
        return named

    def facts(self) -> Facts:
        """The specification as flat facts, for the plan."""
        values = self.model_dump(mode="json")
        return tuple(
            Fact(name=name, value=tuple(value) if isinstance(value, list) else value)
            for name, value in sorted(values.items())
        )


class HaltRollout(StepSpec):
    """Stop new users reaching the release being rolled out. Moves toward safety."""

    traits: ClassVar[Traits] = Traits(of_rollbacks=True)
    action: Literal["halt_rollout"] = "halt_rollout"
    surfaces: Annotated[tuple[SurfaceName, ...], Field(min_length=1)]


class RevertDeployment(StepSpec):
    """Make the named stable release the deployed one; one planned step per surface.

    to: ``last-stable`` or a build id. way: ``auto`` takes the surface's ways in order. order:
    ``by-trigger`` (reverse of cutover, or backend first for some triggers) or ``as-written``.
    """

    traits: ClassVar[Traits] = Traits(reverts=True, of_rollbacks=True)
    action: Literal["revert_deployment"] = "revert_deployment"
    surfaces: Annotated[tuple[SurfaceName, ...], Field(min_length=1)]
    to: str = "last-stable"
    way: Way = "auto"
    order: Literal["by-trigger", "as-written"] = "by-trigger"


class RestoreTraffic(StepSpec):
    """Route all users to the reverted release with absolute weights, and prove it from outside.

    samples: requests per host, no cache, fresh connections (at least 20). settle: wait, with
    jitter, so that the reconnect storm does not read as a new fault. release: the build that users
    are to be routed to; without it, anything but the release that is rolled back.
    """

    traits: ClassVar[Traits] = Traits(of_rollbacks=True, fails_with=ExitStatus.VERIFICATION)
    action: Literal["restore_traffic"] = "restore_traffic"
    surfaces: Annotated[tuple[SurfaceName, ...], Field(min_length=1)]
    samples: Annotated[int, Field(ge=20, le=1000)] = 20
    settle: Seconds | None = None
    release: Build | None = None


class RetainTradeHalt(StepSpec):
    """Prove halt authority for every scope on every instance, by reading."""

    traits: ClassVar[Traits] = Traits(proves_authority=True, fails_with=ExitStatus.AUTHORITY)
    action: Literal["retain_trade_halt"] = "retain_trade_halt"


class SnapshotAuditLogs(StepSpec):
    """Capture evidence. window: a duration back from planning, or ``run`` for the run itself.

    sources: ``all``, ``volatile`` or ``durable``.
    """

    traits: ClassVar[Traits] = Traits(
        captures=True, of_rollbacks=True, fails_with=ExitStatus.EVIDENCE
    )
    action: Literal["snapshot_audit_logs"] = "snapshot_audit_logs"
    window: Seconds | Literal["run"] = 86_400
    sources: Literal["all", "volatile", "durable"] = "all"


class VerifyRelease(StepSpec):
    """Synthetic sign-in, refresh, tenant isolation, socket, control reads; again after `bake`."""

    traits: ClassVar[Traits] = Traits(fails_with=ExitStatus.VERIFICATION)
    action: Literal["verify_release"] = "verify_release"
    surfaces: Annotated[tuple[SurfaceName, ...], Field(min_length=1)]
    bake: Seconds | None = None


class Confirm(StepSpec):
    """A named person attests to a manual check, in words."""

    traits: ClassVar[Traits] = Traits(asks=True)
    action: Literal["confirm"] = "confirm"
    statement: Annotated[str, Field(min_length=1, max_length=400)]


class Notify(StepSpec):
    """Post the plan or the outcome to a channel of the environment, at most once."""

    traits: ClassVar[Traits] = Traits(tells=True)
    action: Literal["notify"] = "notify"
    channel: str
    about: Literal["plan", "outcome"] = "outcome"


class HoldRelease(StepSpec):
    """Mark the release that is rolled back as bad. Moves toward safety."""

    traits: ClassVar[Traits] = Traits(hold="set")
    action: Literal["hold_release"] = "hold_release"
    surfaces: Annotated[tuple[SurfaceName, ...], Field(min_length=1)]


class ReleaseHold(StepSpec):
    """Let a release on hold be restored again. Moves away from safety; no playbook can say it.

    number: the word that put it on hold; where another one stands now, it is left alone.
    """

    traits: ClassVar[Traits] = Traits(hold="released")
    action: Literal["release_hold"] = "release_hold"
    surface: SurfaceName
    build: Build
    number: Annotated[int, Field(ge=1)] | None = None


class RestoreRecorded(StepSpec):
    """Set one thing back to what a run recorded before it changed it. Made by `undo` alone.

    what: ``rules`` of a surface; ``auto-swap``, ``image`` or ``state`` of a slot. value: as before
    the run. left: as the run left it. of: the run.
    """

    action: Literal["restore_recorded"] = "restore_recorded"
    surfaces: Annotated[tuple[SurfaceName, ...], Field(min_length=1, max_length=1)]
    what: Literal["rules", "auto-swap", "image", "state"]
    slot: str = "production"
    value: tuple[str, ...]
    left: tuple[str, ...]
    of: str


class ReleaseLease(StepSpec):
    """Give up somebody's lease on a surface. A plan of its own."""

    action: Literal["release_lease"] = "release_lease"
    surface: SurfaceName


BUILT_IN: tuple[type[StepSpec], ...] = (
    HaltRollout,
    RevertDeployment,
    RestoreTraffic,
    RetainTradeHalt,
    SnapshotAuditLogs,
    VerifyRelease,
    Confirm,
    Notify,
    HoldRelease,
)
"""What a playbook can say with the product's own actions."""

_ALL: Final[tuple[type[StepSpec], ...]] = (*BUILT_IN, ReleaseHold, RestoreRecorded, ReleaseLease)
_TRAITS: Final = {str(spec.model_fields["action"].default): spec.traits for spec in _ALL}


def traits_of(action: str) -> Traits:
    """The traits of an action by its name, which is all a plan holds.

    Those of the product's own actions alone: a third party's action is a plain one.
    """
    return _TRAITS.get(action, StepSpec.traits)
