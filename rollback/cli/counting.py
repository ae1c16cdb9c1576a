"""Whether a signature that was just made counts, as far as this machine can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.cli import environments
from rollback.errors import InputError, RollbackError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from rollback.wiring import PlanDocument


def counts(
    document: PlanDocument,
    signature: bytes,
    given: str | None,
    state: Path,
    beside: Path,
    now: datetime,
) -> tuple[bool | None, str]:
    """(True, ""): by the environment file found here. Otherwise why not; None: nobody could tell.

    given: an environment file that was named. beside: the plan's file. Raises InputError for a
    named file that cannot be read.
    """
    from rollback.approval.verify import check_approvals
    from rollback.wiring import named_files

    try:
        environment = environments.load(environments.find(document.plan, given, state, beside))
        signers = named_files.signers_text(environment)
        revoked = named_files.revoked_text(environment)
    except InputError as error:
        if given is not None:
            raise
        return None, error.reason
    except (OSError, ValueError) as error:
        return None, f"who may approve cannot be read: {error}"
    try:
        check = check_approvals(
            document.digest,
            document.plan.environment,
            [signature],
            signers,
            now,
            needed=1,
            outlast_s=document.plan.duration_s_max,
            lasts_s_max=environment.approvals.age_s_max or None,
            revoked=revoked,
        )
    except RollbackError as error:
        return None, error.reason
    if check.accepted or check.rejected_by:
        return True, ""
    return False, check.problems[0].reason
