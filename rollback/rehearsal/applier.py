"""Apply a plan in a process of its own, saying each event on a line: made to be killed.

With ``--file-bytes N`` no file grows beyond N bytes from the first event on: a full disk, for this
process alone.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from rollback.connectors.secrets import VariableSecrets
from rollback.errors import RollbackError
from rollback.loading.environment import Environment
from rollback.wiring import Operator, PlanDocument

LIMIT = "--file-bytes"


def main(arguments: list[str]) -> int:
    """``[--file-bytes N] ENVIRONMENT PLAN STATE APPROVAL...``."""
    limit = 0
    if arguments[0] == LIMIT:
        limit, arguments = int(arguments[1]), arguments[2:]
    environment, plan, state, *approvals = arguments

    def progress(kind: str, step: str, text: str) -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        sys.stdout.write(f"{kind} {step} {text}\n")
        sys.stdout.flush()

    operator = Operator(
        Environment.load(environment), state=state, secrets=VariableSecrets(dict(os.environ))
    )
    try:
        result = operator.apply(
            PlanDocument.load(Path(plan)), approvals=approvals, progress=progress
        )
    except RollbackError as error:
        progress("stopped", error.code, error.reason)
        return error.exit_status.value
    progress("closed", result.run, str(result.exit_status))
    return result.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
