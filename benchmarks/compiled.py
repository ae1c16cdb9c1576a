"""Python as it starts where a package is installed: with what it compiled at hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def compiled(folder: Path) -> dict[str, str]:
    """The environment of a process that keeps what it compiles in a folder of its own.

    A checkout may hold nothing compiled, and may be told to keep nothing: then each run of ours
    would compile itself again, and no run of an installed peer would. Run once before measuring.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder)}
