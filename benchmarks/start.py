"""What starting costs, in pairs: ``python -m benchmarks.start``.

`import rollback` beside `from pydantic import BaseModel` with one model (at most 1.2 times), and
`rollback validate` of a shipped playbook beside a bare pydantic and YAML start (at most 1.3 times).
Ratios of medians of whole processes, taken in turn, so that a drifting machine does not matter.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNS = 15
MODEL = "from pydantic import BaseModel\nclass A(BaseModel):\n    x: int\n"
PAIRS = (
    ("import rollback", "import rollback", MODEL),
    ("import the facade's names", "from rollback import Environment, Operator", MODEL),
    (
        "validate full-rollback",
        "from rollback.cli.main import main\nmain(['validate', 'full-rollback'])",
        f"{MODEL}import yaml\n",
    ),
)


def _took(code: str, variables: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], check=True, capture_output=True, env=dict(variables)
    )
    return time.perf_counter() - started


def main() -> None:
    """Print one line a pair."""
    with tempfile.TemporaryDirectory() as folder:
        variables = compiled(Path(folder))
        for name, ours, floor in PAIRS:
            taken = [(_took(ours, variables), _took(floor, variables)) for _ in range(RUNS + 1)]
            mine, base = (statistics.median(side) for side in zip(*taken[1:], strict=True))
            sys.stdout.write(
                f"{name}: {mine * 1000:.0f} ms beside {base * 1000:.0f} ms, "
                f"{mine / base:.2f} times\n"
            )


if __name__ == "__main__":
    main()
