"""Evidence captured from the simulated platform with the real clients."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollback.actions.snapshot_audit_logs import SnapshotAuditLogs
from rollback.connectors import app_service as log_reading
from rollback.errors import EvidenceNotWritten
from rollback.evidence.chunks import unpacked
from rollback.evidence.sinks import NOTES, sink_of
from rollback.evidence.sources import app_service as log_lines
from rollback.evidence.stores import FolderStore
from rollback.evidence.windows import parsed
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.change import RefusedChange, Update
from rollback.model.effect import FileWrite
from rollback.model.observation import World
from rollback.model.record import Outcome
from rollback.model.scope import Phase, VerdictKind
from rollback.model.steps import SnapshotAuditLogs as Spec
from rollback.rehearsal.simulator import names
from tests.actions.loopback import Opened, context, environment, opened

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Environment
    from rollback.model.evidence import SourceWindow
    from rollback.model.ports import EvidenceSink, StepContext
    from rollback.rehearsal.simulator.process import Simulator

ACTION = SnapshotAuditLogs()
SECRET = "planted-5f1c0d"


def folder_sink(under: Opened) -> EvidenceSink:
    return sink_of(
        under.wire.scope,
        under.ledger,
        objects=under.clients.objects,
        prefix="",
        redact=under.secrets.redact_bytes,
    )


class Captured:
    """One capture, done."""

    def __init__(self, step: StepContext) -> None:
        (change,) = ACTION.plan(step, World()).changes
        assert isinstance(change, Update)
        self.change = change
        env = step.environment
        for effect in change.effects:
            judged = judge_effect(effect, perimeter_of(env), env, step.evidence_path)
            assert judged.kind is VerdictKind.ALLOW
        with opened(env, change.effects, phase=Phase.APPLY, sink=folder_sink) as under:
            self.facts: Facts = ACTION.perform(step, change, under.clients).facts
            self.latched = under.latch.tripped()
            self.spent = under.ledger.spent
            self.look = ACTION.look(step, change, under.clients, self.facts)
        self.told = {fact.name: fact.value for fact in self.facts}
        folders = [Path(one.path) for one in change.effects if isinstance(one, FileWrite)]
        self.stores = [FolderStore(folder, lambda _: None) for folder in folders]
        self.windows = parsed(self.content(str(self.told["windows_sha256"])))

    def content(self, name: str) -> bytes:
        stored = next(data for store in self.stores if (data := store.get(name)) is not None)
        return unpacked(stored)

    def window(self, source: str) -> SourceWindow:
        return next(one for one in self.windows if one.source == source)

    def lines(self, source: str) -> list[Any]:
        content = b"".join(self.content(one.sha256) for one in self.window(source).chunks)
        return [json.loads(line) for line in content.splitlines()]

    @property
    def everything(self) -> bytes:
        names_ = [one.sha256 for window in self.windows for one in window.chunks]
        return b"".join(map(self.content, [*names_, str(self.told["windows_sha256"])]))


def stored(tmp_path: Path, sim: Simulator | None = None, **changes: Any) -> Environment:
    evidence = {"store": {"kind": "folder", "path": str(tmp_path / "store")}, **changes}
    cosmos = {
        "endpoint": f"https://{names.COSMOS_HOST}:443/",
        "database": names.DATABASE,
        "key": "${COSMOS_KEY}",
        "control_containers": ["dynamic_config", "trading_controls"],
        "audit_containers": ["audit_log", "operational_events"],
    }
    return environment(sim, evidence=evidence, cosmos=cosmos)


def step_of(env: Environment, tmp_path: Path, name: str = "capture", **spec: Any) -> StepContext:
    return context(
        env,
        Spec(**spec),
        name,
        created=datetime.now(UTC),
        evidence_path=str(tmp_path / "spool"),
    )


def test_everything_is_captured(simulator: Simulator, tmp_path: Path) -> None:
    step = step_of(stored(tmp_path, simulator), tmp_path)
    made = Captured(step)
    assert made.latched is None
    assert made.told["incomplete"] == ()
    assert made.told["spooled"] is False
    assert made.look.outcome is Outcome.APPLIED
    assert {one.source for one in made.windows} == {
        *(
            f"{surface}/{source}"
            for surface in ("backend", "web")
            for source in (
                "routing-rules",
                "settings-difference",
                "worker-logs",
                "probe-answers",
                "deployments",
                "activity-log",
            )
        ),
        *("authority/backend", "feature-flags", "trading-control", "open-orders"),
        *("cosmos-control/dynamic_config", "cosmos-control/trading_controls"),
        *("cosmos/audit_log", "cosmos/operational_events"),
    }
    moments = {one.moment for one in made.windows}
    assert moments == {"at/capture", "durable"}
    assert len(made.lines("backend/probe-answers")) == 6
    held = simulator.control.world().containers["audit_log"].documents
    since = (step.created or datetime.now(UTC)) - timedelta(days=1)
    wanted = [one for one in held if one["_ts"] >= int(since.timestamp())]
    assert {one["id"] for one in made.lines("cosmos/audit_log")} == {one["id"] for one in wanted}
    states = {fact.name for fact in made.window("cosmos-control/trading_controls").facts}
    assert states == {"state_sha256", "request_units_hundredths"}
    (late,) = made.window("web/activity-log").facts
    assert (late.name, late.value) == ("late_s_max", 1200)
    assert not [one for one in simulator.control.changes() if one.principal.startswith("key")]


def test_units_that_were_spent_before_an_interruption_are_spent(
    simulator: Simulator, tmp_path: Path
) -> None:
    """A capture that is killed again and again has one budget."""
    env = stored(tmp_path, simulator)
    name = f"{hashlib.sha256(b'capture').hexdigest()[:16]}.jsonl"
    notes = tmp_path / "spool" / NOTES / name
    notes.parent.mkdir(parents=True)
    notes.write_text('{"spent":["cosmos/audit_log","",99999999900]}\n')
    made = Captured(step_of(env, tmp_path, sources="durable"))
    gone = [one.reason for one in made.windows if one.source.startswith("cosmos")]
    assert len(gone) == 4
    assert all("request units is spent" in reason for reason in gone)


def test_a_capture_before_a_step_takes_what_is_volatile(
    simulator: Simulator, tmp_path: Path
) -> None:
    step = step_of(
        stored(tmp_path, simulator),
        tmp_path,
        "capture-before/revert-web",
        window="run",
        sources="volatile",
    )
    made = Captured(step)
    assert {one.moment for one in made.windows} == {"before/revert-web"}
    assert not [one for one in made.windows if "cosmos" in one.source]


def test_a_second_capture_sends_only_what_is_new(simulator: Simulator, tmp_path: Path) -> None:
    step = step_of(stored(tmp_path, simulator), tmp_path, sources="durable")
    first, second = Captured(step), Captured(step)
    assert len(second.spent) < len(first.spent)
    assert second.look.outcome is Outcome.APPLIED
    assert second.window("cosmos/audit_log").chunks == first.window("cosmos/audit_log").chunks


def test_an_operators_change_of_a_control_document_shows(
    simulator: Simulator, tmp_path: Path
) -> None:
    step = step_of(stored(tmp_path, simulator), tmp_path, sources="durable")
    before = Captured(step)
    simulator.control.act("halt_trading", scope="strategy:alpha", by="operator:kim")
    after = Captured(step)
    simulator.control.act("halt_trading", scope="strategy:alpha", halted=False)

    def state(made: Captured, container: str) -> object:
        told = {one.name: one.value for one in made.window(f"cosmos-control/{container}").facts}
        return told["state_sha256"]

    assert state(before, "trading_controls") != state(after, "trading_controls")
    assert state(before, "dynamic_config") == state(after, "dynamic_config")


def test_cosmos_unreachable_is_said_and_stops_nothing(
    simulator: Simulator, tmp_path: Path
) -> None:
    simulator.control.fault("cosmos_unreachable")
    env = stored(tmp_path, simulator)
    step = step_of(env, tmp_path)
    with opened(env) as under:
        world = World(observations=ACTION.observe(step, under.clients))
    (found,) = ACTION.plan(step, world).findings
    assert found.code == "evidence.cosmos-unreachable"
    made = Captured(step)
    window = made.window("cosmos/audit_log")
    assert window.completeness == "unknown"
    assert window.reason
    assert made.window("backend/routing-rules").completeness == "complete"
    assert made.look.outcome is Outcome.APPLIED
    assert "incomplete" in made.look.reason


@pytest.mark.parametrize(
    ("fault", "path", "gap"),
    [
        ("drop", "/instances", "staging: "),
        ("drop", "/api/control/authority", "production "),
        ("status", "/api/control/authority", ""),
    ],
    ids=["no list of instances", "no answer", "an answer that denies"],
)
def test_authority_that_nobody_could_ask_for_is_a_gap(
    simulator: Simulator, tmp_path: Path, fault: str, path: str, gap: str
) -> None:
    simulator.control.fault(fault, path=path, count=0)
    window = Captured(step_of(stored(tmp_path, simulator), tmp_path, sources="volatile")).window("authority/backend")
    assert window.items == 2
    assert (window.completeness == "partial") is bool(gap)
    assert gap in window.reason


def test_throttling_is_waited_for(simulator: Simulator, tmp_path: Path) -> None:
    simulator.control.fault("cosmos_429", count=3, retry_after_ms=5)
    made = Captured(step_of(stored(tmp_path, simulator), tmp_path, sources="durable"))
    assert made.window("cosmos/audit_log").completeness == "complete"
    assert made.told["incomplete"] == ()


def test_a_log_cut_at_its_bound_says_so_and_begins_with_a_line(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line it was cut in may begin with half a secret, which nobody would know for one."""
    step = step_of(stored(tmp_path, simulator), tmp_path, sources="volatile")
    whole = [line["text"] for line in Captured(step).lines("web/worker-logs")]
    for module in (log_reading, log_lines):
        monkeypatch.setattr(module, "LOG_BYTES_MAX", len(whole[-1]) + 10)
    made = Captured(step)
    window = made.window("web/worker-logs")
    assert window.completeness == "partial"
    assert f"only the last {len(whole[-1]) + 1:,} bytes of its log were kept" in window.reason
    assert whole[-1] in [line["text"] for line in made.lines("web/worker-logs")]
    assert {line["text"] for line in made.lines("web/worker-logs")} <= set(whole)


def test_a_log_of_no_line_is_a_gap(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell one that nothing was written to from one that is switched off."""
    monkeypatch.setattr(log_reading, "_bounded", lambda *_: b"")
    step = step_of(stored(tmp_path, simulator), tmp_path, sources="volatile")
    window = Captured(step).window("web/worker-logs")
    assert (window.completeness, window.items) == ("unknown", 0)
    assert "trading-web/staging: no line came" in window.reason


def test_no_secret_is_in_what_is_stored(simulator: Simulator, tmp_path: Path) -> None:
    simulator.control.fault("plant_secret", secret=SECRET)
    made = Captured(step_of(stored(tmp_path, simulator), tmp_path))
    assert b"PAYMENTS_CONNECTION" in made.everything
    assert SECRET.encode() not in made.everything
    assert names.OPERATOR_TOKEN.encode() not in made.everything
    assert names.COSMOS_KEY.encode() not in made.everything


def test_personal_data_is_redacted_by_rule(simulator: Simulator, tmp_path: Path) -> None:
    env = stored(tmp_path, simulator, redact=["actor"])
    made = Captured(step_of(env, tmp_path, sources="durable"))
    actors = {one["actor"] for one in made.lines("cosmos/audit_log")}
    assert actors
    assert all(actor.startswith("[redacted ") for actor in actors)


def test_a_store_that_fails_leaves_the_spool(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    made = Captured(step_of(stored(tmp_path, simulator), tmp_path, sources="volatile"))
    assert made.told["spooled"] is True
    assert "spool" in made.look.reason


def test_without_store_and_spool_nothing_is_written(simulator: Simulator, tmp_path: Path) -> None:
    for name in ("store", "spool"):
        (tmp_path / name).write_text("not a folder")
    with pytest.raises(EvidenceNotWritten):
        Captured(step_of(stored(tmp_path, simulator), tmp_path, sources="volatile"))


def test_a_budget_that_is_spent_is_a_gap(simulator: Simulator, tmp_path: Path) -> None:
    env = stored(tmp_path, simulator, chunks_max=6)
    made = Captured(step_of(env, tmp_path))
    assert any("budget of 6 chunks" in one.reason for one in made.windows)
    assert len(made.spent) <= 6


def test_an_interrupted_capture_is_not_a_capture(tmp_path: Path) -> None:
    env = stored(tmp_path)
    step = step_of(env, tmp_path)
    (change,) = ACTION.plan(step, World()).changes
    assert isinstance(change, Update)
    with opened(env) as under:
        assert ACTION.look(step, change, under.clients, ()).outcome is Outcome.NOT_APPLIED


def test_sources_of_the_environment_are_captured_and_commands_are_said(
    simulator: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "app.log").write_text("one\ntwo\n")
    env = stored(
        tmp_path,
        simulator,
        files=[{"name": "app", "path": str(tmp_path / "app.log")}],
        commands=[{"name": "state", "argv": ["echo", "all is well"]}],
        answers=[{"name": "gates", "host": "trading-web.azurewebsites.net", "path": "/release.json"}],
    )
    step = step_of(env, tmp_path, sources="volatile")
    (said,) = [one for one in ACTION.plan(step, World()).findings if one.code == "evidence.commands"]
    assert "echo 'all is well'" in said.text
    made = Captured(step)
    assert [one["text"] for one in made.lines("files/app")] == ["one", "two"]
    assert [one["text"] for one in made.lines("commands/state")] == ["all is well"]
    assert made.lines("answers/gates")[0]["status"] == 200


def test_the_captures_of_a_run_redact_alike(simulator: Simulator, tmp_path: Path) -> None:
    """So a second one sends nothing again, and equal people stay equal between the two."""
    step = step_of(stored(tmp_path, simulator, redact=["actor"]), tmp_path, sources="durable")
    first, second = Captured(step), Captured(step)
    assert first.window("cosmos/audit_log").chunks == second.window("cosmos/audit_log").chunks
    assert len(second.spent) < len(first.spent)


def test_nowhere_to_put_evidence_is_refused() -> None:
    env = environment(evidence={})
    (refused,) = ACTION.plan(context(env, Spec()), World()).changes
    assert isinstance(refused, RefusedChange)
    assert refused.promise == "evidence-first"
