"""Halt authority as the planner meets it: judged, observed, told. Pure.

The rules of judging stand in `authority_judge`.
"""

from __future__ import annotations

from rollback.model.authority import AuthorityJudgement, Strength, Verdict
from rollback.model.base import facts, rfc3339
from rollback.model.change import Finding
from rollback.model.observation import Observation
from rollback.planning.authority_judge import MISSING_STATUS, REFUSED_STATUSES, judge, short

__all__ = [
    "MISSING_STATUS",
    "REFUSED_STATUSES",
    "finding",
    "from_observation",
    "judge",
    "resource",
    "short",
    "to_observation",
]


def resource(surface: str, slot: str) -> str:
    """The resource under which a judgement is observed."""
    return f"authority/{surface}/{slot}"


def to_observation(judgement: AuthorityJudgement, surface: str, slot: str) -> Observation:
    """A judgement as an observation. Nothing is compared: a verdict is judged again, not diffed."""
    document, lowest, highest = judgement.control_schema or (None, None, None)
    return Observation(
        resource=resource(surface, slot),
        context=facts(
            verdict=judgement.verdict.value,
            strength=judgement.strength.value,
            reasons=judgement.reasons,
            scopes=judgement.scopes,
            builds=judgement.builds,
            instances=judgement.instances,
            schema_document=document,
            schema_min=lowest,
            schema_max=highest,
            at=rfc3339(judgement.at),
        ),
        at=judgement.at,
        gaps=judgement.reasons if judgement.verdict is Verdict.UNKNOWN else (),
    )


def from_observation(observation: Observation) -> AuthorityJudgement | None:
    """The judgement an observation holds; None where it holds none.

    The slot is that of the resource: folding gives production the judgement of the slot's release.
    """
    verdict, strength = observation.get("verdict"), observation.get("strength")
    if not isinstance(verdict, str) or not isinstance(strength, str):
        return None
    document, lowest, highest = (
        observation.get(name) for name in ("schema_document", "schema_min", "schema_max")
    )
    schema = None
    if isinstance(document, int) and isinstance(lowest, int) and isinstance(highest, int):
        schema = (document, lowest, highest)
    instances = observation.get("instances", 0)
    return AuthorityJudgement(
        slot=observation.resource.rpartition("/")[2],
        verdict=Verdict(verdict),
        strength=Strength(strength),
        reasons=_texts(observation, "reasons"),
        scopes=_texts(observation, "scopes"),
        builds=_texts(observation, "builds"),
        instances=instances if isinstance(instances, int) else 0,
        control_schema=schema,
        at=observation.at,
    )


def _texts(observation: Observation, name: str) -> tuple[str, ...]:
    value = observation.get(name, ())
    return tuple(str(one) for one in value) if isinstance(value, tuple) else ()


def finding(judgement: AuthorityJudgement, surface: str) -> Finding | None:
    """What a reviewer must see of a verdict that is not a strong yes; None for that one."""
    because = "; ".join(judgement.reasons)
    where = f"{surface}/{judgement.slot}"
    match judgement.verdict, judgement.strength:
        case Verdict.RETAINED, Strength.STRONG:
            return None
        case Verdict.RETAINED, _:
            return Finding(
                weight="weak",
                code="authority.weak",
                text=f"the proof of halt authority on {where} is weak: {because}",
                surface=surface,
            )
        case Verdict.LOST, _:
            return Finding(
                weight="unknown",
                code="authority.lost",
                text=f"halt authority is lost on {where}: {because}",
                surface=surface,
            )
        case _:
            return Finding(
                weight="unknown",
                code="authority.unknown",
                text=f"halt authority is unknown on {where}: {because}",
                surface=surface,
            )
