"""Plan files named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollback.errors import InputError

if TYPE_CHECKING:
    from rollback.wiring import PlanDocument


def load_plan(path: str) -> PlanDocument:
    """The plan in a file. Raises like `PlanDocument.load`; a playbook is told from a plan."""
    from playbooks import NAMES
    from rollback.wiring import PlanDocument

    shipped = path in NAMES and not Path(path).exists()
    if shipped or (path.endswith((".yaml", ".yml")) and Path(path).is_file()):
        raise InputError(
            "plan.is-a-playbook",
            f"{path} is {'a' if shipped else 'no plan but, by its name, a'} playbook; a plan is "
            "what it comes to here and now",
            hint=f"`rollback plan {path} --environment ENV --out plan.json` makes one; nothing "
            "was sent",
        )
    return PlanDocument.load(path)
