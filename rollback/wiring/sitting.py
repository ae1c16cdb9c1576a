"""One sitting of a run: the parts it works with, put together once."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rollback.connectors.clients import GuardedClients, Parts
from rollback.errors import GuardRefusal
from rollback.guard.wire.canaries import own_carriers, plant
from rollback.model.base import facts
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind
from rollback.model.scope import Phase, Scope
from rollback.running.hands import never
from rollback.running.latch import JournalLatch
from rollback.running.ledger import Ledger
from rollback.running.perform import Performer
from rollback.wiring.digest_keys import DigestKeys
from rollback.wiring.discreet import DiscreetJournal, discreetly
from rollback.wiring.log import EventLog, LoggedExchanges
from rollback.wiring.scopes import JournalledExchanges, MemoryLatch, Numbers, Opener
from rollback.wiring.telling import Teller
from rollback.wiring.upkeep import evidence_path_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rollback.model.record import Record
    from rollback.running.hands import HeldLease
    from rollback.running.journal import RunJournal
    from rollback.wiring.asked import Asked
    from rollback.wiring.plan_document import PlanDocument
    from rollback.wiring.setting import Setting



class Nobody:
    """Where nobody can be asked."""

    def attest(self, about: str, statement: str) -> tuple[str, str] | None:
        """Nobody answers."""
        del about, statement
        return None


@dataclass(frozen=True, slots=True)
class Sitting:
    """The parts of one sitting. evidence: the folder of the plan's local evidence.

    say: tells whoever listens, without secrets, and raises nothing.
    """

    setting: Setting
    document: PlanDocument
    journal: RunJournal
    asked: Asked
    run: str
    ledger: Ledger
    opener: Opener
    evidence: str
    say: Teller
    log: EventLog

    @classmethod
    def of(
        cls,
        setting: Setting,
        document: PlanDocument,
        journal: RunJournal,
        asked: Asked,
        run: str,
        folder: Path | None = None,
    ) -> Sitting:
        """Put the parts together; nothing is sent. folder: the run's own, where it has one."""
        from rollback.wiring.evidence import sink_for

        journal = DiscreetJournal(journal, setting.secrets)
        ledger = Ledger(document.plan, journal, emergency=_emergency)
        keys = DigestKeys(setting, run, folder)
        parts = Parts(
            environment=setting.environment,
            secrets=setting.secrets,
            clock=setting.clock,
            randomness=setting.randomness,
            digest_key=keys.settings(),
            field_key=keys.fields,
            stopping=asked.stopping,
        )

        log = EventLog(
            setting.secrets.redact, run=run, environment=document.plan.environment
        )
        say = Teller(asked.progress, setting.secrets.redact, log)
        sink = sink_for(setting, ledger, lambda wire: GuardedClients(wire, parts).objects(), say)
        parts = replace(parts, sink=sink)
        opener = Opener(
            setting.environment,
            parts,
            ledger,
            JournalLatch(journal),
            LoggedExchanges(JournalledExchanges(journal), log),
            setting.clock,
            Numbers(_counted_to(journal.records())),
        )
        # The plan's own: it may have been made with another folder of state, or elsewhere.
        here = str(setting.state.root / "evidence" / document.plan.nonce)
        evidence = evidence_path_of(document.plan) or here
        return cls(setting, document, journal, asked, run, ledger, opener, evidence, say, log)

    def performer(self, lease: HeldLease) -> Performer:
        """What acts for this sitting."""
        return Performer(
            plan=self.document.plan,
            environment=self.setting.environment,
            catalogue=self.setting.catalogue,
            clients=self.opener,
            close=self.opener.close,
            journal=self.journal,
            ledger=self.ledger,
            clock=self.setting.clock,
            people=self.asked.people or Nobody(),
            progress=self.say,
            lease=lease,
            run=self.run,
            evidence_path=self.evidence,
            stopping=self.asked.stopping or never,
            discreet=partial(discreetly, secrets=self.setting.secrets),
        )

    def prove_guard(self) -> None:
        """Forbidden requests through a client of each kind, before anything else is done.

        Raises GuardRefusal where one is not caught: then nothing at all is sent (promise
        fail-closed). Each client that is then built to apply is proved likewise, by its wire.
        """
        scope = Scope(run=self.run, step="canaries", phase=Phase.APPLY)
        wire = replace(self.opener.wire(scope, MemoryLatch()), environment=None)
        try:
            results = plant(wire, self.setting.environment, own_carriers(wire))
        except GuardRefusal as error:
            body = facts(all_caught=False, caught=0, problem=error.reason)
            self.journal.append(MAIN, RecordKind.CANARIES, body, durable=True)
            raise
        body = facts(
            all_caught=all(one.caught for one in results),
            caught=len(results),
            kinds=tuple(sorted({f"{one.kind} in {one.carrier}" for one in results})),
        )
        self.journal.append(MAIN, RecordKind.CANARIES, body, durable=False)


def _counted_to(records: Sequence[Record]) -> int:
    """From where a sitting counts its requests: past whatever the sittings before it sent."""
    told = (record.text("request_id").rpartition(".")[2] for record in records)
    last = max((int(number) for number in told if number.isdecimal()), default=0)
    # A thousand further: what was sent when a process died may stand in no record.
    return 0 if last == 0 else (last // 1000 + 1) * 1000


def _emergency(line: str) -> None:
    """The intent of a move toward safety that no journal takes.

    Where standard error is gone too it goes out all the same: halting waits for nothing.
    """
    if sys.stderr is None:  # an embedder may have none
        return
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
