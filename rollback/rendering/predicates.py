"""What the proof's predicates mean, in words, and the promise that each keeps.

A predicate without words here (of a newer proof) is shown by its name alone.
"""

from __future__ import annotations

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
