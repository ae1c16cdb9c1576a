"""A journal of elsewhere as the anchor of a bundle: what it notes of the sealing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.model import journal
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from rollback.model.evidence import Manifest

SEALED: Final = "bundle.sealed"


def not_noted(data: bytes, manifest: Manifest | None, manifest_sha256: str) -> str:
    """Why this journal is no proof that this manifest was sealed; empty where it is.

    Its chain holds, it is of the manifest's run, the head that was sealed is in it, and one of its
    notes of a sealing names the manifest. A last line that is torn says nothing.
    """
    if manifest is None:
        return "there is no manifest to look for in it"
    check = journal.verify(data)
    if not check.holds:
        return f"line {check.line}: {check.problem}"
    if check.run != manifest.run:
        return f"the journal of run {check.run or '(none)'}, and the bundle is of {manifest.run}"
    count = manifest.journal_records
    sealed = b"".join(data.splitlines(keepends=True)[:count])
    if count and journal.verify(sealed).head != manifest.journal_head:
        return "it does not hold the journal that was sealed"
    noted = [
        record.text("sha256")
        for record in check.records[count:]
        if record.kind is RecordKind.NOTE and record.text("code") == SEALED
    ]
    if manifest_sha256 in noted:
        return ""
    if not noted:
        return "it notes no sealing after the records that were sealed: it may have broken off"
    return f"it notes that {', '.join(noted)} was sealed, and this is {manifest_sha256}"
