"""Every scenario, with its stated ending. What plays out in more than one act is in `acts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rehearsal.scenarios.control import CONTROL
from rollback.rehearsal.scenarios.machines import MACHINES
from rollback.rehearsal.scenarios.papers import PAPERS
from rollback.rehearsal.scenarios.records import RECORDS
from rollback.rehearsal.scenarios.reverts import REVERTS
from rollback.rehearsal.scenarios.routes import ROUTES
from rollback.rehearsal.scenarios.undos import UNDOS

if TYPE_CHECKING:
    from rollback.rehearsal.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *REVERTS,
    *ROUTES,
    *CONTROL,
    *RECORDS,
    *MACHINES,
    *PAPERS,
    *UNDOS,
)
