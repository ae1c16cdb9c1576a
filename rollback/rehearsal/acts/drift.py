"""Acts about what somebody else changes meanwhile: control-plane state, a ramp-up rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus
from rollback.evidence.bundle import DRIFT
from rollback.rehearsal.acts.common import expect
from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Play


def halt_stays(play: Play) -> int:
    """Nobody but the operator touches the operator's halt, and the brief says that it was they."""
    ended = _with_drift(play, "operators", "trading_controls/global", names_operator=True)
    changes = play.sim.control.changes()
    halts = [one for one in changes if one.container == "trading_controls"]
    if not expect(
        play,
        holds=len(halts) == 1 and halts[0].principal.startswith("operator:"),
        otherwise=f"control documents were written by {[one.principal for one in halts]}",
    ):
        return ExitStatus.DEFECT
    return ended


def drift_is_an_operators(play: Play) -> int:
    """The brief names the document, and the operator by the audit log's event."""
    return _with_drift(play, "operators", "dynamic_config/limits", names_operator=True)


def drift_is_unknown(play: Play) -> int:
    """A release that writes by itself is in no audit log: someone unknown, and a person repairs."""
    return _with_drift(play, "unknown", "dynamic_config/limits", names_operator=False)


def backend_stays(play: Play) -> int:
    """Those whom a rule leads to the stable slot are not swapped back to the bad release."""
    ended = play.plain()
    swaps = play.sim.control.swaps(names.BACKEND)
    said = " ".join(reason for _, _, reason in play.results[-1].steps)
    holds = swaps == 0 and "backend/users-led/staging" in said
    otherwise = f"the backend was swapped {swaps} times; the run said: {said}"
    return ended if expect(play, holds=holds, otherwise=otherwise) else ExitStatus.DEFECT


def _with_drift(play: Play, verdict: str, document: str, *, names_operator: bool) -> int:
    """Plan, approve, apply; then the brief in the bundle must say this, and the report too."""
    ended = play.plain()
    bundle = Path(play.results[-1].bundle_path)
    brief = json.loads((bundle / DRIFT).read_bytes())
    found = [f"{one['container']}/{one['id']}" for one in brief["documents"]]
    operators = [one["who"] for one in brief["documents"] if one["by"] == "operator"]
    report = (bundle / "report.md").read_text()
    repaired = all(one["repair"] for one in brief["documents"])
    holds = (
        (brief["verdict"], found) == (verdict, [document])
        and bool(operators) is names_operator
        and repaired
        and "Control-plane state" in report
    )
    said = f"the drift brief says {brief['verdict']} of {found}, operators {operators}"
    return ended if expect(play, holds=holds, otherwise=said) else ExitStatus.DEFECT
