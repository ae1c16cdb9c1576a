"""The library on a machine whose wall clock is wrong: ``SECONDS --state DIR apply|resume ...``.

It takes the words that the command takes, as far as laptops use them. The clock is handed in at the
library's own door; that which runs from the machine's start is right, as nobody can set it.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from rollback.connectors.secrets import VariableSecrets
from rollback.errors import RollbackError
from rollback.loading.environment import Environment
from rollback.running.clock import SystemClock
from rollback.wiring import Operator, PlanDocument


class SkewedClock(SystemClock):
    """The machine's clocks, the wall clock off by so many seconds."""

    def __init__(self, skew_s: int) -> None:
        self._skew = timedelta(seconds=skew_s)

    def now(self) -> datetime:
        return super().now() + self._skew


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("skew_s", type=int)
    parser.add_argument("--state", required=True)
    parser.add_argument("verb", choices=["apply", "resume"])
    parser.add_argument("what")
    parser.add_argument("--environment", required=True)
    parser.add_argument("--approval", action="append", default=[])
    parser.add_argument("--non-interactive", action="store_true")
    given = parser.parse_args()
    operator = Operator(
        Environment.load(given.environment), state=given.state,
        secrets=VariableSecrets(dict(os.environ)), clock=SkewedClock(given.skew_s),
    )  # fmt: skip
    approvals = [Path(one) for one in given.approval]
    try:
        if given.verb == "apply":
            plan = PlanDocument.load(Path(given.what))
            result = operator.apply(plan, approvals=approvals)
        else:
            result = operator.resume(given.what, approvals=approvals)
    except RollbackError as error:
        sys.stdout.write(f"{error}\n")
        return error.exit_status.value
    sys.stdout.write(f"{result}\n")
    return result.exit_status


if __name__ == "__main__":
    sys.exit(main())
