"""No-op steps of one DBOS workflow on SQLite: ``python dbos_steps.py COUNT FOLDER``."""

import sys

from dbos import DBOS

DBOS(
    config={
        "name": "steps",
        "system_database_url": f"sqlite:///{sys.argv[2]}/dbos.sqlite",
        "log_level": "ERROR",
        "run_admin_server": False,
    }
)


@DBOS.step()
def step(number: int) -> int:
    """Nothing."""
    return number


@DBOS.workflow()
def workflow(count: int) -> int:
    """One after another."""
    return sum(step(number) for number in range(count))


DBOS.launch()
assert workflow(int(sys.argv[1])) == sum(range(int(sys.argv[1])))  # noqa: S101 - it must have run
DBOS.destroy()
