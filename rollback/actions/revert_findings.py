"""Which release a revert goes to, how that is known, and what a reviewer must see of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.actions.revert_ways import UNTOLD
from rollback.actions.seen import orders_text, texts
from rollback.actions.trading_loops import loops_finding
from rollback.model.change import Change, Finding, Update
from rollback.model.durations import spoken
from rollback.model.slots import PRODUCTION

if TYPE_CHECKING:
    from rollback.actions.revert_target import Target
    from rollback.actions.trading_loops import Loops
    from rollback.model.environment import Surface
    from rollback.model.observation import World
    from rollback.model.ports import StepContext

STRICT_STATUSES = frozenset({"200", "204"})


@dataclass(frozen=True, slots=True)
class Identified:
    """The build, how it was identified, and what is weak about that. build empty: not known."""

    build: str
    how: str
    findings: tuple[Finding, ...] = ()


def identify(step: StepContext, world: World, name: str, surface: Surface) -> Identified:
    """The release to go to: as the plan's maker named it, else by history, else by the file."""
    wanted = str(getattr(step.spec, "to", "last-stable"))
    if wanted != "last-stable":
        return Identified(wanted, "named by the planner (--set to)")
    resource = f"{name}/history"
    history = str(world.get(resource, "last_stable") or "")
    declared = surface.last_stable
    if not history:
        if declared is None:
            return Identified("", "history is silent and the environment file names none")
        text = (
            f"the history of {name} does not say what was stable; {declared} is from the "
            "environment file alone"
        )
        return Identified(
            declared,
            "environment file alone",
            (_finding("weak", "release.by-file-only", text, name),),
        )
    since = world.get(resource, "last_stable_since")
    by = world.get(resource, "last_stable_by")
    findings = []
    if declared is not None and declared != history:
        text = (
            f"history says {history} was last stable on {name} (from {since}), the environment "
            f"file says {declared}; the plan follows history"
        )
        findings.append(_finding("unknown", "release.disagreement", text, name))
    if world.get(resource, "agrees", default=True) is not True:
        text = (
            f"the replayed history of {name} does not end with what production serves: something "
            "was deployed past the ledgers"
        )
        findings.append(_finding("weak", "release.history-incomplete", text, name))
    return Identified(history, f"history: served production from {since} ({by})", tuple(findings))


def shown(target: Target, changes: list[Change], loops: Loops | None) -> list[Finding]:
    """What a reviewer must see of the way that is taken. loops: None where no slot starts."""
    updates = [one for one in changes if isinstance(one, Update)]
    found: list[Finding] = []
    if any(one.id == "swap" for one in updates):
        found += [*_warm_up(target), *_scaled_down(target), *_led_back(target)]
    for slot in (PRODUCTION, target.slot):
        if operation := str(target.fact(slot, "operation") or ""):
            text = (
                f"operation {operation} is in progress on {slot}; the run waits for it, at most "
                f"{spoken(target.step.environment.policy.busy_s_max)}, and then hands over to a "
                "person"
            )
            found.append(_finding("note", "provider.busy", text, target.name))
    if updates and target.surface.carries_authority:
        found += _trading(target, loops, updates)
    return found


def _warm_up(target: Target) -> list[Finding]:
    path = str(target.fact(target.slot, "warmup_path") or "")
    statuses = str(target.fact(target.slot, "warmup_statuses") or "")
    strict = {one.strip() for one in statuses.split(",") if one.strip()}
    if path and strict and strict <= STRICT_STATUSES:
        return []
    text = (
        "warm-up before the swap "
        + (
            f"accepts the statuses {statuses}"
            if statuses
            else "accepts any HTTP status, 500 included: WEBSITE_SWAP_WARMUP_PING_PATH and "
            "WEBSITE_SWAP_WARMUP_PING_STATUSES=200 are not both set"
        )
        + ("" if path else ", and asks the site's root")
    )
    return [_finding("weak", "swap.warm-up-any-status", text, target.name)]


def _scaled_down(target: Target) -> list[Finding]:
    """Users arrive on what the slot runs on now."""
    there = len(texts(target.fact(target.slot, "instances")))
    here = len(texts(target.fact(PRODUCTION, "instances")))
    if not 0 < there < here:
        return []
    text = (
        f"slot {target.slot} of {target.name} runs on {there} of the {here} instances that "
        "production runs on: see that it scales before users arrive"
    )
    return [_finding("weak", "swap.scaled-down", text, target.name)]


def _led_back(target: Target) -> list[Finding]:
    """The rule that led to the release leads to what it replaces once the two are swapped."""
    if not target.led:
        return []
    text = (
        f"a ramp-up rule sends {target.led / 100:g} % of users to slot {target.slot}: from the "
        f"swap until the rules are emptied they are on {', '.join(target.bad) or UNTOLD}"
    )
    return [_finding("exposure", "swap.rule-leads-back", text, target.name)]


def _trading(target: Target, loops: Loops | None, updates: list[Update]) -> list[Finding]:
    """Open orders before, and whether two trading loops may be alive at once."""
    count = target.world.get("control/orders", "count")
    ids = texts(target.world.get("control/orders", "ids"))
    said = orders_text(count, ids)
    found = [_finding("note", "orders.open", f"open orders: {said}", target.name)]
    if loops is not None:
        swaps = any(one.id == "swap" for one in updates)
        found.append(loops_finding(target, loops, swaps=swaps))
    return found


def _finding(weight: str, code: str, text: str, surface: str) -> Finding:
    return Finding.model_validate(
        {"weight": weight, "code": code, "text": text, "surface": surface}
    )
