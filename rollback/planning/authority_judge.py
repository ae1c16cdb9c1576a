"""Halt authority judged: probes of one slot become a verdict with reasons. Pure.

Promise halt-authority-retained. The numbered rules, in the order they are tried:

1. A fresh answer of a listed instance that denies a declared scope: LOST.
2. The token that must be refused was told yes: UNKNOWN (the endpoint says yes to everyone).
3. Every listed instance proved every declared scope, the control store was reachable from each, and
   the negative control was tried and refused wherever it was tried: RETAINED.
4. While a swap is in flight, one listed instance that proves everything is enough: RETAINED.
5. The endpoint is missing (404 everywhere, or none is configured): at least two declared classes of
   weak proof hold and none fails: RETAINED, weak. Otherwise UNKNOWN.
6. Every listed instance was silent for `probes_lost` probes: LOST.
7. Anything else: UNKNOWN, with what was missing.

An answer counts only when it carries the nonce just sent, names the instance that was asked for
and is no older than `age_s_max`. A 401 or 403 is no denial: a stopped site, a gateway and an
expired token give the same; it proves nothing either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rollback.model.authority import (
    AuthorityJudgement,
    AuthorityProbe,
    AuthorityReading,
    Strength,
    Verdict,
    WeakProof,
)
from rollback.model.durations import spoken

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.model.environment import HaltAuthority

REFUSED_STATUSES = frozenset({401, 403})
"""How a backend refuses a token it knows nothing good of."""

MISSING_STATUS = 404
"""How a backend without the authority endpoint answers."""

WEAK_CLASSES_MIN = 2
"""Weak proofs of at least so many different classes, or none counts."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """One verdict on the way, with what it stands on."""

    verdict: Verdict
    reasons: tuple[str, ...]
    strength: Strength = Strength.STRONG


def judge(
    reading: AuthorityReading,
    halt: HaltAuthority,
    now: datetime,
    *,
    in_flight: bool = False,
) -> AuthorityJudgement:
    """Judge one reading. in_flight: a swap is under way, so one proved instance is enough."""
    listed = frozenset(reading.instances)
    probes = tuple(probe for probe in reading.probes if probe.instance in listed)
    ground = (
        _denied(probes, halt, now)
        or _yes_to_everyone(reading.controls)
        or _missing(reading, probes, halt, now)
        or _proved(reading, probes, halt, now, in_flight=in_flight)
    )
    told = [probe for probe in probes if _counts(probe, halt, now)]
    return AuthorityJudgement(
        slot=reading.slot,
        verdict=ground.verdict,
        strength=ground.strength,
        reasons=ground.reasons,
        scopes=tuple(sorted(halt.scopes)) if ground.verdict is Verdict.RETAINED else (),
        builds=tuple(sorted({probe.build for probe in probes if probe.build})),
        instances=len(listed),
        control_schema=_schema(told),
        at=min((probe.at for probe in told), default=reading.at),
    )


def _fresh(at: datetime, halt: HaltAuthority, now: datetime) -> bool:
    return abs(now - at) <= timedelta(seconds=halt.age_s_max)


def _counts(probe: AuthorityProbe, halt: HaltAuthority, now: datetime) -> bool:
    return (
        probe.answered
        and probe.nonce_matches
        and probe.instance_matches
        and _fresh(probe.at, halt, now)
    )


def _denied(
    probes: tuple[AuthorityProbe, ...], halt: HaltAuthority, now: datetime
) -> _Ground | None:
    """Rule 1."""
    reasons = [
        f"instance {short(probe.instance)} denies halting scope {claim.scope}"
        for probe in probes
        if _counts(probe, halt, now)
        for claim in probe.scopes
        if claim.scope in halt.scopes and not claim.can_halt
    ]
    return _Ground(Verdict.LOST, tuple(reasons)) if reasons else None


def _yes_to_everyone(controls: tuple[AuthorityProbe, ...]) -> _Ground | None:
    """Rule 2. An answer that grants counts whatever its nonce: it should not have been given."""
    reasons = tuple(
        f"instance {short(probe.instance)} says yes to everyone: the token that must be refused "
        "may halt there, so its yes proves nothing"
        for probe in controls
        if probe.answered and any(claim.can_halt for claim in probe.scopes)
    )
    return _Ground(Verdict.UNKNOWN, reasons) if reasons else None


def _missing(
    reading: AuthorityReading,
    probes: tuple[AuthorityProbe, ...],
    halt: HaltAuthority,
    now: datetime,
) -> _Ground | None:
    """Rule 5."""
    everywhere = bool(probes) and all(probe.status == MISSING_STATUS for probe in probes)
    if halt.path is not None and not everywhere:
        return None
    if not reading.instances:
        return _Ground(Verdict.UNKNOWN, ("no instance is listed",), Strength.WEAK)
    declared = [proof for proof in reading.weak if proof.kind in halt.weak_proofs]
    held = {proof.kind for proof in declared if proof.holds and _fresh(proof.at, halt, now)}
    failed = tuple(proof for proof in declared if not proof.holds)
    if len(held) >= WEAK_CLASSES_MIN and not failed:
        says = f"there is no authority endpoint; weak proof by {', '.join(sorted(held))}"
        return _Ground(Verdict.RETAINED, (says,), Strength.WEAK)
    return _Ground(Verdict.UNKNOWN, _weak_reasons(held, failed, halt), Strength.WEAK)


def _weak_reasons(
    held: set[str], failed: tuple[WeakProof, ...], halt: HaltAuthority
) -> tuple[str, ...]:
    says = (
        f"there is no authority endpoint, and {len(held)} of at least {WEAK_CLASSES_MIN} weak "
        f"proofs hold ({len(halt.weak_proofs)} declared)"
    )
    return (says, *(f"{proof.kind}: {proof.detail}" for proof in failed))


def _proved(
    reading: AuthorityReading,
    probes: tuple[AuthorityProbe, ...],
    halt: HaltAuthority,
    now: datetime,
    *,
    in_flight: bool,
) -> _Ground:
    """Rules 3, 4, 6 and 7."""
    if not reading.instances:
        problems = tuple(probe.problem for probe in reading.probes if probe.problem)
        return _Ground(Verdict.UNKNOWN, ("no instance is listed", *problems))
    lacking = {
        instance: _lacks([probe for probe in probes if probe.instance == instance], halt, now)
        for instance in sorted(set(reading.instances))
    }
    short_of = tuple(
        f"instance {short(instance)}: {reason}" for instance, reason in lacking.items() if reason
    )
    control = _control_fails(reading.controls, halt, now)
    if not control and len(short_of) < len(lacking):
        proved = len(lacking) - len(short_of)
        scopes = ", ".join(sorted(halt.scopes))
        says = f"proved by {proved} of {len(lacking)} instances for {scopes}"
        if not short_of:
            return _Ground(Verdict.RETAINED, (says,))
        if in_flight:
            return _Ground(Verdict.RETAINED, (f"{says}, while a swap is in flight", *short_of))
    silent = [
        sum(_silent(probe) for probe in probes if probe.instance == instance)
        for instance in lacking
    ]
    if min(silent) >= halt.probes_lost and all(_silent(probe) for probe in probes):
        says = f"no instance answered {halt.probes_lost} probes in a row"
        return _Ground(Verdict.LOST, (says, *short_of))
    return _Ground(Verdict.UNKNOWN, (*short_of, *control))


def _silent(probe: AuthorityProbe) -> bool:
    """No usable answer, and not the kind that says who we are or what is missing."""
    return not probe.answered and probe.status not in {
        *REFUSED_STATUSES,
        MISSING_STATUS,
    }


def _lacks(probes: list[AuthorityProbe], halt: HaltAuthority, now: datetime) -> str:
    """Why the newest probe of an instance does not prove authority; empty where it does."""
    if not probes:
        return "not asked"
    probe = max(probes, key=lambda one: one.at)
    claimed = {claim.scope for claim in probe.scopes if claim.can_halt}
    undeclared = sorted(set(halt.scopes) - claimed)
    complaints = (
        (
            not probe.answered,
            probe.problem or f"no usable answer (status {probe.status})",
        ),
        (not probe.nonce_matches, "the answer is not for the nonce just sent"),
        (not probe.instance_matches, "another instance answered"),
        (
            not _fresh(probe.at, halt, now),
            f"the answer is older than {spoken(halt.age_s_max)}",
        ),
        (bool(undeclared), f"says nothing of scope {', '.join(undeclared)}"),
        (not probe.store_reachable, "its control store is not reachable"),
    )
    return next((says for fails, says in complaints if fails), "")


def _control_fails(
    controls: tuple[AuthorityProbe, ...], halt: HaltAuthority, now: datetime
) -> tuple[str, ...]:
    """Why the negative control does not count; empty where it was refused wherever tried."""
    if not controls:
        return ("the token that must be refused was not tried",)
    return tuple(
        f"instance {short(probe.instance)}: the token that must be refused was not seen refused "
        f"({probe.problem or 'no usable answer'})"
        for probe in controls
        if not _refused(probe, halt, now)
    )


def _refused(probe: AuthorityProbe, halt: HaltAuthority, now: datetime) -> bool:
    if not _fresh(probe.at, halt, now):
        return False
    if probe.status in REFUSED_STATUSES:
        return True
    claims = {claim.scope: claim.can_halt for claim in probe.scopes}
    return _counts(probe, halt, now) and all(claims.get(scope) is False for scope in halt.scopes)


def _schema(told: list[AuthorityProbe]) -> tuple[int, int, int] | None:
    """The live document version, and the range that every instance understands."""
    ranges = [
        (probe.schema_document, probe.schema_min, probe.schema_max)
        for probe in told
        if probe.schema_document is not None
        and probe.schema_min is not None
        and probe.schema_max is not None
    ]
    if not ranges or len(ranges) < len(told):
        return None
    return (
        max(document for document, _, _ in ranges),
        max(lowest for _, lowest, _ in ranges),
        min(highest for _, _, highest in ranges),
    )


def short(instance: str) -> str:
    """An instance id as people read it: its first eight characters."""
    return instance[:8]
