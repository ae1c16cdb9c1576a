"""Which release was last stable: production's history replayed. Pure.

A swap exchanges the contents of two slots and their deployment ledgers with them, so an entry that
production shows now may have been made in a slot. Entries are first put back where they were made
(`placed`), then everything is replayed forward (`serving`). The numbered rules of `last_stable`:

1. Production never served, by this history, what it serves now: silent (None).
2. Production went back to an older release (by the catalogue's order, else by which served first):
   that was a revert, so what it serves now is the stable one. Without this rule the release that
   was just reverted would look like the one to go back to, and a second run would undo the first.
3. Otherwise: the release that served just before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """A build deployed to a slot, or (`build` empty) a swap of that slot with production."""

    at: datetime
    slot: str
    build: str = ""


@dataclass(frozen=True, slots=True)
class LastStable:
    """The build, since when it served production, and how that is known.

    current: production serves it now (it was reverted to). agrees: the replayed history ends with
    what production is seen to serve; where it does not, something was deployed past the ledgers.
    """

    build: str
    since: datetime
    by: str
    current: bool = False
    agrees: bool = True


def placed(
    ledgers: Iterable[Happened], swaps: Iterable[tuple[datetime, str]]
) -> tuple[Happened, ...]:
    """Deployments where they were made, and the swaps, in time order.

    ledgers: entries as the slots show them now. swaps: (when it took effect, slot that was swapped
    with production).
    """
    ordered = sorted(set(swaps))
    out = [Happened(at=at, slot=slot) for at, slot in ordered]
    for entry in ledgers:
        slot = entry.slot
        for at, swapped in reversed(ordered):
            if at <= entry.at:
                break
            slot = {swapped: PRODUCTION, PRODUCTION: swapped}.get(slot, slot)
        out.append(Happened(at=entry.at, slot=slot, build=entry.build))
    return tuple(sorted(out, key=lambda one: (one.at, one.slot, one.build)))


def serving(history: Iterable[Happened]) -> tuple[tuple[datetime, str], ...]:
    """What production served, and from when on. Unknown contents are left out, not guessed."""
    held: dict[str, str] = {}
    served: list[tuple[datetime, str]] = []
    for one in sorted(history, key=lambda happened: happened.at):
        if one.build:
            held[one.slot] = one.build
        else:
            held[PRODUCTION], held[one.slot] = held.get(one.slot, ""), held.get(PRODUCTION, "")
        now = held.get(PRODUCTION, "")
        if now and (not served or served[-1][1] != now):
            served.append((one.at, now))
    return tuple(served)


def last_stable(
    history: Iterable[Happened], now: str, catalogue: tuple[str, ...] = ()
) -> LastStable | None:
    """The last stable build; None where history is silent. See the module for the rules.

    now: the build that production is seen to serve. catalogue: builds, oldest first.
    """
    served = serving(history)
    places = [index for index, (_, build) in enumerate(served) if build == now]
    if not places:  # rule 1
        return None
    last = places[-1]
    agrees = last == len(served) - 1
    by = "deployment ledgers and swaps"
    if last == 0:
        return None
    since, before = served[last - 1]
    if _older(now, before, served, catalogue):  # rule 2
        return LastStable(now, served[last][0], by, current=True, agrees=agrees)
    return LastStable(before, since, by, agrees=agrees)  # rule 3


def _older(
    one: str,
    other: str,
    served: tuple[tuple[datetime, str], ...],
    catalogue: tuple[str, ...],
) -> bool:
    if one in catalogue and other in catalogue:
        return catalogue.index(one) < catalogue.index(other)
    first = [build for _, build in served]
    return first.index(one) < first.index(other)
