"""The shipped playbooks: files, typed values, and what each one must and must not do."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import playbooks
from rollback.errors import InputError
from rollback.model.playbook import Playbook, Step
from rollback.model.steps import (
    HaltRollout,
    RestoreTraffic,
    RetainTradeHalt,
    RevertDeployment,
    SnapshotAuditLogs,
    VerifyRelease,
)

ALL = [getattr(playbooks, name.replace("-", "_")) for name in playbooks.NAMES]


def step(playbook: Playbook, kind: type) -> Step:
    (found,) = [step for step in playbook.steps if isinstance(step.spec, kind)]
    return found


def before(playbook: Playbook, name: str) -> set[str]:
    """Every step that is finished before the named one starts."""
    waits = {step.name: step.after for step in playbook.steps}
    found: set[str] = set()
    open_ = list(waits[name])
    while open_:
        one = open_.pop()
        found.add(one)
        open_.extend(waits[one])
    return found


@pytest.mark.parametrize("playbook", ALL, ids=lambda playbook: playbook.playbook)
def test_a_playbook_is_named_like_its_file(playbook: Playbook) -> None:
    assert playbook.source == str(playbooks.path(playbook.playbook))
    assert playbook.retain == ("trade-halt-authority",)


def test_the_package_hands_out_one_value_a_name() -> None:
    from playbooks import full_rollback

    assert full_rollback is playbooks.full_rollback
    assert set(playbooks.NAMES) == {name.replace("_", "-") for name in dir(playbooks)} & set(
        playbooks.NAMES
    )
    with pytest.raises(AttributeError):
        importlib.import_module("playbooks").no_such_playbook  # noqa: B018


def test_an_unknown_name_is_bad_input_and_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        playbooks.find("full-rolback")
    assert caught.value.exit_status == 2
    assert "full-rollback" in caught.value.hint


def test_a_file_is_found_by_its_path() -> None:
    assert playbooks.find("full-rollback") == playbooks.path("full-rollback")
    assert str(playbooks.find("mine/incident.yaml")) == "mine/incident.yaml"
    assert str(playbooks.find("incident.yml")) == "incident.yml"


def test_full_rollback_follows_the_runbook() -> None:
    """Rows A1 to A5, each in its place."""
    full = playbooks.full_rollback
    halt, authority = step(full, HaltRollout), step(full, RetainTradeHalt)
    revert, traffic, verify = (
        step(full, kind) for kind in (RevertDeployment, RestoreTraffic, VerifyRelease)
    )
    assert isinstance(halt.spec, HaltRollout)
    assert set(halt.spec.surfaces) == {"backend", "web", "mobile"}
    assert before(full, halt.name) == set()
    assert {halt.name, authority.name} <= before(full, revert.name)
    assert isinstance(revert.spec, RevertDeployment)
    assert revert.spec.surfaces == ("mobile", "web", "backend")
    assert revert.spec.order == "by-trigger"
    assert revert.name in before(full, traffic.name)
    assert traffic.name in before(full, verify.name)
    assert isinstance(verify.spec, VerifyRelease)
    assert verify.spec.bake == 300


@pytest.mark.parametrize("playbook", ALL, ids=lambda playbook: playbook.playbook)
def test_nothing_durable_holds_up_a_revert_and_nothing_at_all_a_halt(playbook: Playbook) -> None:
    captures = {one.name for one in playbook.steps if isinstance(one.spec, SnapshotAuditLogs)}
    for one in playbook.steps:
        if isinstance(one.spec, HaltRollout):
            assert before(playbook, one.name) == set()
        if isinstance(one.spec, (RevertDeployment, RestoreTraffic, VerifyRelease)):
            assert not captures & before(playbook, one.name)
        if isinstance(one.spec, SnapshotAuditLogs):
            assert one.on_failure == "continue"


@pytest.mark.parametrize("name", ["full-rollback", "backend-only", "web-only", "halt-only"])
def test_a_playbook_that_changes_anything_ends_with_the_sealed_bundle(name: str) -> None:
    playbook: Playbook = getattr(playbooks, name.replace("-", "_"))
    last = playbook.steps[-1]
    assert isinstance(last.spec, SnapshotAuditLogs)
    assert last.spec.window == "run"
    assert before(playbook, last.name) == {one.name for one in playbook.steps[:-1]}


@pytest.mark.parametrize(("name", "surface"), [("backend-only", "backend"), ("web-only", "web")])
def test_a_one_surface_playbook_touches_one_surface(name: str, surface: str) -> None:
    playbook: Playbook = getattr(playbooks, name.replace("-", "_"))
    for one in playbook.steps:
        assert getattr(one.spec, "surfaces", (surface,)) == (surface,)


def test_halts_and_captures_on_their_own_move_no_users() -> None:
    for playbook in (playbooks.halt_only, playbooks.preserve_evidence):
        for one in playbook.steps:
            assert isinstance(one.spec, (HaltRollout, RetainTradeHalt, SnapshotAuditLogs))


def test_importing_the_package_reads_and_loads_nothing() -> None:
    code = (
        "import sys, playbooks; print(sorted(m for m in sys.modules if m in ('yaml', 'pydantic')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
