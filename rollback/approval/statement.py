"""What a person signs: a short statement over one plan's digest, in RFC 8785 form.

The signed bytes are the statement's text itself, so that ``ssh-keygen -Y verify`` can check them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import rfc8785
from pydantic import Field, ValidationError

from rollback.errors import ApprovalMissing
from rollback.model.base import Frozen, Instant, Name, Sha256

if TYPE_CHECKING:
    from datetime import datetime

NAMESPACE = "plan-approval@trade-rollback"
"""The SSHSIG namespace: a signature made for anything else is no approval."""

TEXT_CHARS_MAX = 8192


class Statement(Frozen):
    """Format 1. Times in UTC; `not_before` and `expires` are both inside the validity.

    nonce: makes every statement its own. approver: the principal that the signer claims to be,
    needed where the allowed-signers line has several or a pattern.
    """

    kind: Literal["trade-rollback-approval"] = "trade-rollback-approval"
    format: Literal[1] = 1
    plan_sha256: Sha256
    environment: Name
    decision: Literal["approve", "reject"]
    not_before: Instant
    expires: Instant
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    approver: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    reason: Annotated[str, Field(max_length=1000)] | None = None

    def text(self) -> str:
        """The bytes to be signed, as text: RFC 8785, absent fields left out."""
        return rfc8785.dumps(self.model_dump(mode="json", exclude_none=True)).decode()

    def valid_at(self, moment: datetime) -> bool:
        """True from `not_before` to `expires`, both included."""
        return self.not_before <= moment <= self.expires


def read_statement(text: str) -> Statement:
    """Read a statement. Raises ApprovalMissing (``approval.malformed``) for any other form."""
    try:
        if len(text) > TEXT_CHARS_MAX:
            problem = f"it is longer than {TEXT_CHARS_MAX} characters"
        else:
            json.loads(text)  # pydantic's reader takes some things that are not JSON
            statement = Statement.model_validate_json(text)
            if statement.text() == text:
                return statement
            problem = "it is not in canonical form"
    except ValidationError as error:
        problem = f"{error.error_count()} fields are missing, unknown or wrong"
    except (ValueError, RecursionError):
        problem = "it is not JSON"
    raise ApprovalMissing(
        "approval.malformed",
        f"the statement of an approval cannot be read: {problem}",
        hint="sign the plan again with `rollback approve`",
        promise="fail-closed",
    )
