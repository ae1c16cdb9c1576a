"""Which way a planned change may say it moves. Held by its shape, so that a label opens nothing.

What moves toward safety waits for nobody, so a plan that calls a swap a halt would put users on a
release unsigned. A label that a shape cannot have is refused, whoever signed it. Where a shape can
have two (ramp-up rules), the executor looks at the world before it believes one.

D1  a change moves in the direction of its effects, all of them the same; one that moves users moves
    away from safety
D2  Resource Manager: away from safety, unless it is only ramp-up rules, or auto-swap switched off
D3  pipelines: disabled, cancelled or rejected is toward safety; what opens one again is not
D4  evidence, leases and messages move neither way; a hold is toward safety where its place says
    that it is one (``holds/<surface>/<build>/held``); any other word about a hold is not
D5  safe whatever the world is like: auto-swap switched off, a pipeline disabled. Everything else
    names its target (a run, a release, rules), and which target it has to be only the world tells
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rollback.guard.rules.json_body import NotOneReadingError, parse
from rollback.guard.rules.judge import locate
from rollback.guard.rules.request import PLAN_IS_PERMISSION, Denial
from rollback.model.direction import Direction
from rollback.model.effect import ExactBody, FileWrite, HttpWrite, Purpose
from rollback.model.scope import HostKind

if TYPE_CHECKING:
    from rollback.model.change import Update
    from rollback.model.effect import Effect
    from rollback.model.scope import Perimeter

_DISABLES: Final = re.compile(r"/actions/workflows/[^/]+/disable$")
_HOLD: Final = re.compile(r"/holds/[^/{}]+/[^/{}]+/held/(?:\d{4}\.json)?$")
_AWAY: Final = frozenset({Direction.AWAY})
_EITHER: Final = frozenset({Direction.TOWARD, Direction.AWAY})
_NEITHER: Final = frozenset({Direction.NEITHER})


def judge_direction(change: Update, perimeter: Perimeter) -> Denial | None:
    """Why the change cannot move the way it says; None where it can."""
    said = {effect.direction for effect in change.effects}
    if said and said != {change.direction}:  # D1
        return _wrong(f"{change.id} says {change.direction.value}, its effects say otherwise")
    if change.moves_users and change.direction is not Direction.AWAY:  # D1
        return _wrong(f"{change.id} moves users and says {change.direction.value}")
    for effect in change.effects:
        if effect.direction not in _possible(effect, perimeter):
            return _wrong(f"a write of this shape cannot move {effect.direction.value}")
    return None


def _wrong(reason: str) -> Denial:
    return Denial("effect.direction", reason, PLAN_IS_PERMISSION)


def _possible(effect: Effect, perimeter: Perimeter) -> frozenset[Direction]:
    if isinstance(effect, FileWrite):
        if effect.purpose is not Purpose.HOLD:
            return _NEITHER
        return _EITHER if _HOLD.search(f"{effect.path}/") else _AWAY
    guarded = locate(effect.host, perimeter)
    match None if guarded is None else guarded.kind:
        case HostKind.ARM:  # D2
            return _EITHER if _narrows(effect) else _AWAY
        case HostKind.PIPELINE:  # D3
            return _EITHER
        case HostKind.STORE if effect.purpose is Purpose.HOLD:  # D4
            held = effect.condition == "create-only" and _HOLD.search(effect.path)
            return _EITHER if held else _AWAY
        case _:
            return _NEITHER


def _narrows(effect: HttpWrite) -> bool:
    properties = _configured(effect)
    return set(properties) == {"experiments"} or properties == {"autoSwapSlotName": ""}


def safe_unseen(effect: Effect) -> bool:
    """Whether it stops what the environment itself names, and is safe whatever the world is."""
    if not isinstance(effect, HttpWrite):
        return False
    disables = effect.method == "PUT" and _DISABLES.search(effect.path) is not None
    return disables or _configured(effect) == {"autoSwapSlotName": ""}  # D5


def within(effect: Effect, other: Effect) -> bool:
    """Whether it is aimed at what the other is aimed at, and at no more of it.

    What ramp-up rules say is not compared here, and neither are ids, bounds and words.
    """
    if isinstance(effect, FileWrite) or isinstance(other, FileWrite):
        return effect.kind == other.kind and effect.path == other.path
    if _target(effect) != _target(other):
        return False
    there = _waiting(other)
    return _waiting(effect) <= there if there else not _waiting(effect)


def _target(effect: HttpWrite) -> tuple[object, ...]:
    settings = tuple(sorted(_configured(effect)))
    return (effect.method, effect.host, effect.path, effect.condition, effect.purpose, settings)


def _waiting(effect: HttpWrite) -> frozenset[str]:
    """What a review of waiting deployments is about, each as text."""
    document = _document(effect)
    listed = document.get("environment_ids") if isinstance(document, dict) else None
    return frozenset(map(repr, listed)) if isinstance(listed, list) else frozenset()


def ramp_rules(effect: Effect) -> tuple[str, ...] | None:
    """The ramp-up rules that a write sets, as observations hold them; None where it sets none.

    They are the one shape that can move either way: only the world tells which. Raises KeyError,
    TypeError where the write has not the shape that the fence asks for.
    """
    experiments = _configured(effect).get("experiments") if isinstance(effect, HttpWrite) else None
    if experiments is None:
        return None
    return tuple(
        f"{rule['name']}={rule['actionHostName']}={round(rule['reroutePercentage'] * 100)}"
        for rule in experiments["rampUpRules"]
    )


def _configured(effect: HttpWrite) -> dict[str, Any]:
    """The properties that a write of ``config/web`` sets; none where it is no such write."""
    if effect.method != "PATCH" or not effect.path.endswith("/config/web"):
        return {}
    document = _document(effect)
    properties = document.get("properties") if isinstance(document, dict) else None
    return properties if isinstance(properties, dict) else {}


def _document(effect: HttpWrite) -> Any:
    """What a shown body says; None where there is none, or it cannot be read."""
    body = effect.body
    if not isinstance(body, ExactBody) or body.content is None:
        return None
    try:
        return parse(body.content.encode())
    except NotOneReadingError:
        return None
