"""The one place where concrete parts meet: environment, guard, connectors, actions, journal.

Names load what they need when they are first used: a plan is shown without what applies one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollback.wiring.operator import Operator
    from rollback.wiring.plan_document import PlanDocument

__all__ = ["Operator", "PlanDocument"]

_HOME = {"Operator": "rollback.wiring.operator", "PlanDocument": "rollback.wiring.plan_document"}


def __getattr__(name: str) -> object:
    """Load a name of this package."""
    home = _HOME.get(name)
    if home is None:
        msg = f"module 'rollback.wiring' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(home), name)
