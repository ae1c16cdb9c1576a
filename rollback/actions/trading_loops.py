"""Whether a release that starts in a slot can trade while production trades. Pure.

Two trading loops alive at once is a danger. The rules, in order; the first that applies decides:

L1  an instance of the slot says that its loop is active: it can trade
L2  the environment declares a leader lease: it cannot
L3  the environment declares a sticky setting: it cannot where that setting stays with the slot and
    has the value that switches the loop off there, and can otherwise
L4  every instance of the slot says that a sticky setting switches the loop off there: it cannot,
    whichever release the slot holds
L5  the slot serves the release already, and every instance says that it has no loop, or one that a
    leader lease guards: it cannot
L6  anything else: nobody knows, which counts as can

A sticky setting holds only until a swap warms the slot up: for that the service gives the slot the
sticky settings of production. So it is shown, as weak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rollback.actions.seen import texts
from rollback.model.change import TRADING_HALTED, Finding

if TYPE_CHECKING:
    from rollback.actions.revert_target import Target

LEASED = frozenset({"none", "leader-lease"})
"""What a release says of its loop where it can trade beside no other, in whatever slot."""

ACTIVE = "active"
STICKY = "sticky-off"


@dataclass(frozen=True, slots=True)
class Loops:
    """by: what keeps two loops from trading at once; "nothing" and "unknown" keep nothing back."""

    by: Literal["lease", "sticky", "nothing", "unknown"]
    why: str

    @property
    def prevented(self) -> bool:
        """True where the start needs nobody's word."""
        return self.by in ("lease", "sticky")


def judge_loops(target: Target, *, starts: bool) -> Loops:
    """Judge the slot of a revert. starts: the plan starts the release, which does not run yet."""
    slot, loops = target.slot, texts(target.fact(target.slot, "trading_loop"))
    declared = target.surface.trading_loop
    if ACTIVE in loops:  # L1
        other = "" if declared is None else ", whatever the environment declares"
        return Loops("nothing", f"slot {slot} says that its trading loop is active{other}")
    if declared is not None and declared.prevented_by == "leader-lease":  # L2
        return Loops("lease", "the environment declares a leader lease")
    if declared is not None:  # L3
        resource = f"{target.name}/settings-difference/{slot}"
        problem = target.world.get(resource, "trading_loop_problem", "nobody looked")
        if problem:
            return Loops("nothing", f"setting {declared.setting} of slot {slot}: {problem}")
        return Loops("sticky", f"setting {declared.setting} stays with slot {slot} and says off")
    if loops == (STICKY,):  # L4
        return Loops("sticky", f"every instance of slot {slot} says {STICKY}")
    if loops and not starts and set(loops) <= {*LEASED, STICKY}:  # L5
        return Loops("lease", f"every instance of slot {slot} says {', '.join(loops)}")
    if starts:  # L6
        why = f"it is not known whether {target.build} trades when slot {slot} starts it"
        return Loops("unknown", why)
    return Loops("unknown", f"slot {slot} does not say whether it trades")


def loops_finding(target: Target, loops: Loops, *, swaps: bool) -> Finding:
    """What a reviewer has to see of it."""
    if loops.by == "sticky" and swaps:
        return _finding(
            target,
            "weak",
            "trading.sticky-until-swap",
            f"two trading loops may run at once for the length of the swap: {loops.why}, but the "
            "swap gives the slot production's sticky settings to warm up with; only a leader "
            "lease, or halted trading, prevents it",
        )
    if loops.prevented:
        text = f"one trading loop at a time, because {loops.why}"
        return _finding(target, "note", "trading.one-loop", text)
    return _finding(
        target,
        "irreversible" if loops.by == "nothing" else "unknown",
        "trading.two-loops",
        f"two trading loops may be alive at once: {loops.why}; a named person has to attest that "
        f"trading is halted before the release starts there ({TRADING_HALTED})",
    )


def _finding(
    target: Target, weight: Literal["irreversible", "unknown", "weak", "note"], code: str, text: str
) -> Finding:
    return Finding(weight=weight, code=code, text=text, surface=target.name)
