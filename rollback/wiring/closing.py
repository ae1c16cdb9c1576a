"""The end of a sitting: what it came to, what a person does next, and the sealed bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus, RollbackError
from rollback.model.base import facts
from rollback.model.environment import BlobStore, S3Store
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.model.scope import Phase, Scope
from rollback.planning.left_on import left_on
from rollback.rendering.next_moves import NOT_SEALED, SEALED, next_moves
from rollback.running.fold import fold
from rollback.wiring.bundle import fetcher, seal_run
from rollback.wiring.digest_keys import KEPT_DAYS, forget, forget_aged
from rollback.wiring.drift import control_drift, drift_moves
from rollback.wiring.own_stores import chunks_of, reads_only
from rollback.wiring.run_key import run_key_signing
from rollback.wiring.run_result import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.plan import Plan
    from rollback.running.journal import FileJournal
    from rollback.running.store import RunDirectory
    from rollback.wiring.sitting import Sitting


_SEALED_AS = "the evidence is sealed; the digest of its manifest is"


def result_of(
    plan: Plan,
    directory: RunDirectory,
    journal: FileJournal,
    status: int,
    not_mirrored: str = "",
) -> RunResult:
    """What the records amount to. not_mirrored: why the journal is on this machine only."""
    state = fold(plan, journal.records())
    steps = tuple(
        (step.name, state.step(step.name).status.value, state.step(step.name).reason)
        for step in plan.steps
    )
    alone = (
        (f"keep {directory.journal_path}: it is not mirrored ({not_mirrored})",)
        if not_mirrored
        else ()
    )
    if journal.head_problem:
        alone = (*alone, f"{journal.head_problem}: lines lost at the journal's end are not told")
    left = left_on(plan, journal.records())
    return RunResult(
        run=directory.run,
        exit_status=status,
        steps=steps,
        exposures=(*left, *plan.exposures),
        next_moves=(*next_moves(plan, directory.run, steps, status, left), *alone),
        bundle_path="",
        journal_path=str(directory.journal_path),
    )


def closed(
    sitting: Sitting, directory: RunDirectory, journal: FileJournal, result: RunResult
) -> RunResult:
    """Look at control state once more, then seal what there is.

    A brief that cannot be made, or a bundle that cannot be sealed, changes no outcome and is said;
    a run that was done ends as evidence not written where nothing is sealed: resuming it seals it.
    What was sealed is noted in the journal, so that its mirror anchors the bundle elsewhere.
    """
    store = sitting.setting.environment.evidence.store
    scope = Scope(run=directory.run, step="seal-bundle", phase=Phase.OBSERVE)
    clients = sitting.opener(scope)

    own = chunks_of(sitting.setting.environment, sitting.setting.stores, reads_only)

    def from_store(name: str) -> bytes | None:
        if own is not None:
            return own.get(name)
        if not isinstance(store, S3Store | BlobStore):
            return None
        found = clients.objects().get(f"{store.prefix}chunks/{name}")
        return None if found is None else found[0]

    fetch = fetcher(sitting.setting, sitting.evidence, from_store)
    try:
        drift = control_drift(sitting, journal, clients, fetch)
        moves = (*result.next_moves, *(() if drift is None else drift_moves(drift)))
        path, digest = seal_run(
            sitting.setting,
            sitting.document,
            directory,
            journal,
            fetch=fetch,
            sign=_signing(sitting),
            next_moves=moves,
            drift=drift,
        )
        journal.append(
            MAIN,
            RecordKind.NOTE,
            facts(code=SEALED, text=f"{_SEALED_AS} {digest}", sha256=digest, path=path),
            durable=True,
        )
    except RollbackError as error:
        sitting.say("not sealed", "bundle", str(error))
        status = result.exit_status
        return replace(
            result,
            exit_status=ExitStatus.EVIDENCE.value if status == ExitStatus.DONE else status,
            next_moves=(*result.next_moves, NOT_SEALED.format(run=result.run)),
        )
    finally:
        sitting.opener.close(clients)
    if result.exit_status == ExitStatus.DONE:
        forget(directory.path)
    setting = sitting.setting
    for run in forget_aged(setting.state, setting.clock.now()):
        sitting.say("keys", "run", f"those of {run} are removed: left {KEPT_DAYS} days ago")
    return replace(result, next_moves=moves, bundle_path=path, bundle_sha256=digest)


def _signing(sitting: Sitting) -> Callable[[bytes], str] | None:
    """The run key's signature; a key that cannot sign is said, and the bundle stays unsigned."""
    try:
        return run_key_signing(sitting.setting.environment)
    except RollbackError as error:
        sitting.say("not signed", "bundle", str(error))
        return None
