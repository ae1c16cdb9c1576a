"""The rules of a bundle that the journal decides: which plan, which head, which captures."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from rollback.evidence import windows as captured
from rollback.evidence.bundle import CAPTURES, DRIFT, JOURNAL, MANIFEST, PLAN
from rollback.evidence.chunks import sha256
from rollback.model import journal
from rollback.model.drift import CONTROL_DRIFT
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from rollback.evidence.problems import Findings
    from rollback.model.evidence import Chunk, Manifest, SourceWindow
    from rollback.model.record import Record

PLANNED: Final = ("playbook", "environment", "owner", "incident", "tool_version")
"""Fields of the plan that a manifest repeats."""


def plan_and_journal(work: Findings) -> tuple[Record, ...]:
    """V5, V6, V7; the records, where the chain holds."""
    plan = work.contents.get(PLAN)
    if plan is not None and sha256(plan) != work.manifest.plan_sha256:
        work.wrong("V5", PLAN, "not the plan that the manifest names")
    for name in _not_as_planned(plan or b"{}", work.manifest):
        work.wrong("V5", MANIFEST, f"its {name} is not the plan's")
    data = work.contents.get(JOURNAL)
    if data is None:
        return ()
    check = journal.verify(data)
    if not check.holds:
        work.wrong("V6", JOURNAL, check.problem, line=check.line, byte=check.good_bytes)
        return ()
    if check.torn_bytes:
        work.wrong("V6", JOURNAL, "it ends in the middle of a line", byte=check.good_bytes)
    if (check.head, len(check.records)) != (
        work.manifest.journal_head,
        work.manifest.journal_records,
    ):
        what = f"it ends after {len(check.records)} records, not at the head that was sealed"
        work.wrong("V6", JOURNAL, what, line=len(check.records))
    if check.run and check.run != work.manifest.run:
        work.wrong("V6", JOURNAL, f"the journal of run {check.run}")
    for record in check.records:
        opened_for = record.text("plan") or record.text("plan_sha256")
        if record.kind is RecordKind.OPENED and opened_for not in ("", work.manifest.plan_sha256):
            work.wrong("V5", JOURNAL, "it was opened for another plan", line=1)
    if captured.spooled(check.records) is not work.manifest.spooled:
        work.wrong("V7", MANIFEST, "whether the spool was used is not what the journal recorded")
    try:
        _captures(work, captured.lists(check.records))
    except ValueError:
        work.wrong("V7", JOURNAL, "a record of a capture names no list of windows")
    _drift(work, check.records)
    return check.records


def _drift(work: Findings, records: tuple[Record, ...]) -> None:
    """V7: the brief is the one that the journal noted last; there where one was, and only there."""
    noted = [
        record.text("sha256")
        for record in records
        if record.kind is RecordKind.NOTE and record.text("code") == CONTROL_DRIFT
    ]
    data = work.contents.get(DRIFT)
    if (noted[-1] if noted else "") != ("" if data is None else sha256(data)):
        work.wrong("V7", DRIFT, "not the brief that the journal noted")


def _not_as_planned(plan: bytes, manifest: Manifest) -> tuple[str, ...]:
    """What the manifest repeats of the plan, and repeats wrongly: people sign the plan."""
    try:
        content = json.loads(plan)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(content, dict):
        return ()
    return tuple(
        name for name in PLANNED if name in content and content[name] != getattr(manifest, name)
    )


def _captures(work: Findings, lists: tuple[tuple[str, Chunk], ...]) -> None:
    """V7: what the journal recorded, list by list, is what the manifest says; each as often."""
    held = Counter(work.manifest.windows)
    told: Counter[SourceWindow] = Counter()
    named = set()
    unread = False
    for moment, chunk in lists:
        path = f"{CAPTURES}/{chunk.content_sha256}.json"
        named.add(path)
        own = captured.own_window(moment, chunk)
        told[own] += 1
        if held[own] < told[own]:
            what = "the journal names this list of windows; the manifest does not"
            work.wrong("V7", path, what)
            unread = True
            continue
        data = work.contents.get(path)
        if data is None:
            work.wrong("V7", path, "a list of windows that the journal names is not here")
            unread = True
            continue
        if sha256(data) != chunk.content_sha256:
            work.wrong("V7", path, "not the list that the journal recorded")
            unread = True
            continue
        try:
            windows = captured.parsed(data)
        except ValueError:
            work.wrong("V7", path, "not a list of windows")
            unread = True
            continue
        told.update(windows)
        if any(held[one] < told[one] for one in windows):
            work.wrong("V7", MANIFEST, f"a window of {path} is left out or changed")
    extra = held - told
    if extra and not unread:
        first = min(one.source for one in extra)
        work.wrong("V7", MANIFEST, f"window {first} is in no capture that the journal records")
    for path in sorted(path for path in work.contents if path.startswith(f"{CAPTURES}/")):
        if path not in named:
            work.wrong("V7", path, "a list of windows that the journal does not name")
