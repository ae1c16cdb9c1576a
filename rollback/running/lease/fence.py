"""The last question before bytes leave: is what we hold still ours? Answered here, at once.

Resource Manager takes no fence, so the holder answers for itself. Two facts make it safe:

- Nobody can take a lease sooner than its time to live after its last write (L3 of `scoped`), and
  the deadline here counts from before that write was sent (L5).
- A request either leaves within `window_s` of the question or fails: connecting is cut off there.

So while more than `window_s` is left, what leaves does so before anybody else can hold the lease. A
process that is stopped between the question and the send is the one case left; it is found when it
wakes up (`after_send`), and stands in the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import LeaseHeld

if TYPE_CHECKING:
    from rollback.model.ports import LeaseGrant

CONNECT_S_MAX = 10
"""How long any client of ours may take to connect (see `azure_pipeline.CONNECT_TIMEOUT_S`)."""


def window_s(ttl_s: float) -> float:
    """The longest time from the question to the send; a rehearsal's leases are shorter."""
    return min(CONNECT_S_MAX, ttl_s / 4)


def still_ours(grant: LeaseGrant | None, now: float, ttl_s: float) -> int:
    """The fencing number under which something may be sent now. Raises LeaseHeld.

    now: by the monotonic clock that the grant's deadline was read from.
    """
    if grant is None:
        raise _lost("the lease is not held")
    left = grant.deadline - now
    if left <= 0:
        raise _lost(f"the lease ran out {-left:.0f} s ago, before it could be renewed")
    if left <= window_s(ttl_s):
        raise _lost(
            f"only {left:.1f} s of the lease are left, and sending may take {window_s(ttl_s):g} s"
        )
    return grant.fence


def after_send(grant: LeaseGrant | None, now: float) -> str:
    """Empty where the answer came while the lease was ours; otherwise what that means."""
    if grant is not None and now < grant.deadline:
        return ""
    return (
        "the answer came after the lease had run out: somebody else may have held it when this "
        "left; look at who took it"
    )


def _lost(reason: str) -> LeaseHeld:
    return LeaseHeld(
        "lease.lost",
        reason,
        hint="`rollback resume` takes it again; halts need no lease: `rollback apply --only-safe`",
        promise="same-plan-twice-is-once",
    )
