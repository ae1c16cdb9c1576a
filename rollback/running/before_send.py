"""The world read again just before a send, and what that says: send, wait, or leave it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError, ExitStatus, Interrupted, JournalBroken, RollbackError
from rollback.model.base import facts
from rollback.model.journal import MAIN
from rollback.model.observation import World
from rollback.model.ports import Look
from rollback.model.record import Outcome, RecordKind
from rollback.running.compare import compare
from rollback.running.direction import asked_for, cannot_be_told, harmless, not_toward_any_more
from rollback.running.hands import looks_a_second
from rollback.running.preflight import Blocked, may_move_away
from rollback.running.state import DRIFTED, LEASE_LOST, StepStatus

if TYPE_CHECKING:
    from rollback.running.hands import Hands, Planned

LEASE_S_MAX = 5.0
"""Where renewing the lease took longer, the world is looked at again before anything is sent."""

ALREADY = Look(Outcome.APPLIED, "already as wanted; nothing sent")


def needs_no_send(hands: Hands, planned: Planned) -> bool:
    """Whether a move toward safety is made already, or is none any more; recorded where so.

    What cannot be read holds nothing back, but for what names its target (rules, a run, a release)
    and is not what the plan's own observations ask for: nobody can tell which way that moves.
    """
    planned = _of_its_surface(planned)
    try:
        seen = hands.observed(planned)
        verdict = compare(planned.step, planned.change, (), seen).verdict
        now = planned.action.plan(planned.context, World(observations=seen)).changes
    except JournalBroken:
        raise
    except Exception as error:  # noqa: BLE001 - an action's defect must not withhold a halt
        hands.progress("not read", planned.step.name, type(error).__name__)
        return _nobody_can_tell(hands, planned)
    if verdict == "satisfied":
        hands.outcome(planned, ALREADY)
    elif why := not_toward_any_more(planned.change, now, seen):
        if _made_already(hands, planned):  # by a sitting that could record nothing, or a person
            hands.outcome(planned, ALREADY)
            return True
        look = Look(Outcome.NOT_APPLIED, f"{why}; nothing sent", facts(code=DRIFTED))
        hands.outcome(planned, look)
    else:
        unread = cannot_be_told(planned.change, now, seen)
        return unread and _nobody_can_tell(hands, planned)
    return True


def _nobody_can_tell(hands: Hands, planned: Planned) -> bool:
    """Whether neither the world nor the plan's observations make it a move toward safety."""
    step, change = planned.step.name, planned.change
    if harmless(change) or asked_for(
        step, change, hands.plan, hands.environment, hands.catalogue, hands.evidence_path
    ):
        return False
    why = "what it is aimed at cannot be read, and the plan's own observations do not ask for it"
    hands.outcome(planned, Look(Outcome.NOT_APPLIED, f"{why}; nothing sent", facts(code=DRIFTED)))
    return True


def _made_already(hands: Hands, planned: Planned) -> bool:
    """Whether looking tells that what was planned is so, where its facts alone do not."""
    clients = hands.reading(planned.step)
    try:
        look = planned.action.look(planned.context, planned.change, clients, ())
    except (Interrupted, JournalBroken):
        raise
    except Exception:  # noqa: BLE001 - what cannot be told is not told here
        return False
    finally:
        hands.close(clients)
    return look.outcome is Outcome.APPLIED


def _of_its_surface(planned: Planned) -> Planned:
    """A halt of one surface does not wait until the others are read."""
    surface, spec = planned.change.surface, planned.context.spec
    if surface is None or not isinstance(getattr(spec, "surfaces", None), tuple):
        return planned
    narrowed = spec.model_copy(update={"surfaces": (surface,)})
    return replace(planned, context=replace(planned.context, spec=narrowed))


def as_predicted(hands: Hands, planned: Planned) -> bool:
    """Whether a move away from safety may be sent now; anything else is recorded and ends it.

    After a stop was asked for it may not, and nothing ends: `resume` goes on from here (T12).
    """
    step = planned.step
    try:
        verdict, differences = _compared_when_quiet(hands, planned)
    except Interrupted:
        return False
    hands.journal.append(
        MAIN,
        RecordKind.OBSERVED,
        facts(step=step.name, change=planned.change.id, verdict=verdict, differences=differences),
        durable=False,
    )
    why = "; ".join(differences)
    if hands.stopping() and verdict != "satisfied":
        return False
    if verdict == "as-predicted":
        return _still_allowed(hands, planned)
    if verdict == "satisfied":
        hands.outcome(planned, ALREADY)
    elif verdict == "busy":
        hands.end(
            step,
            StepStatus.HANDED_OVER,
            "provider.busy",
            f"another operation did not end in time ({why})",
            ExitStatus.PERSON,
        )
    else:
        hands.end(
            step,
            StepStatus.FAILED,
            DRIFTED,
            f"the world is not as planned: {why}",
            ExitStatus.STALE,
        )
    return False


def _compared_when_quiet(hands: Hands, planned: Planned) -> tuple[str, tuple[str, ...]]:
    """Wait, bounded, while somebody else's operation holds the target."""
    policy = hands.environment.policy
    deadline = hands.clock.monotonic() + policy.busy_s_max
    while True:
        try:
            seen = hands.observed(planned)
            found = compare(planned.step, planned.change, hands.settled(planned.step), seen)
            verdict: str = found.verdict
            differences = tuple(str(one) for one in found.differences)
        except (Interrupted, JournalBroken):
            raise
        except RollbackError as error:
            passing = isinstance(error, ConnectorError) and error.transient
            verdict, differences = "busy" if passing else "drifted", (str(error),)
        if verdict != "busy" or hands.stopping() or hands.clock.monotonic() >= deadline:
            return verdict, differences
        hands.progress("waiting", planned.step.name, "; ".join(differences))
        hands.clock.sleep(max(1, policy.poll_s) / looks_a_second(hands.environment))


def _still_allowed(hands: Hands, planned: Planned) -> bool:
    """Preflight once more, just before the send: reading and waiting took their time."""
    blocked = may_move_away(
        hands.plan, hands.environment, hands.state(), planned.change, hands.clock.now()
    )
    if isinstance(blocked, Blocked):
        hands.end(
            planned.step,
            StepStatus.SKIPPED,
            blocked.code,
            blocked.reason,
            blocked.exit or ExitStatus.REFUSED,
        )
    if blocked is not None:
        # Where authority or the lease has to be asked for again, nothing is sent; the loop asks.
        return False
    doing, asked = f"effect {planned.step.name}#{planned.change.id}", hands.clock.monotonic()
    if problem := hands.lease.before_effect(doing):  # last: its time runs from here
        hands.end(planned.step, StepStatus.SKIPPED, LEASE_LOST, problem, ExitStatus.LEASE)
        return False
    took_s = hands.clock.monotonic() - asked
    if took_s > LEASE_S_MAX:  # what was seen is old by now; the loop looks again
        hands.progress("waiting", planned.step.name, f"the lease took {took_s:.0f} s")
        return False
    return True
