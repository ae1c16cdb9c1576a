"""Whether a plan is as it was made, as far as this machine can tell: before anybody signs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.cli import environments, options, output
from rollback.errors import InputError, PlanStale, RollbackError

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.wiring import PlanDocument


@dataclass(frozen=True, slots=True)
class Judged:
    """What there is against a plan.

    problem: why `rollback apply` would move nobody by it. unknown: why nobody could tell here.
    """

    problem: RollbackError | None = None
    unknown: str = ""

    @property
    def edited(self) -> RollbackError | None:
        """The problem, where it is one of the plan itself.

        Another environment file may as well be an old copy of it, here.
        """
        return None if isinstance(self.problem, PlanStale) else self.problem

    def say(self, what: str = "this plan") -> None:
        """Tell a reader, on standard error."""
        if self.problem is not None:
            output.talk(
                f"STOP {what} cannot be applied as it stands ({self.problem.code}): "
                f"{self.problem.reason}; {self.problem.hint}"
            )
        elif self.unknown:
            output.talk(f"whether {what} is as it was made was not looked at here: {self.unknown}")


def judge(document: PlanDocument, given: str | None, state: str | None, beside: Path) -> Judged:
    """Plan it again from its own observations, as `rollback apply` does; nothing else is read.

    given: an environment file that was named. beside: the plan's file. Raises InputError for a
    named file that cannot be read, and for another environment's.
    """
    from rollback.planning.contradiction import shown
    from rollback.wiring import as_made

    root = options.state_root(state)
    try:
        environment = environments.load(environments.find(document.plan, given, root, beside))
    except InputError as error:
        if given is not None:
            raise
        return Judged(unknown=error.reason)
    there = as_made.where_it_was_made(environment, document.plan)
    catalogue = as_made.actions_here(state)
    if lacking := as_made.unknown_actions(document.plan, catalogue):
        return Judged(unknown=f"there is no action {shown(', '.join(lacking))} here")
    try:
        as_made.refuse_forbidden(there, document)
    except InputError as error:
        if given is not None:
            raise
        return Judged(unknown=error.reason)
    except RollbackError as error:
        return Judged(problem=error)
    return Judged(problem=as_made.plan_problem(there, catalogue, document))
