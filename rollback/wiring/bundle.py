"""The bundle at the end of a run: everything a stranger needs, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollback.evidence.bundle import Sealing, seal
from rollback.evidence.stores import FolderStore as Folder
from rollback.model.environment import BlobStore, FolderStore, S3Store
from rollback.rendering.faces import render_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.scope import Shape
    from rollback.running.journal import FileJournal
    from rollback.running.store import RunDirectory
    from rollback.wiring.operator import Setting
    from rollback.wiring.plan_document import PlanDocument


def seal_run(  # noqa: PLR0917 - everything a bundle is made of
    setting: Setting,
    document: PlanDocument,
    directory: RunDirectory,
    journal: FileJournal,
    evidence: str,
    next_moves: tuple[str, ...],
    from_bucket: Callable[[str], bytes | None] | None,
) -> str:
    """Seal the run into ``runs/<run>/evidence/bundle-N``. Raises EvidenceNotWritten.

    A resumed run is sealed again, beside what was sealed before: nothing sealed is rewritten.
    """
    records = journal.records()
    folder = _free(directory.evidence_path)

    def report(face: str) -> str:
        return render_report(
            document.plan,
            document.digest,
            records,
            "html" if face == "html" else "markdown",
            next_moves=next_moves,
            bundle=str(folder),
        )

    data = directory.journal_path.read_bytes()
    sealing = Sealing(
        run=directory.run,
        environment=document.plan.environment,
        owner=document.plan.owner,
        incident=document.plan.incident,
        plan=document.canonical,
        journal=data,
        created=setting.clock.now(),
        created_by=setting.user,
        tool_version=document.plan.tool_version,
        store=_store_in_words(setting),
        approvals=tuple(
            (f"approval-{number}.json", approval)
            for number, approval in enumerate(directory.approvals(), start=1)
        ),
        report_md=report("markdown"),
        report_html=report("html"),
    )
    seal(folder, sealing, _fetcher(setting, evidence, from_bucket))
    return str(folder)


def _free(root: Path) -> Path:
    number = 1
    while (root / f"bundle-{number}").exists():
        number += 1
    return root / f"bundle-{number}"


def _store_in_words(setting: Setting) -> str:
    store = setting.environment.evidence.store
    if isinstance(store, S3Store):
        return f"bucket {store.bucket}"
    if isinstance(store, BlobStore):
        return f"container {store.container}"
    return f"folder {store.path}" if isinstance(store, FolderStore) else "local folder of the plan"


def _fetcher(
    setting: Setting, evidence: str, from_bucket: Callable[[str], bytes | None] | None
) -> Callable[[str], bytes | None]:
    store = setting.environment.evidence.store
    places = [Path(evidence)]
    if isinstance(store, FolderStore):
        places.insert(0, Path(setting.environment.base) / store.path)
    folders = [Folder(place, _no_writes) for place in places]

    def fetch(name: str) -> bytes | None:
        for folder in folders:
            if (found := folder.get(name)) is not None:
                return found
        return None if from_bucket is None else from_bucket(name)

    return fetch


def _no_writes(shape: Shape) -> None:
    """Sealing reads chunks; it stores none."""
    del shape
