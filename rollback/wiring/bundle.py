"""The bundle at the end of a run: everything a stranger needs, in one folder."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rollback.connectors.folders import sync_folder
from rollback.evidence.bundle import DRIFT, Sealing, canonical, seal
from rollback.evidence.chunks import sha256
from rollback.evidence.drift import drift_json
from rollback.evidence.stores import FolderStore as Folder
from rollback.evidence.stores import not_written
from rollback.model.environment import BlobStore, FolderStore, S3Store
from rollback.rendering.faces import render_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.drift import DriftBrief
    from rollback.model.scope import Shape
    from rollback.running.journal import FileJournal
    from rollback.running.store import RunDirectory
    from rollback.wiring.plan_document import PlanDocument
    from rollback.wiring.setting import Setting


def seal_run(
    setting: Setting,
    document: PlanDocument,
    directory: RunDirectory,
    journal: FileJournal,
    *,
    fetch: Callable[[str], bytes | None],
    sign: Callable[[bytes], str] | None,
    next_moves: tuple[str, ...] = (),
    drift: DriftBrief | None = None,
) -> tuple[str, str]:
    """Seal the run into ``runs/<run>/evidence/bundle-N``; its path, and the manifest's digest.

    A resumed run is sealed again, beside what was sealed before: nothing sealed is rewritten. It is
    written aside and gets its name when it is whole. Raises EvidenceNotWritten.
    """
    records = journal.records()
    folder = _free(directory.evidence_path)
    aside = directory.evidence_path / _ASIDE

    def report(face: Literal["html", "markdown"]) -> str:
        return render_report(
            document.plan,
            document.digest,
            records,
            face,
            next_moves=next_moves,
            bundle=str(folder),
            max_chars=None,
        )

    sealing = Sealing(
        run=directory.run,
        playbook=document.plan.playbook,
        environment=document.plan.environment,
        owner=document.plan.owner,
        incident=document.plan.incident,
        plan=document.canonical,
        journal=directory.journal_path.read_bytes(),
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
        extra=() if drift is None else ((DRIFT, drift_json(drift)),),
    )
    try:
        _clear(aside)  # what an earlier process did not bring to its end
        manifest = seal(aside, sealing, fetch, sign)
        aside.rename(folder)
        sync_folder(directory.evidence_path)
    except OSError as error:
        raise not_written("bundle", f"{folder}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            _clear(aside)
    return str(folder), sha256(canonical(manifest))


_ASIDE = ".sealing"


def _clear(aside: Path) -> None:
    if aside.exists():
        shutil.rmtree(aside)


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
    if isinstance(store, FolderStore):
        kept = f"folder {store.path}"
        return kept if store.own is None else f"the application's own store {store.own}, {kept}"
    return "local folder of the plan"


def fetcher(
    setting: Setting, evidence: str, from_bucket: Callable[[str], bytes | None] | None
) -> Callable[[str], bytes | None]:
    """Gives a chunk by name from wherever the run keeps its evidence.

    from_bucket: from a store that is no folder of files, asked last.
    """
    store = setting.environment.evidence.store
    places = [Path(evidence)]
    if isinstance(store, FolderStore) and store.own is None:
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
