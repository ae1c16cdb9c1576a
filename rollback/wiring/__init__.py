"""The one place where concrete parts meet: environment, guard, connectors, actions, journal."""

from rollback.wiring.operator import Operator
from rollback.wiring.plan_document import PlanDocument

__all__ = ["Operator", "PlanDocument"]
