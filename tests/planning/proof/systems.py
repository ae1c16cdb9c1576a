"""Small transition systems and planned steps, said in few words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from rollback.model.authority import AuthorityJudgement, Strength, Verdict
from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.environment import Environment, Pair
from rollback.model.observation import Observation
from rollback.model.plan import PlannedStep
from rollback.planning.proof.model import Node, System

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
BAD, STABLE, OLDER = "2026.11.22-2", "2026.11.20-3", "2026.11.18-1"


def halt(name: str = "halt", *after: int) -> Node:
    """Toward safety."""
    return Node(name, after, Direction.TOWARD, "backend")


def capture(name: str, *after: int) -> Node:
    """Captures volatile evidence."""
    return Node(name, after, Direction.NEITHER, captures=True)


def look(name: str, *after: int) -> Node:
    """Changes nothing: a check, a message."""
    return Node(name, after, Direction.NEITHER)


def start(name: str, *after: int, surface: str = "backend") -> Node:
    """Away from safety, but nobody is moved: an instance of a build starts."""
    return Node(name, after, Direction.AWAY, surface)


def ask(name: str, build: str, *after: int) -> Node:
    """A proof that only the run can make: a build that was started is asked for its authority."""
    return Node(name, after, Direction.NEITHER, "backend", proves=build)


def move(
    name: str,
    surface: str,
    build: str | None,
    *after: int,
    volatile: bool = False,
    goes_on: bool = False,
    direction: Direction = Direction.AWAY,
) -> Node:
    """Users of a surface are moved to a build."""
    return Node(name, after, direction, surface, True, build, volatile, False, goes_on)


def system(
    *nodes: Node,
    live: tuple[tuple[str, str], ...] = (("backend", BAD), ("mobile", BAD), ("web", BAD)),
    retained: tuple[str, ...] = (BAD, STABLE),
    pairs: tuple[tuple[str, str, str, str], ...] = (),
    ruled: tuple[tuple[str, str], ...] = (),
    serving: tuple[tuple[str, str, str], ...] = (),
) -> System:
    """Nodes in a world where everything serves the bad build and, unless said, both prove."""
    return System(nodes, live, frozenset(retained), "backend", pairs, ruled, serving)


def planned(
    name: str,
    *changes: Update,
    after: tuple[str, ...] = (),
    action: str = "revert_deployment",
    on_failure: Literal["stop", "continue", "hand-over"] = "stop",
    **spec: str,
) -> PlannedStep:
    """A planned step."""
    return PlannedStep(
        name=name,
        action=action,
        spec=facts(**spec),
        after=after,
        on_failure=on_failure,
        changes=changes,
    )


def update(
    id: str,
    direction: Direction = Direction.AWAY,
    *,
    surface: str | None = None,
    to: str | None = None,
    volatile: tuple[str, ...] = (),
    authority_on: str | None = None,
) -> Update:
    """An update without effects; it moves users where `to` says so."""
    return Update(
        id=id,
        resource=f"{surface}/slot/production",
        summary=id,
        before=(),
        after=(),
        effects=(),
        direction=direction,
        surface=surface,
        moves_users=to is not None,
        to_build=to,
        authority_on=authority_on,
        volatile=volatile,
    )


def production(surface: str, *builds: str) -> Observation:
    """What a surface's production serves."""
    return Observation(resource=f"{surface}/slot/production", compared=facts(builds=builds), at=NOW)


def judged(slot: str, verdict: Verdict, *builds: str) -> AuthorityJudgement:
    """A judgement of one slot of the backend."""
    return AuthorityJudgement(
        slot=slot,
        verdict=verdict,
        strength=Strength.STRONG,
        reasons=(),
        scopes=("global",),
        builds=builds,
        instances=2,
        at=NOW,
    )


def environment(*pairs: Pair, surfaces: tuple[tuple[str, Any], ...] = ()) -> Environment:
    """Backend and web on App Service, mobile not supported."""
    site = {"provider": "app-service", "hosts": ["x.example.net"]}
    unsupported = {"provider": "unsupported", "human_step": "halt the staged release"}
    return Environment.model_validate(
        {
            "environment": "rehearsal",
            "kind": "rehearsal",
            "owner": {"name": "Trading", "contact": "trading@example.net"},
            "platform": {
                "api_url": "https://platform.example.net",
                "jwt": {"issuer": "x", "jwks_url": "https://platform.example.net/jwks"},
            },
            "cosmos": {
                "endpoint": "https://cosmos.example.net",
                "database": "trading",
                "entra": True,
                "control_containers": ["control"],
                "audit_containers": ["audit"],
            },
            "azure": {"subscription": "0b1f", "resource_group": "trading"},
            "halt_authority": {
                "token": "${HALT_TOKEN}",
                "refused_token": "${REFUSED_TOKEN}",
                "scopes": ["global"],
            },
            "surfaces": surfaces
            or (
                ("backend", site | {"site": "trading", "carries_authority": True}),
                ("web", site | {"site": "trading-web"}),
                ("mobile", unsupported),
            ),
            "forbidden_pairs": pairs,
        }
    )
