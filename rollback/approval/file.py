"""The approval file: the statement's text and its signature, in one JSON object.

``jq -j .statement`` gives the signed bytes and ``jq -r .signature`` what ssh-keygen verifies.
"""

from __future__ import annotations

import json
from typing import Any

from rollback.errors import ApprovalMissing
from rollback.model.base import Frozen

FILE_BYTES_MAX = 65_536


class ApprovalFile(Frozen):
    """statement: the exact text that was signed. signature: armoured, as ssh-keygen writes it."""

    statement: str
    signature: str

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return (json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n").encode()


def read_approval(data: bytes) -> ApprovalFile:
    """Read a file. Raises ApprovalMissing (``approval.unreadable``)."""
    try:
        if len(data) > FILE_BYTES_MAX:
            raise ValueError  # noqa: TRY301 - one place says what is wrong with a file
        document = json.loads(data.decode(), object_pairs_hook=_once)
        if not isinstance(document, dict) or set(document) != {"statement", "signature"}:
            raise ValueError  # noqa: TRY301 - one place says what is wrong with a file
        return ApprovalFile.model_validate(document, strict=True)
    except (ValueError, RecursionError) as error:
        raise ApprovalMissing(
            "approval.unreadable",
            "an approval file is not an object of `statement` and `signature`",
            hint="use the file that `rollback approve` wrote",
            promise="fail-closed",
        ) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found
