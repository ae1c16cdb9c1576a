"""Apply a plan in a process of its own, saying each event on a line: made to be killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rollback.connectors.secrets import VariableSecrets
from rollback.loading.environment import Environment
from rollback.wiring import Operator, PlanDocument


def main() -> int:
    """``ENVIRONMENT PLAN STATE APPROVAL...``."""
    environment, plan, state, *approvals = sys.argv[1:]

    def progress(kind: str, step: str, text: str) -> None:
        sys.stdout.write(f"{kind} {step} {text}\n")
        sys.stdout.flush()

    operator = Operator(
        Environment.load(environment), state=state, secrets=VariableSecrets(dict(os.environ))
    )
    result = operator.apply(PlanDocument.load(Path(plan)), approvals=approvals, progress=progress)
    progress("closed", result.run, str(result.exit_status))
    return result.exit_status


if __name__ == "__main__":
    sys.exit(main())
