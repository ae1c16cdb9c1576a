"""What the proof's predicates mean, in words, and the promise that each keeps.

A predicate without words here (of a newer proof) is shown by its name alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.steps import traits_of
from rollback.rendering.view import Line, Weight, line, prose, strong
from rollback.rendering.words import counted, shown

if TYPE_CHECKING:
    from rollback.model.plan import Plan

_WORDS = {
    "authority-before-move": (
        "users are moved only to what has proved the authority to halt trading",
        "halt-authority-retained",
    ),
    "no-step-reduces-authority": (
        "no step takes users from proved authority to less",
        "halt-authority-retained",
    ),
    "evidence-before-change": (
        "what a change could destroy is captured before it starts",
        "evidence-first",
    ),
    "unknown-stops": (
        "nothing moves away from safety while an outcome is unknown",
        "unknown-is-a-state",
    ),
    "one-move-per-surface": (
        "no surface is moved twice at once",
        "same-plan-twice-is-once",
    ),
    "exposure-only-shrinks": (
        "no surface goes back to the release it was taken from",
        "halt-authority-retained",
    ),
    "no-forbidden-pair": (
        "two versions that must not be live together never are",
        "halt-authority-retained",
    ),
    "toward-safety-enabled": (
        "moves toward safety can start in every state, whatever failed before",
        "fail-closed",
    ),
    "halt-monotonic": (
        "a halt that an operator engages is never cleared",
        "halt-authority-retained",
    ),
    "bounds": ("the plan is small enough to be explored to the end", "fail-closed"),
}


def predicate_words(name: str) -> str:
    """The predicate in words, with its promise and its name."""
    known = _WORDS.get(name)
    return name if known is None else f"{known[0]} [{known[1]}: {name}]"


def proved(plan: Plan) -> list[Line]:
    """The promises that the proof kept, each with what holds, and the bounds of the proof."""
    proof = plan.proof
    if not proof.holds:
        return [
            line(
                "{}: this does not hold: {}; {} explored; {}",
                strong("Broken"),
                prose(predicate_words(proof.broken) or "(not named)"),
                prose(counted(proof.states, "state")),
                prose(_bounds(plan)),
                weight=Weight.FORBIDDEN,
            )
        ]
    lines = [
        line(
            "{} in all {} that this plan can reach, crashes and lost answers included; {}",
            strong("Holds"),
            prose(counted(proof.states, "state")),
            prose(_bounds(plan)),
            weight=Weight.GOOD,
        )
    ]
    kept: dict[str, list[str]] = {}
    for name in proof.predicates:
        meaning, promise = _WORDS.get(name, (name, ""))
        kept.setdefault(promise, []).append(meaning)
    lines += [
        line("{}: {}", promise or "other", prose("; ".join(meanings)), depth=1)
        for promise, meanings in kept.items()
    ]
    return lines


def _bounds(plan: Plan) -> str:
    """How large a plan the proof could have explored to the end, and how large this one is.

    What it explores is no step: one with two changes is two, a hold none.
    """
    known = {fact.name: fact.value for fact in plan.proof.bounds}
    names = ("nodes", "parts", "states_max", "returns_max")
    steps, parts, limit, returns = (known.pop(name, None) for name in names)
    words = []
    if isinstance(steps, int):
        words.append("1 change or check" if steps == 1 else f"{steps} changes and checks")
    if isinstance(parts, int):
        words.append(f"in {counted(parts, 'independent part')}")
    if isinstance(limit, int):
        words.append(f"of at most {limit:,} states each")
    if any(traits_of(step.action).hold == "set" for step in plan.steps):
        words.append("(holds left out: no promise turns on one)")
    rest = [f"{name} {shown(value)}" for name, value in known.items()]
    if isinstance(returns, int) and returns:
        times = "once" if returns == 1 else f"at most {returns} times"
        rest.append(f"what is found not applied begins again {times}")
    return "bounds: " + (", ".join([" ".join(words), *rest] if words else rest) or "none given")
