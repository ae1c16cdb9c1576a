"""Known mistakes: what becomes what, in which file, and the cheapest schedules that catch them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: in which file, what becomes what, and the aimed schedules tried first.

    A mistake that those do not catch is looked for in the whole slice of CI.
    """

    name: str
    file: str
    old: str
    new: str
    first: tuple[str, ...] = ("halt-clean",)


MUTANTS = (
    Mutant(
        "outcome-recorded-before-effect",
        "rollback/running/perform.py",
        """            performed, problem = self._send(planned)
""",
        """            self.outcome(planned, Look(Outcome.APPLIED, "sent"))
            performed, problem = self._send(planned)
""",
    ),
    Mutant(
        "intent-not-recorded",
        "rollback/running/ledger.py",
        """            durable = effect.purpose is not Purpose.EVIDENCE
            self._journal.append(MAIN, RecordKind.INTENT, body, durable=durable)
""",
        """            if effect.purpose is Purpose.EVIDENCE:
                self._journal.append(MAIN, RecordKind.INTENT, body, durable=False)
""",
    ),
    Mutant(
        "intent-not-durable",
        "rollback/running/ledger.py",
        "            durable = effect.purpose is not Purpose.EVIDENCE\n",
        "            durable = False\n",
    ),
    Mutant(
        "resume-trusts-the-intent",
        "rollback/running/perform.py",
        """        self._look(planned, performed, "its answer was lost", sent=unrecorded)
""",
        """        self.outcome(planned, Look(Outcome.APPLIED, "it was sent"))
""",
        ("died-before-the-swap",),
    ),
    Mutant(
        "swap-given-back-and-sent-again",
        "rollback/running/drive.py",
        "    if effects and given < limit and (change.absolute or spoken):\n",
        "    if effects and given < limit:\n",
        ("swap-delivered-late",),
    ),
    Mutant(
        "swap-retried-at-once",
        "rollback/running/perform.py",
        """            return planned.action.perform(planned.context, planned.change, clients).facts, ""
        except JournalBroken:
            raise
""",
        """            try:
                done = planned.action.perform(planned.context, planned.change, clients)
            except ConnectorError:
                done = planned.action.perform(planned.context, planned.change, clients)
            return done.facts, ""
        except JournalBroken:
            raise
""",
        ("swap-answer-lost",),
    ),
    Mutant(
        "permission-not-consumed",
        "rollback/running/ledger.py",
        """        account.sent += 1
        account.bytes_sent += shape.body_bytes
""",
        """        account.bytes_sent += shape.body_bytes
""",
    ),
    Mutant(
        "lease-not-checked-after-a-pause",
        "rollback/wiring/leases.py",
        "        return still_ours(self._grant, self._monotonic(), self._ttl_s)\n",
        "        return 0 if self._grant is None else self._grant.fence\n",
        ("paused-between-look-and-send",),
    ),
    Mutant(
        "old-authority-accepted",
        "rollback/running/preflight.py",
        "        return seen is not None and 0 <= (now - seen.at).total_seconds() <= halt.age_s_max\n",
        "        return seen is not None\n",
        ("proof-grows-old-while-looking",),
    ),
    Mutant(
        "clock-trusted-when-set-back",
        "rollback/running/fold.py",
        "            self._state = replace(self._state, authority=())\n        match",
        "            pass\n        match",
        ("clock-set-back-while-looking",),
    ),
    Mutant(
        "authority-not-watched",
        "rollback/wiring/apply.py",
        "        with watch if moves else _Still(), ThreadPool",
        "        with _Still(), ThreadPool",
        ("authority-lost-while-a-step-is-stuck",),
    ),
    Mutant(
        "authority-watched-by-who-may-be-stuck",
        "rollback/wiring/authority.py",
        "            try:\n                prove_authority(self._setting",
        "            if any(one.kind is RecordKind.LEASED for one in self._journal.records()):\n"
        "                return\n"
        "            try:\n                prove_authority(self._setting",
        ("proof-grows-old-while-looking",),
    ),
    Mutant(
        "loss-of-authority-not-told",
        "rollback/wiring/authority.py",
        "                self._tell()\n",
        "                pass\n",
        ("authority-lost-while-a-step-is-stuck",),
    ),
    Mutant(
        "capture-skipped-when-the-store-is-slow",
        "rollback/actions/capturing.py",
        """    for wanted in (False, True):
""",
        """    begun = shared.clients.now()
    for wanted in (False, True):
        if (shared.clients.now() - begun).total_seconds() > 30:
            return tuple(made.values())
""",
        ("store-slow",),
    ),
    Mutant(
        "capture-said-where-the-store-is-full",
        "rollback/evidence/sinks.py",
        """                    self._store, self._why, self._failed = None, error.reason, True
""",
        """                    self._store, self._why, self._failed = None, error.reason, True
                return str(__import__("hashlib").sha256(data).hexdigest())
""",
        ("store-full-once",),
    ),
    Mutant(
        "one-host-sampled",
        "rollback/actions/outside.py",
        "    for host in surface.hosts:\n",
        "    for host in surface.hosts[:1]:\n",
        ("clean",),
    ),
    Mutant(
        "unknown-treated-as-applied",
        "rollback/running/perform.py",
        "                look = Look(Outcome.UNKNOWN, reason)\n",
        "                look = Look(Outcome.APPLIED, reason)\n",
        ("no-answer-to-any-look",),
    ),
    Mutant(
        "unknown-folded-as-applied",
        "rollback/running/fold.py",
        '                }.get(record.text("outcome"), ChangeStatus.UNKNOWN)\n',
        '                }.get(record.text("outcome"), ChangeStatus.APPLIED)\n',
        ("no-answer-to-any-look",),
    ),
    Mutant(
        "halt-held-back-by-a-full-disk",
        "rollback/running/ledger.py",
        """            if not toward:
                raise
            self._degraded""",
        """            if self._journal:
                raise
            self._degraded""",
        ("disk-full-before-the-halt",),
    ),
    Mutant(
        "halt-held-back-by-a-disk-that-broke-in-mid-run",
        "rollback/wiring/apply.py",
        "        if error.code not in UNWRITABLE or all_made(document.plan, journal):\n",
        "        if error:\n",
        ("died-before-the-halt-and-the-disk-broke-while-it-looked",),
    ),
    Mutant(
        "head-written-before-the-sync",
        "rollback/running/journal.py",
        """                self._tail.append(line + b"\\n", durable=durable)
""",
        """                digest = hashlib.sha256(line).hexdigest()
                self._head.keep(KeptHead(record.run, len(self._records) + 1, digest))
                self._tail.append(line + b"\\n", durable=durable)
""",
        ("power-cut-before-a-record-was-on-disk",),
    ),
)
