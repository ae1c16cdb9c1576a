"""Halt authority: proved per scope and instance, by reading, never by writing."""

from enum import StrEnum

from rollback.model.base import Frozen, Instant


class Verdict(StrEnum):
    """What the probes say.

    retained: every live instance proved it. lost: an explicit denial, or no answer from any live
    instance for the agreed number of probes. unknown: everything else.
    """

    RETAINED = "retained"
    LOST = "lost"
    UNKNOWN = "unknown"


class Strength(StrEnum):
    """How good the proof is: the authority endpoint itself, or two lesser classes of proof."""

    STRONG = "strong"
    WEAK = "weak"


class ScopeClaim(Frozen):
    """What one instance says of one scope."""

    scope: str
    can_halt: bool
    policy_version: str = ""


class AuthorityProbe(Frozen):
    """One answer (or failure to answer) of one instance.

    answered: False where there was no usable answer; `problem` says why. control: True for the
    probe made with the token that must be refused.
    """

    surface: str
    slot: str
    instance: str
    answered: bool
    problem: str = ""
    nonce_matches: bool = False
    instance_matches: bool = False
    build: str = ""
    principal: str = ""
    scopes: tuple[ScopeClaim, ...] = ()
    schema_document: int | None = None
    schema_min: int | None = None
    schema_max: int | None = None
    store_reachable: bool = False
    store_etag: str = ""
    control: bool = False
    status: int | None = None
    at: Instant


class WeakProof(Frozen):
    """A lesser class of proof, where the backend has no authority endpoint."""

    kind: str
    holds: bool
    detail: str
    at: Instant


class AuthorityReading(Frozen):
    """All probes of one slot at one time, with the instances Resource Manager lists."""

    slot: str
    instances: tuple[str, ...]
    probes: tuple[AuthorityProbe, ...]
    controls: tuple[AuthorityProbe, ...]
    weak: tuple[WeakProof, ...] = ()
    at: Instant


class AuthorityJudgement(Frozen):
    """The verdict over a reading, with reasons. `builds`: what the instances serve.

    control_schema: (live document version, lowest, highest supported), where it was told.
    """

    slot: str
    verdict: Verdict
    strength: Strength
    reasons: tuple[str, ...]
    scopes: tuple[str, ...]
    builds: tuple[str, ...]
    instances: int
    control_schema: tuple[int, int, int] | None = None
    at: Instant
