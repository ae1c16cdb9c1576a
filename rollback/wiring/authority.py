"""Authority during a run: asked between steps, and watched by a thread no stuck step can starve."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Self

from rollback.actions.authority_reading import read_authority
from rollback.errors import RollbackError
from rollback.model.authority import Verdict
from rollback.model.base import facts, rfc3339
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.model.scope import Phase, Scope
from rollback.planning.authority import judge
from rollback.running.state import LOOK_GAP_S_MIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.authority import AuthorityJudgement
    from rollback.model.base import Facts
    from rollback.model.ports import Clients, Journal
    from rollback.model.record import Record
    from rollback.wiring.scopes import Opener
    from rollback.wiring.setting import Setting


def judged_now(setting: Setting, clients: Clients, slot: str) -> AuthorityJudgement:
    """Read every instance of one slot and judge it now."""
    reading = read_authority(setting.environment, slot, clients)
    return judge(reading, setting.environment.halt_authority, setting.clock.now())


def prove_authority(
    setting: Setting, opener: Opener, journal: Journal, run: str, moment: str
) -> None:
    """Ask production and the slot that is to take traffic; one record each, whatever happens.

    After an answer without proof it is not asked again at once: what two ask at the same moment is
    one look, and a loss takes several (`LOOK_GAP_S_MIN`).
    """
    environment = setting.environment
    halt = environment.halt_authority
    _wait_since_the_last_no(setting, journal)
    slots = ("production", environment.surface(halt.surface).stable_slot)
    clients = opener(Scope(run=run, step=f"authority-{moment}", phase=Phase.OBSERVE))
    try:
        answers = clients.together(
            [partial(_answer, setting, clients, slot, moment) for slot in slots]
        )
    finally:
        opener.close(clients)
    for body in answers:
        journal.append(MAIN, RecordKind.AUTHORITY, body, durable=False)


def _answer(setting: Setting, clients: Clients, slot: str, moment: str) -> Facts:
    """What is recorded of one slot. Never raises."""
    asked = setting.clock.now()
    try:
        judged = judged_now(setting, clients, slot)
        return facts(
            slot=slot,
            verdict=judged.verdict.value,
            strength=judged.strength.value,
            reasons=judged.reasons,
            builds=judged.builds,
            moment=moment,
            asked=rfc3339(asked),
        )
    except Exception as error:  # noqa: BLE001 - what nobody foresaw is no proof, and is recorded
        foreseen = isinstance(error, RollbackError)
        return facts(
            slot=slot,
            verdict="unknown",
            strength="strong",
            reasons=(str(error) if foreseen else type(error).__name__,),
            builds=(),
            moment=moment,
            asked=rfc3339(asked),
        )


def last_of_production(journal: Journal) -> Record | None:
    """The latest answer of what users are on."""
    return next(
        (
            record
            for record in reversed(journal.records())
            if record.kind is RecordKind.AUTHORITY and record.text("slot") == "production"
        ),
        None,
    )


def _wait_since_the_last_no(setting: Setting, journal: Journal) -> None:
    last = last_of_production(journal)
    if last is None or last.text("verdict") == "retained":
        return
    since = (setting.clock.now() - last.at).total_seconds()
    if 0 <= since < LOOK_GAP_S_MIN:
        setting.clock.sleep(LOOK_GAP_S_MIN - since)


STILL_WORKS = "nobody is moved without proof; halts and captures still go out"
"""What a loss leaves: said with it."""


class AuthorityWatch:
    """Asks every watch interval until the run ends."""

    def __init__(
        self,
        setting: Setting,
        opener: Opener,
        journal: Journal,
        run: str,
        said: Callable[[str, str, str], None],
    ) -> None:
        """Nothing is asked before `__enter__`."""
        self._setting = setting
        self._opener = opener
        self._journal = journal
        self._run = run
        self._said = said
        self._told = Verdict.RETAINED.value
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="authority", daemon=True)

    def _watch(self) -> None:
        interval = max(1, self._setting.environment.halt_authority.watch_interval_s)
        while not self._stop.wait(interval):
            try:
                prove_authority(self._setting, self._opener, self._journal, self._run, "watch")
                self._tell()
            except Exception as error:  # noqa: BLE001 - a watch that dies would watch nothing
                self._said("authority not watched", "authority", type(error).__name__)

    def _tell(self) -> None:
        """Say at once where what users are on is proved no more, or is again; once a change."""
        last = last_of_production(self._journal)
        if last is None or last.text("verdict") == self._told:
            return
        self._told = last.text("verdict")
        reasons = last.get("reasons")
        why = "; ".join(map(str, reasons)) if isinstance(reasons, tuple) else ""
        means = "" if self._told == Verdict.RETAINED.value else f"; {STILL_WORKS}"
        self._said("authority", "production", f"{self._told}: {why}{means}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30)
