"""Rollback of a trading platform as code: proved plans, and an executor that can do nothing else.

A lazy façade: importing it loads nothing; a name loads what it needs when it is first used. The
command line and incident scripts use the same names::

    from playbooks import full_rollback
    from rollback import Environment, Operator
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollback.errors import RollbackError
    from rollback.loading.environment import Environment
    from rollback.loading.playbook import load_playbook
    from rollback.model.playbook import Playbook
    from rollback.model.ports import Catalogue
    from rollback.wiring.operator import Operator
    from rollback.wiring.own_stores import Stores
    from rollback.wiring.plan_document import PlanDocument
    from rollback.wiring.process_watch import ProcessWatch
    from rollback.wiring.run_result import RunResult

__all__ = [
    "Catalogue",
    "Environment",
    "Operator",
    "PlanDocument",
    "Playbook",
    "ProcessWatch",
    "RollbackError",
    "RunResult",
    "Stores",
    "load_playbook",
]

_HOME = {
    "Catalogue": "rollback.model.ports",
    "Environment": "rollback.loading.environment",
    "Operator": "rollback.wiring.operator",
    "PlanDocument": "rollback.wiring.plan_document",
    "Playbook": "rollback.model.playbook",
    "ProcessWatch": "rollback.wiring.process_watch",
    "RollbackError": "rollback.errors",
    "RunResult": "rollback.wiring.run_result",
    "Stores": "rollback.wiring.own_stores",
    "load_playbook": "rollback.loading.playbook",
}


def __getattr__(name: str) -> object:
    """Load a name of the façade."""
    home = _HOME.get(name)
    if home is None:
        msg = f"module 'rollback' has no attribute {name!r}"
        raise AttributeError(msg, name=name, obj=sys.modules[__name__])  # Python names a near one
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """The façade's names."""
    return sorted(__all__)
