"""A simulated platform, an environment with a channel of each kind, and a plan made there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.connectors.secrets import VariableSecrets
from rollback.rehearsal.simulator import names
from rollback.wiring import Operator, PlanDocument

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.rehearsal.simulator.process import Simulator
    from rollback.rehearsal.stage import Stage

HOST = names.WEBHOOK_HOST
CANARY = "canaryQ7xZ2"
ADDRESSES = {
    "JSON": f"https://{HOST}/incident",
    "SLACK": f"https://{HOST}/services/T01/B02/{CANARY}",
    "TEAMS": f"https://{HOST}/workflows/f1/triggers/manual/paths/invoke?api-version=1&sig={CANARY}",
    "JIRA_TOKEN": CANARY,
    "GITHUB_TOKEN": names.GITHUB_TOKEN,
}
CHANNELS = [
    {"name": "json", "kind": "json", "address": "${JSON}", "host": HOST, "path": "/incident"},
    {"name": "slack", "kind": "slack", "address": "${SLACK}", "host": HOST, "path": "/services/{key}"},
    {"name": "teams", "kind": "teams", "address": "${TEAMS}", "host": HOST, "path": "/workflows/{key}", "query": ["api-version", "sig"]},
    {"name": "github", "kind": "github", "token": "${GITHUB_TOKEN}", "host": names.GITHUB_HOST, "path": f"/repos/{names.REPOSITORY}/issues/4711/comments"},
    {"name": "jira", "kind": "jira", "token": "${JIRA_TOKEN}", "host": HOST, "path": "/rest/api/2/issue/INC-4711/comment"},
    {"name": "by-incident", "kind": "jira", "token": "${JIRA_TOKEN}", "host": HOST, "path": "/rest/api/2/issue/{incident}/comment"},
]  # fmt: skip
KINDS = ("json", "slack", "teams", "github", "jira")
SEARCHED = ("github", "jira")


@dataclass(frozen=True)
class Desk:
    """A simulator, an environment with a channel of each kind, and a plan made there."""

    sim: Simulator
    stage: Stage
    document: PlanDocument

    def operator(self, state: Path, **more: str) -> Operator:
        """An operator with a state directory of its own: another machine."""
        secrets = VariableSecrets({**self.stage.variables, **ADDRESSES, **more})
        return Operator(self.stage.environment, state=state, secrets=secrets, user="ana")

    def messages(self, kind: str) -> list[str]:
        """Everything that was posted to one kind of channel."""
        world = self.sim.control.world()
        if kind in SEARCHED:
            return list(world.comments.get({"github": "4711", "jira": "INC-4711"}[kind], []))
        sign = {"json": "fields", "slack": "text", "teams": "attachments"}
        is_json = [one for one in world.incidents if "about" in one]
        others = [one for one in world.incidents if "about" not in one]
        chosen = is_json if kind == "json" else [one for one in others if sign[kind] in one]
        return [json.dumps(one) for one in chosen]
