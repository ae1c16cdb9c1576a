"""From the platform into a locked bucket through the real SDK, sealed, and verified offline."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785

from rollback.actions.snapshot_audit_logs import SnapshotAuditLogs
from rollback.evidence.bundle import Sealing, seal
from rollback.evidence.sinks import sink_of
from rollback.evidence.stores import BucketStore, FolderStore
from rollback.evidence.verify import verify_bundle
from rollback.model.base import Fact, facts
from rollback.model.change import Update
from rollback.model.effect import FileWrite, HttpWrite
from rollback.model.observation import World
from rollback.model.record import Outcome, RecordKind
from rollback.model.scope import Phase
from rollback.model.steps import SnapshotAuditLogs as Spec
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.s3 import S3Server
from tests.actions.loopback import VARIABLES, Opened, context, environment, opened
from tests.evidence.sealed import PLAN_BYTES, journal_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rollback.model.environment import Environment
    from rollback.model.ports import EvidenceSink
    from rollback.rehearsal.simulator.process import Simulator

ACTION = SnapshotAuditLogs()
PREFIX = "evidence/"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server.start(tmp_path_factory.mktemp("s3")) as running:
        yield running


def stored(sim: Simulator, bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setitem(VARIABLES, "AWS_ID", "rehearsal")
    monkeypatch.setitem(VARIABLES, "AWS_SECRET", "rehearsal-s3-secret")
    store: dict[str, Any] = {
        "kind": "s3",
        "endpoint": bucket.endpoint,
        "region": "eu-west-1",
        "bucket": names.EVIDENCE_BUCKET,
        "prefix": PREFIX,
        "access_key_id": "${AWS_ID}",
        "secret_access_key": "${AWS_SECRET}",
        "retention_days": 1,
    }
    return environment(sim, evidence={"store": store})


def sink(under: Opened) -> EvidenceSink:
    return sink_of(
        under.wire.scope,
        under.ledger,
        objects=under.clients.objects,
        prefix=PREFIX,
        redact=under.secrets.redact_bytes,
    )


def captured(env: Environment, spool: Path) -> tuple[Update, tuple[Fact, ...], Outcome | None]:
    step = context(env, Spec(), "capture", created=datetime.now(UTC), evidence_path=str(spool))
    (change,) = ACTION.plan(step, World()).changes
    assert isinstance(change, Update)
    with opened(env, change.effects, phase=Phase.APPLY, sink=sink) as under:
        performed = ACTION.perform(step, change, under.clients).facts
        assert under.latch.tripped() is None
        return change, performed, ACTION.look(step, change, under.clients, performed).outcome


def sealed_from(env: Environment, change: Update, performed: tuple[Fact, ...], folder: Path) -> None:
    put, spool = change.effects
    assert isinstance(put, HttpWrite)
    assert isinstance(spool, FileWrite)
    from pathlib import Path

    local = FolderStore(Path(spool.path), lambda _: None)
    body = tuple(Fact(name=f"performed/{one.name}", value=one.value) for one in performed)
    journal = journal_of(
        (RecordKind.OPENED, facts(plan="")), (RecordKind.EVIDENCE, (*facts(step="capture"), *body))
    )
    planned = {"environment": env.environment, "owner": env.owner.name, "incident": None}
    sealing = Sealing(
        run="r-1",
        playbook="full-rollback",
        environment=env.environment,
        owner=env.owner.name,
        incident=None,
        plan=rfc8785.dumps(json.loads(PLAN_BYTES) | planned),
        journal=journal,
        created=datetime.now(UTC),
        created_by="ana@example.net",
        tool_version="0.1.0",
        store="s3",
    )
    with opened(env) as under:
        remote = BucketStore(under.clients.s3(), put, PREFIX)
        seal(folder, sealing, lambda name: remote.get(name) or local.get(name))


def test_a_capture_into_a_locked_bucket_becomes_a_bundle(
    simulator: Simulator, bucket: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = stored(simulator, bucket, monkeypatch)
    change, performed, outcome = captured(env, tmp_path / "spool")
    assert outcome is Outcome.APPLIED
    assert not (tmp_path / "spool").exists()
    sealed_from(env, change, performed, tmp_path / "bundle")
    check = verify_bundle(tmp_path / "bundle")
    assert check.problems == ()
    assert check.manifest is not None
    assert not check.manifest.spooled
    assert check.chunks > 10


def test_a_full_bucket_leaves_the_spool_and_still_a_bundle(
    simulator: Simulator, bucket: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = stored(simulator, bucket, monkeypatch)
    bucket.refuse_puts()
    try:
        change, performed, outcome = captured(env, tmp_path / "spool")
    finally:
        bucket.accept_puts()
    assert outcome is Outcome.APPLIED
    assert {one.name: one.value for one in performed}["spooled"] is True
    sealed_from(env, change, performed, tmp_path / "bundle")
    check = verify_bundle(tmp_path / "bundle")
    assert check.problems == ()
    assert check.manifest is not None
    assert check.manifest.spooled
