"""A service that embeds the library: on an alert it plans, stops the rollout, and asks for people.

It applies only what moves toward safety; everything else waits for signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playbooks import full_rollback

if TYPE_CHECKING:
    from rollback import Operator


@dataclass(frozen=True)
class Answer:
    """What the service posts to the incident's channel."""

    digest: str
    markdown: str
    halted: bool


def on_alert(operator: Operator, incident: str, trigger: str) -> Answer:
    """Plan for a trigger and apply the safe parts at once. Raises rollback.RollbackError."""
    plan = operator.plan(full_rollback, incident=incident, trigger=trigger)
    result = operator.apply(plan, only_safe=True)
    return Answer(plan.digest, plan.to_markdown(), halted=result.exit_status == 0)
