"""An action of your own: nobody is moved while too many orders are open.

It reads, like most actions that a platform adds: what it asks goes through the guard like every
other request, and a write that no rule names could not leave.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rollback.errors import ConnectorError
from rollback.model.base import facts
from rollback.model.change import Finding, NoOp
from rollback.model.observation import Observation
from rollback.model.ports import ActionPlan, Check, Look, Performed, Verification
from rollback.model.record import Outcome
from rollback.model.steps import StepSpec

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.change import Update
    from rollback.model.observation import Prediction, World
    from rollback.model.plan import PlannedStep
    from rollback.model.ports import Clients, StepContext

RESOURCE = "orders/open"


class OpenOrdersAtMost(StepSpec):
    """What a playbook says: `{action: open_orders_at_most, surface: backend, most: 20}`."""

    action: Literal["open_orders_at_most"] = "open_orders_at_most"
    surface: str
    most: Annotated[int, Field(ge=0)] = 0


class OpenOrdersAtMostAction:
    """The action. Stateless: one value serves every step of every run."""

    name = "open_orders_at_most"
    spec = OpenOrdersAtMost

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """How many orders are open. What cannot be read is a gap, never an exception."""
        try:
            count = _open_orders(step, clients)
        except ConnectorError as error:
            return (Observation(resource=RESOURCE, at=clients.now(), gaps=(error.reason,)),)
        # A context fact: orders come and go, and that is no drift of the world.
        return (Observation(resource=RESOURCE, at=clients.now(), context=facts(count=count)),)

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Nothing changes; a reviewer sees the number where it is too large already. Pure."""
        spec = _spec(step)
        count = world.get(RESOURCE, "count")
        no_op = NoOp(
            id="orders", resource=RESOURCE, reason=f"at most {spec.most} orders may be open"
        )
        findings = []
        if not isinstance(count, int) or count > spec.most:
            said = f"{count} orders are open" if isinstance(count, int) else "nobody could count"
            findings.append(
                Finding(
                    weight="weak",
                    code="orders.open",
                    text=f"{said}; this step waits for at most {spec.most}",
                    step=step.name,
                    surface=spec.surface,
                )
            )
        return ActionPlan((no_op,), tuple(findings), duration_s_max=30)

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Nothing is changed, so nothing is predicted."""
        del step, change
        return ()

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Nothing is sent."""
        del step, change, clients
        return Performed()

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Nothing was sent, so there is nothing to look for."""
        del step, change, clients, performed
        return Look(Outcome.NOT_APPLIED, "this step sends nothing")

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """The step is done only where this holds; what comes after it waits for that."""
        del planned
        spec = _spec(step)
        what = f"at most {spec.most} orders are open"
        try:
            count = _open_orders(step, clients)
        except ConnectorError as error:
            return Verification((Check(what, holds=False, seen=error.reason),))
        return Verification((Check(what, holds=count <= spec.most, seen=f"{count} are open"),))


def _open_orders(step: StepContext, clients: Clients) -> int:
    """Ask production. Raises ConnectorError where nobody answers, or not with a number."""
    environment = step.environment
    host = environment.surface(_spec(step).surface).hosts[0]
    bearer = f"Bearer {clients.secret(environment.halt_authority.token)}"
    path = environment.halt_authority.orders_path or "/api/orders/open"
    answer = clients.http(host).get(path, headers=(("authorization", bearer),), fresh=True)
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    count = said.get("count") if isinstance(said, dict) else None
    if not isinstance(count, int) or isinstance(count, bool):
        msg = f"{host}{path} answered {answer.status} without a number of orders"
        raise ConnectorError("orders.unreadable", msg, transient=False)
    return count


def _spec(step: StepContext) -> OpenOrdersAtMost:
    spec = step.spec
    if not isinstance(spec, OpenOrdersAtMost):
        msg = f"{step.name} is no step of this action"
        raise TypeError(msg)
    return spec
