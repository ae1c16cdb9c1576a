"""One thread decides, a bounded pool acts, until the run is closed.

Moves toward safety are acted on by threads of their own: no other act can keep them waiting.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.errors import EvidenceNotWritten, ExitStatus, JournalBroken, RollbackError
from rollback.model.base import facts
from rollback.model.direction import Direction
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.running.drive import decide, toward_acts
from rollback.running.fold import Folding
from rollback.running.hands import end_step
from rollback.running.intents import (
    Act,
    Close,
    End,
    GiveBack,
    Intent,
    ProveAuthority,
    Resolve,
    TakeLease,
    Verify,
)
from rollback.running.state import StepStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from rollback.model.environment import Environment
    from rollback.model.plan import Plan
    from rollback.model.ports import Clock, Journal, Pool
    from rollback.running.perform import Performer


def drive_run(  # noqa: C901, PLR0912, PLR0913 - one idea, read from top to bottom
    plan: Plan,
    environment: Environment,
    performer: Performer,
    pool: Pool,
    journal: Journal,
    clock: Clock,
    *,
    prove_authority: Callable[[], None],
    take_lease: Callable[[], None],
    stopping: Callable[[], bool],
) -> int:
    """Drive a run to its end; return its exit status.

    A journal that cannot be written ends it with 9, after the moves toward safety were sent all the
    same (promise evidence-first: moves toward safety still go).
    """
    flying: dict[Intent, Future[None]] = {}
    safe, folding = toward_acts(plan), Folding(plan)
    try:
        while True:
            for future in list(flying.values()):
                if future.done():
                    future.result()
            flying = {intent: one for intent, one in flying.items() if not one.done()}
            state = folding.over(journal.records())
            intents = decide(plan, environment, state, clock.now(), stopping=stopping(), safe=safe)
            if isinstance(intents[0], Close):
                if not flying:
                    journal.append(
                        MAIN,
                        RecordKind.CLOSED,
                        facts(exit=intents[0].exit),
                        durable=True,
                    )
                    return intents[0].exit
                pool.wait_any(list(flying.values()))
                continue
            busy_steps = {_step_of(one) for one in flying}
            # A step that is acting ends by what it finds, not by what changed meanwhile.
            ended = [one for one in intents if isinstance(one, End) and one.step not in busy_steps]
            for one in ended:
                end_step(journal, one.step, one.status, one.code, one.reason, one.exit)
                if one.status is not StepStatus.DONE:
                    performer.progress(one.status.value, one.step, one.reason)
                else:
                    performer.progress("done", one.step, "")
            if ended:
                continue
            for intent in intents:
                if isinstance(intent, End):
                    continue
                # One act a step at a time; only moves toward safety wait for no other.
                busy = intent not in safe and any(
                    _step_of(other) == _step_of(intent) for other in flying
                )
                if intent not in flying and not (busy and _step_of(intent)):
                    work = _work(intent, performer, prove_authority, take_lease)
                    flying[intent] = pool.submit(work, safe=intent in safe)
            pool.wait_any(list(flying.values()))
    except EvidenceNotWritten as broken:
        while running := [one for one in flying.values() if not one.done()]:
            pool.wait_any(running)
        send_what_is_safe(plan, performer, pool)
        if isinstance(broken, JournalBroken):
            raise
        return ExitStatus.EVIDENCE.value


def _step_of(intent: Intent) -> str:
    return str(getattr(intent, "step", ""))


def _work(
    intent: Intent,
    performer: Performer,
    prove_authority: Callable[[], None],
    take_lease: Callable[[], None],
) -> Callable[[], None]:
    def work() -> None:
        try:
            act()
        except EvidenceNotWritten:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one step's defect must not lose the run
            performer.defect(_step_of(intent), str(getattr(intent, "change", "")), error)

    def act() -> None:
        match intent:
            case Act(step, change):
                performer.act(step, change)
            case Resolve(step, change):
                performer.resolve(step, change)
            case GiveBack(step, change, why):
                performer.give_back(step, change, why)
            case Verify(step):
                performer.verify(step)
            case ProveAuthority():
                prove_authority()
            case TakeLease():
                take_lease()
            case _:
                pass

    return work


def send_what_is_safe(plan: Plan, performer: Performer, pool: Pool) -> None:
    """Without a journal: every move toward safety not yet sent; its intent goes to stderr."""

    def send(step: str, change: str) -> None:
        try:
            performer.act(step, change)
        except RollbackError as error:
            performer.progress("not recorded", step, str(error))

    left = [
        pool.submit(partial(send, step.name, change.id), safe=True)
        for step, change in plan.updates
        if change.direction is Direction.TOWARD
        and not any(performer.ledger.attempts(effect.id) for effect in change.effects)
    ]
    while running := [one for one in left if not one.done()]:
        pool.wait_any(running)
    for one in left:
        one.result()
