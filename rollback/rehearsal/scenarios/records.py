"""Where evidence and journals cannot be written, secrets, and nobody who signs."""

from __future__ import annotations

from typing import Any

from rollback.rehearsal import acts
from rollback.rehearsal.scenario import Scenario
from rollback.rehearsal.scenarios.worlds import auto_swap_on


def _store_nowhere(content: dict[str, Any]) -> dict[str, Any]:
    """A folder under a file: nothing can be written there."""
    return {**content, "evidence": {"store": {"kind": "folder", "path": "allowed_signers/no"}}}


def _bare(content: dict[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in content.items() if name not in ("lease", "evidence")}
    return {**left, "lease": {"ttl_s": 3}, "evidence": {}}


RECORDS: tuple[Scenario, ...] = (
    Scenario(
        "evidence-store-fails",
        "the evidence store takes nothing: the local spool stands in, and says so",
        (0, 9),
        world=auto_swap_on,
        settings=_store_nowhere,
        play=acts.halt_went_out,
    ),
    Scenario(
        "disk-full",
        "the disk is full under the journal: the halt goes out, nobody is moved",
        (9,),
        world=auto_swap_on,
        play=acts.disk_full,
        unrecorded=True,
        swaps=0,
    ),
    Scenario(
        "secret-planted",
        "a secret stands in settings, error bodies and tokens: it is in no output",
        (0,),
        play=acts.secret_planted,
        swaps=1,
    ),
    Scenario(
        "no-approvals-no-store-no-lease",
        "nobody signed, no store, no shared lease: the halt goes out, then it stops",
        (4,),
        world=auto_swap_on,
        settings=_bare,
        approvals=0,
        play=acts.halt_went_out,
        swaps=0,
    ),
    Scenario(
        "no-approvals",
        "nobody signed: what is safe is applied, then it stops",
        (4,),
        approvals=0,
        swaps=0,
    ),
)
