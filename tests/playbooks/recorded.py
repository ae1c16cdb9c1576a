"""Plans of the shipped playbooks, made against the rehearsal's world.

What differs every time is put in one form: times, folders, and what the platform makes up.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import playbooks
from rollback.connectors.secrets import VariableSecrets
from rollback.loading.plan_file import read_plan
from rollback.model.base import rfc3339
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.stage import set_stage
from rollback.running.clock import SystemClock
from rollback.wiring import Operator

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.plan import Plan

SHIPPED = ("full-rollback", "backend-only", "web-only", "halt-only", "preserve-evidence")
_AT = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_FIXED = {
    "environment_digest": "e" * 64,
    "world_digest": "d" * 64,
    "nonce": "0123456789abcdef" * 2,
    "tool_version": "0.1.0",
}


class _StoppedClock(SystemClock):
    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment


def shipped_plans(folder: Path) -> dict[str, Plan]:
    """Each shipped playbook, planned in the rehearsal's world."""
    made: dict[str, Plan] = {}
    with Simulator.start(folder / "simulator") as sim:
        stage = set_stage(folder, sim)
        clock = _StoppedClock()
        operator = Operator(
            stage.environment,
            state=stage.state,
            secrets=VariableSecrets(stage.variables),
            clock=clock,
            user="ana@trading.example",
        )
        for name in SHIPPED:
            playbook = getattr(playbooks, name.replace("-", "_"))
            trigger = "tenant-leak" if name == "full-rollback" else None
            plan = operator.plan(playbook, incident="INC-4711", trigger=trigger)
            made[name] = in_one_form(plan.to_json(), folder, clock.moment)
    return made


def in_one_form(text: str, folder: Path, created: datetime) -> Plan:
    """The plan with every run's own values replaced."""
    nonce = json.loads(text)["nonce"]
    text = text.replace(str(folder), "/srv/rollback").replace(nonce, _FIXED["nonce"])
    text = _TIME.sub(lambda match: _moved(match[0], created), text)
    tree = json.loads(text) | _FIXED
    for seen in tree["observations"]:
        _plain(seen)
    for step in tree["steps"]:
        for seen in step["expects"]:
            _plain(seen)
    return read_plan(json.dumps(tree).encode())


def _moved(text: str, created: datetime) -> str:
    away = datetime.fromisoformat(text) - created
    minutes = round(away / timedelta(minutes=1))
    return rfc3339(_AT + timedelta(minutes=minutes))


def _plain(seen: dict[str, Any]) -> None:
    for fact in seen["context"]:
        if fact["name"] == "etag":
            fact["value"] = '"etag"'
