"""Verdicts. There is no default but denial."""

from __future__ import annotations

from typing import Final

from rollback.guard.rules.request import FAIL_CLOSED, Denial
from rollback.model.scope import GuardVerdict, HostKind, VerdictKind


def deny(rule: str, *reasons: str, promise: str = FAIL_CLOSED) -> GuardVerdict:
    """A no, by a rule, for a promise."""
    return GuardVerdict(kind=VerdictKind.DENY, rule=rule, reasons=reasons, promise=promise)


def denied(denial: Denial) -> GuardVerdict:
    """A denial as a verdict."""
    return deny(denial.rule, denial.reason, promise=denial.promise)


def permitted(effect: str, says: str) -> GuardVerdict:
    """A write that an unspent permission of the plan covers."""
    return GuardVerdict(kind=VerdictKind.ALLOW, rule="permission", reasons=(says,), effect=effect)


READS: Final = {
    kind: GuardVerdict(
        kind=VerdictKind.ALLOW, rule=f"{kind.value}.read", reasons=("by its shape it only reads",)
    )
    for kind in HostKind
}
"""The verdict over a read, per kind of host."""

EXCHANGE: Final = GuardVerdict(
    kind=VerdictKind.EXCHANGE,
    rule="exchange",
    reasons=("a token request to the configured host and path, with a configured grant",),
)
