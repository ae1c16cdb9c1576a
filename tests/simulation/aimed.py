"""Schedules with a name: what is thrown at a run by what it calls, and why that is worth a story."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.explore import Schedule
from tests.simulation.fate import Aim
from tests.simulation.race import Laptops

if TYPE_CHECKING:
    from collections.abc import Mapping

_SWAP = "slotsswap$"
_LAST_LOOK = "slots/staging/deployments$"
_LEASED = "write the lease"


def _backend(*aims: Aim, halt_at_s: float = 0.0) -> Schedule:
    return Schedule("backend-only", aims=aims, halt_at_s=halt_at_s)


def _full(*aims: Aim, halt_at_s: float = 0.0, lost_at_s: float = 0.0) -> Schedule:
    return Schedule("full-rollback", aims=aims, halt_at_s=halt_at_s, lost_at_s=lost_at_s)


def _race(*aims: Aim, second_at_s: float = 0.0, skews_s: tuple[float, float] = (0, 0)) -> Schedule:
    return Schedule("backend-only", aims=aims, laptops=Laptops(second_at_s, skews_s))


AIMED: Mapping[str, Schedule] = {
    "clean": _full(),
    "halt-clean": Schedule("halt-only"),
    "swap-answer-lost": _backend(Aim("write", _SWAP, "lost")),
    "swap-refused": _backend(Aim("write", _SWAP, "refused")),
    "swap-doubled-by-the-network": _backend(Aim("write", _SWAP, "duplicated")),
    "swap-delivered-late": _backend(Aim("write", _SWAP, "late")),
    "died-before-the-swap": _backend(Aim("write", _SWAP, "crash-before")),
    "died-after-the-swap": _backend(Aim("write", _SWAP, "crash-after")),
    "no-answer-to-any-look": _backend(
        Aim("write", _SWAP, "refused"), Aim("read", ".", "failed", times=0, after=(_SWAP,))
    ),
    "paused-while-looking": _backend(Aim("read", _LAST_LOOK, "pause", after=(_LEASED,))),
    "paused-between-look-and-send": _backend(
        Aim("sync", "", "pause", after=(_LEASED, _LAST_LOOK)),
        Aim("lease", "write the lease", "failed", first=2, after=(_LEASED, _LAST_LOOK)),
    ),
    "paused-long-while-looking": _backend(Aim("read", _LAST_LOOK, "long-pause", after=(_LEASED,))),
    "proof-grows-old-while-looking": _backend(
        Aim("read", _LAST_LOOK, "slow", after=(_LEASED,)),
        Aim("read", "control/authority$", "slow", first=13, times=12, after=(_LEASED,)),
    ),
    "authority-lost-while-a-step-is-stuck": _full(
        Aim("read", _LAST_LOOK, "slow", after=(_LEASED,)), lost_at_s=2.0
    ),
    "clock-set-back-while-looking": _backend(
        Aim("read", "config/slotConfigNames$", "nudge-back", after=(_LEASED,)),
        Aim("read", _LAST_LOOK, "slow", after=(_LEASED,)),
        Aim("read", "control/authority$", "slow", first=13, times=12, after=(_LEASED,)),
    ),
    "lease-renewed-slowly-before-the-swap": _backend(
        Aim("read", _LAST_LOOK, "slow", after=(_LEASED,)),
        Aim("lease", "write the lease", "slow", first=8),
    ),
    "store-slow": _full(Aim("file", "evidence", "slow", first=4, times=9)),
    "store-full": _backend(Aim("file", "evidence", "full", times=0)),
    "store-full-once": _backend(Aim("file", "evidence", "full")),
    "disk-full-before-the-halt": _full(
        Aim("append", "", "full-for-good", after=("control/authority$",))
    ),
    "disk-full-at-once": _full(Aim("append", "", "full-for-good")),
    "disk-full-once-it-had-begun": Schedule(
        "halt-only", aims=(Aim("append", "", "full-for-good", first=2),)
    ),
    "disk-broke-while-approvals-were-recorded": _full(Aim("append", "", "broken", first=3)),
    "died-before-the-halt-and-the-disk-broke": Schedule(
        "halt-only",
        aims=(
            Aim("write", "config/web$", "crash-before"),
            Aim("append", "", "broken", after=("PATCH .*config/web$",)),
        ),
    ),
    "died-before-the-halt-and-the-disk-broke-while-it-looked": Schedule(
        "halt-only",
        aims=(
            Aim("write", "config/web$", "crash-before", process="A.1"),
            Aim("append", "", "broken", after=("config/web$",), process="A.2"),
        ),
    ),
    "disk-full-in-mid-run": _full(Aim("append", "", "full-for-good", after=(_LEASED,))),
    "disk-full-while-the-lease-cannot-be-renewed": _backend(
        Aim("write", _SWAP, "slow-answer"),
        Aim("append", "", "full-for-good", after=(_SWAP,)),
        Aim("lease", "write the lease", "failed", times=0, after=(_SWAP,)),
    ),
    "died-with-a-record-that-nobody-saw": _backend(
        Aim("sync", "", "torn", after=("PATCH .*config/web$",))
    ),
    "power-cut-in-mid-swap": _full(Aim("sleep", "", "power-cut", after=(_SWAP,))),
    "power-cut-before-a-record-was-on-disk": _backend(Aim("sync", "", "power-cut", after=(_SWAP,))),
    "power-cut-before-the-head-was-written": _backend(Aim("head", "", "power-cut", after=(_SWAP,))),
    "died-between-a-record-and-its-head": _backend(Aim("sync", "", "crash-after", after=(_SWAP,))),
    "head-torn-in-mid-swap": _backend(Aim("head", "", "torn", after=(_SWAP,))),
    "head-never-written": _backend(Aim("head", "", "full", times=0)),
    "operator-halts-in-mid-swap": _full(halt_at_s=5.0),
    "halt-answer-lost": Schedule("halt-only", aims=(Aim("write", "config/web$", "lost"),)),
    "halt-dropped-five-times": Schedule(
        "halt-only", aims=(Aim("write", "config/web$", "refused", times=5),)
    ),
    "two-press-together": _race(),
    "two-press-together-and-no-clock-is-right": _race(skews_s=(-600.0, 600.0)),
    "holder-died-in-mid-swap": _race(
        Aim("sleep", "", "crash-before", after=(_SWAP,), process="A"), second_at_s=4.0
    ),
    "holder-died-before-the-swap-was-sent": _race(
        Aim("write", _SWAP, "crash-before", process="A"), second_at_s=1.0
    ),
    "holder-sleeps-and-wakes-up-before-the-swap": _race(
        Aim("read", _LAST_LOOK, "long-pause", after=(_LEASED,), process="A"), second_at_s=1.0
    ),
    "holder-sleeps-and-wakes-up-in-mid-swap": _race(
        Aim("sleep", "", "long-pause", after=(_SWAP,), process="A"), second_at_s=1.0
    ),
    "holder-cannot-renew": _race(
        Aim("read", _LAST_LOOK, "slow", after=(_LEASED,), process="A"),
        Aim("lease", "write the lease", "failed", times=12, after=(_LEASED,), process="A"),
        second_at_s=1.0,
    ),
}
"""Name -> schedule. The names stand in golden stories, in mutants and in the documents."""

CI_SEEDS = 40
CI_RACES = 8
CI_SEED = 1

WITH_SDKS = (
    "swap-answer-lost",
    "swap-delivered-late",
    "died-after-the-swap",
    "no-answer-to-any-look",
    "paused-between-look-and-send",
)
"""What is held against the floor with the SDKs, too: how their errors become ours."""


def slice_of_ci() -> list[Schedule]:
    """What every change is held against: all that are aimed, and a few seeds."""
    from tests.simulation.explore import races, seeded

    aimed = AIMED.values()
    return [*aimed, *seeded(CI_SEEDS, CI_SEED), *races(CI_RACES, CI_SEED)]
