"""The permissions of the plan being applied.

Promise plan-is-permission: an intent is journalled, durably, before the bytes it permits leave;
nothing is sent more often than the plan says.

Counts are rebuilt from the journal's records, so that a resumed run goes on where it stood.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.errors import (
    EvidenceNotWritten,
    GuardRefusal,
    JournalBroken,
    LeaseHeld,
    ProductDefect,
    Refused,
    RollbackError,
)
from rollback.model.base import Facts, facts
from rollback.model.direction import Direction
from rollback.model.effect import Effect, FileWrite, Purpose
from rollback.model.journal import MAIN, speakable
from rollback.model.record import Record, RecordKind
from rollback.running.latch import shape_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.plan import Plan
    from rollback.model.scope import Shape
    from rollback.running.journal import RunJournal

UPKEEP = "upkeep"
"""The step named in intents of effects that belong to the run itself (lease, store, hold)."""


@dataclass(slots=True)
class _Account:
    """One effect's permission. sent counts attempts, returned those given back after looking.

    unsent: intents that were recorded and then stopped before anything left.
    """

    effect: Effect
    step: str
    change: str
    sent: int = 0
    returned: int = 0
    unsent: int = 0
    bytes_sent: int = 0

    @property
    def left(self) -> int:
        return self.effect.times_max - self.sent + self.returned + self.unsent

    @property
    def returns_max(self) -> int:
        return self.effect.returns_max


class Ledger:
    """`PermissionLedger` of one run. Safe to use from several threads."""

    def __init__(
        self, plan: Plan, journal: RunJournal, *, emergency: Callable[[str], None]
    ) -> None:
        """emergency: takes one JSON line, for standard error, when the journal cannot be written.

        Raises Refused where two effects of the plan share an id.
        """
        self._journal = journal
        self._emergency = emergency
        self._lock = threading.Lock()
        self._fence: Callable[[], int] | None = None
        self._outside: Callable[[], None] | None = None
        self._degraded = False
        self._accounts: dict[str, _Account] = {}
        for step, change in plan.updates:
            for effect in change.effects:
                self._open(_Account(effect, step.name, change.id))
        for effect in plan.upkeep:
            self._open(_Account(effect, UPKEEP, ""))
        for record in journal.records():
            self._replay(record)

    def fenced_by(self, fence: Callable[[], int]) -> None:
        """From now on every move away from safety asks for a fencing number before its intent.

        fence: raises LeaseHeld where the lease is not held, or about to run out.
        """
        self._fence = fence

    def kept_outside_by(self, flush: Callable[[], None]) -> None:
        """From now on the intent of a move away from safety is mirrored before it leaves.

        flush: returns when it is; raises where it cannot be, and then nothing leaves.
        """
        self._outside = flush

    def _open(self, account: _Account) -> None:
        if account.effect.id in self._accounts:
            raise Refused(
                "ledger.effect-twice",
                f"the plan has two effects named {account.effect.id}",
                hint="make the plan again",
                promise="plan-is-permission",
            )
        self._accounts[account.effect.id] = account

    def _replay(self, record: Record) -> None:
        account = self._accounts.get(record.text("effect"))
        if account is None:
            return
        if record.kind is RecordKind.INTENT:
            account.sent += 1
            account.bytes_sent += int(record.text("body_bytes") or 0)
        elif record.kind is RecordKind.RETURNED and record.get("sent") is False:
            account.unsent += 1
        elif record.kind is RecordKind.RETURNED:
            account.returned += 1

    @property
    def degraded(self) -> bool:
        """True once a move toward safety went out with its intent on standard error only."""
        return self._degraded

    def left(self, effect_id: str) -> int:
        """How many sends are left; 0 for an effect that the plan does not have."""
        with self._lock:
            account = self._accounts.get(effect_id)
            return 0 if account is None else account.left

    def attempts(self, effect_id: str) -> int:
        """How often it was spent, whatever came of it."""
        with self._lock:
            account = self._accounts.get(effect_id)
            return 0 if account is None else account.sent

    def left_process(self, effect_id: str) -> bool:
        """Whether anything of it may have left: an intent that was not stopped before the send."""
        with self._lock:
            account = self._accounts.get(effect_id)
            return account is not None and account.sent > account.unsent

    def spend(self, effect_id: str, shape: Shape) -> int:
        """Spend one; return the attempt number, from 1.

        Returns only after the intent is durable; intents of evidence files and chunks are written
        but not waited for (they are create-only and named by their content, so a lost count
        repeats nothing). Raises GuardRefusal when none is left, JournalBroken when the intent
        cannot be recorded, except for a move toward safety: its intent then goes to `emergency`.
        Raises LeaseHeld where a move away from safety is not covered by the lease (any more), and
        what the mirror raises where its intent cannot be kept outside.
        """
        fence = self._fencing_number(effect_id)
        with self._lock:
            account = self._take(effect_id, shape)
            attempt = account.sent
        effect = account.effect
        body = facts(
            effect=effect_id,
            attempt=attempt,
            step=account.step,
            change=account.change,
            purpose=effect.purpose.value,
            direction=effect.direction.value,
        )
        if fence is not None:
            body = (*body, *facts(fence=fence))
        body = (*body, *shape_facts(shape))
        toward = effect.direction is Direction.TOWARD
        if self._journal.tight and not toward:
            with self._lock:
                account.unsent += 1
            raise _tight()
        try:
            durable = effect.purpose is not Purpose.EVIDENCE
            self._journal.append(MAIN, RecordKind.INTENT, body, durable=durable)
        except EvidenceNotWritten:
            if not toward:
                raise
            self._degraded = True
            self._emergency(_line(body))
            return attempt
        if self._journal.tight and not toward:  # this very record used the reserve up
            self._unsend(account, "the disk is full")
            raise _tight()
        if self._outside is not None and effect.direction is Direction.AWAY:
            try:
                self._outside()
            except RollbackError as error:
                self._unsend(account, error.reason)
                raise
        if fence is not None:
            self._still(account, fence)
        return attempt

    def _fencing_number(self, effect_id: str) -> int | None:
        """The number a move away from safety goes out under; None where none is needed."""
        account = self._accounts.get(effect_id)
        if self._fence is None or account is None:
            return None
        return self._fence() if account.effect.direction is Direction.AWAY else None

    def _still(self, account: _Account, fence: int) -> None:
        """Writing the intent took its time: ask once more. Raises LeaseHeld, nothing sent."""
        try:
            now = self._fence() if self._fence is not None else fence
        except LeaseHeld:
            self._unsend(account, "the lease ran out while the intent was written")
            raise
        if now != fence:
            why = f"the fencing number rose from {fence} to {now} while the intent was written"
            self._unsend(account, why)
            raise LeaseHeld("lease.lost", why, hint="`rollback resume` looks and goes on")

    def _take(self, effect_id: str, shape: Shape) -> _Account:
        account = self._accounts.get(effect_id)
        if account is None:
            raise _refusal("ledger.no-such-effect", f"the plan has no effect {effect_id}")
        if account.left <= 0:
            raise _refusal(
                "ledger.spent",
                f"effect {effect_id} was sent {account.sent} times, which is all the plan permits",
            )
        effect = account.effect
        if isinstance(effect, FileWrite) and (
            account.bytes_sent + shape.body_bytes > effect.bytes_max
        ):
            raise _refusal(
                "ledger.bytes",
                f"effect {effect_id} may write {effect.bytes_max} bytes in all, no more",
            )
        account.sent += 1
        account.bytes_sent += shape.body_bytes
        return account

    def _unsend(self, account: _Account, why: str) -> None:
        body = facts(
            effect=account.effect.id,
            step=account.step,
            change=account.change,
            why=f"stopped before it left: {why}",
            sent=False,
        )
        self._journal.append(MAIN, RecordKind.RETURNED, body, durable=True)
        with self._lock:
            account.unsent += 1

    def give_back(self, effect_id: str, why: str) -> int:
        """Return a permission whose write was looked for and found not applied.

        Returns how many sends are left. Raises Refused beyond the effect's `returns_max`: from
        there a person decides. Raises JournalBroken when it cannot be recorded.
        """
        with self._lock:
            account = self._accounts.get(effect_id)
            if account is None:
                msg = f"no effect {effect_id} to give back"
                raise ProductDefect("ledger.no-such-effect", msg)
            if account.returned >= account.returns_max:
                raise Refused(
                    "ledger.returns",
                    f"effect {effect_id} was given back {account.returned} times, "
                    "which is all the plan permits",
                    hint="look at the target, and say with `rollback resume` what became of it",
                    promise="unknown-is-a-state",
                )
            if account.sent - account.unsent <= account.returned:
                msg = f"effect {effect_id} was not spent, so there is nothing to give back"
                raise ProductDefect("ledger.not-spent", msg)
            body = facts(
                effect=effect_id, step=account.step, change=account.change, why=why, sent=True
            )
            self._journal.append(MAIN, RecordKind.RETURNED, body, durable=True)
            account.returned += 1
            return account.left


def _line(body: Facts) -> str:
    said = {fact.name: fact.value for fact in speakable(body)}
    return json.dumps({"kind": "intent", **said}, sort_keys=True, separators=(",", ":"))


def _refusal(code: str, reason: str) -> GuardRefusal:
    return GuardRefusal(
        code,
        reason,
        hint="look at the world, then make a new plan; nothing was sent",
        promise="plan-is-permission",
    )


def _tight() -> JournalBroken:
    return JournalBroken(
        "journal.tight",
        "the disk is full; what is reserved is for moves toward safety",
        hint="free space, then `rollback resume`; halts still go out",
        promise="evidence-first",
    )
