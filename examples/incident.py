"""An incident script: plan the shipped full rollback, and show the plan for the ticket.

``python examples/incident.py ENVIRONMENT INCIDENT``. Nothing is written but the plan's file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playbooks import full_rollback
from rollback import Environment, Operator


def main() -> int:
    """Plan, keep the plan, print it as Markdown."""
    if len(sys.argv) != 3:  # noqa: PLR2004 (the program, and two words)
        print(__doc__, file=sys.stderr)
        return 2
    environment, incident = sys.argv[1:]
    operator = Operator(Environment.load(environment))
    plan = operator.plan(full_rollback, incident=incident)
    Path(f"{incident}.plan.json").write_bytes(plan.canonical)
    print(plan.to_markdown())
    return int(plan.exit_status)


if __name__ == "__main__":
    sys.exit(main())
