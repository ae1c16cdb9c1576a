"""The guard agrees with the oracle. The whole run: ``make guard-million``."""

from __future__ import annotations

import pytest

from rollback.guard.rules.request import Request
from rollback.guard.rules.verdicts import READS
from tests.guard.rules import agreement

CI_CASES = 10_000
MUST_DECIDE = {
    "permission": 50,
    "cosmos.read": 50,
    "resource-manager.read": 50,
    "exchange": 20,
    "exchange.action": 20,
    "exchange.field": 20,
    "cosmos.writing-header": 20,
    "permission.body": 20,
    "permission.spent": 20,
    "backend.control": 20,
    "normal.path": 50,
    "normal.streamed": 50,
}


@pytest.mark.parametrize("seed", [11, 12])
def test_no_disagreement_in_a_seeded_slice(seed: int) -> None:
    """Nothing to choose between guard and oracle, and every important rule had its say."""
    found, rules = agreement.disagreements(CI_CASES, seed)
    assert found == []
    for rule, least in MUST_DECIDE.items():
        assert rules[rule] >= least, rule


def test_a_broken_guard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: a guard that lets everything through disagrees at once."""
    from rollback.model.scope import HostKind

    def unsafe_judge(request: Request, *_: object) -> object:
        del request
        return READS[HostKind.COSMOS]

    monkeypatch.setattr(agreement, "judge", unsafe_judge)
    found, _ = agreement.disagreements(200, 11)
    assert len(found) > 50
