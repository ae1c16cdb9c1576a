"""``rollback evidence`` show, diff and export: what a reviewer reads, and hands to other tools."""

from __future__ import annotations

import base64
import json
import shutil
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from rollback.evidence.bundle import MANIFEST, Sealing, seal
from rollback.evidence.chunks import sha256
from rollback.evidence.stores import BucketStore
from rollback.evidence.windows import recorded
from rollback.model.base import Fact, Facts, facts
from rollback.model.evidence import SourceWindow
from rollback.model.record import RecordKind
from tests.evidence.fakes import Chunker, MemoryBucket
from tests.evidence.sealed import NOW, PLAN_BYTES, Sealed, journal_of, rewrite
from tests.evidence.test_stores import bucket_effect, sink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Rollback

STEP = facts(step="revert/web", status="done", reason="")
ASKED = facts(
    step="revert/web",
    method="GET",
    host="trading-web.azurewebsites.net",
    path="/release.json",
    request_id="r-1.revert-web.1.7",
    status=200,
    echoed=True,
    elapsed_ms=12,
)
SENT = facts(
    step="revert/backend",
    effect="revert/backend#swap",
    change="swap",
    method="POST",
    host="management.azure.com",
    path="/swap",
    request_id="r-1.revert-backend.1.1",
    attempt=1,
    direction="away-from-safety",
    purpose="platform",
)

ANSWERED = facts(
    step="revert/backend",
    method="POST",
    host="management.azure.com",
    path="/swap",
    request_id="r-1.revert-backend.1.1",
    provider_id="0c1e4a52-azure",
    status=202,
)
APPLIED = facts(step="revert/backend", change="swap", outcome="applied", reason="it serves 1.1")


def sealed_run(folder: Path, *readings: dict[str, list[Any]], plan: bytes = PLAN_BYTES) -> Path:
    """A bundle of a run with a few records, and a capture for each reading."""
    store = BucketStore(MemoryBucket(), bucket_effect(), "")
    into = sink(store, None)
    captures: list[tuple[RecordKind, Facts]] = []
    for number, reading in enumerate(readings):
        windows = []
        for source, lines in reading.items():
            chunker = Chunker(into)
            for line in lines:
                chunker.add(json.dumps(line).encode())
            chunker.flush()
            whole = not source.endswith("short")
            windows.append(
                SourceWindow(
                    source=source,
                    moment=f"at/{number}",
                    completeness="complete" if whole else "partial",
                    reason="" if whole else "it was cut",
                    items=chunker.items,
                    chunks=chunker.chunks,
                )
            )
        body = recorded(tuple(windows), f"at/{number}", into)
        captures.append(
            (
                RecordKind.EVIDENCE,
                tuple(Fact(name=f"performed/{one.name}", value=one.value) for one in body),
            )
        )
    journal = journal_of(
        (RecordKind.OPENED, facts(plan=sha256(plan), by="ana", mode="full", break_glass="x")),
        *captures,
        (RecordKind.EXCHANGE, ASKED),
        (RecordKind.INTENT, SENT),
        (RecordKind.EXCHANGE, ANSWERED),
        (RecordKind.OUTCOME, APPLIED),
        (RecordKind.OUTCOME, facts(step="revert/web", change="swap", outcome="unknown")),
        (RecordKind.STEP, STEP),
        (RecordKind.CLOSED, facts(exit=0)),
    )
    sealing = Sealing(
        run="r-1",
        playbook="full-rollback",
        environment="production",
        owner="Release desk",
        incident="INC-4711",
        plan=plan,
        journal=journal,
        created=NOW,
        created_by="ana",
        tool_version="0.1.0",
        store="folder",
    )
    seal(folder, sealing, store.get)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return sealed_run(
        tmp_path / "run",
        {
            "cosmos/audit_log": [
                {"id": "a-1", "requestId": "req-7", "actor": "dana"},
                {"id": "a-2", "requestId": "req-77", "actor": "lee"},
            ],
            "web/routing-rules": [{"rule": "stable", "percent": 1000}],
            "backend/worker-logs-short": [{"line": 1}],
        },
        {
            "cosmos/audit_log": [{"id": "a-1", "requestId": "req-7", "actor": "dana"}],
            "web/routing-rules": [{"rule": "stable", "percent": 0}],
            "backend/worker-logs-short": [{"line": 1}],
            "backend/activity-log": [{"correlation": "0c1e4a52-azure", "status": "Succeeded"}],
            "trading-control": [{"halted": True, "at": "2026-11-23T02:14:00.000Z"}],
        },
    )


def shown(rollback: Rollback, *arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rollback("evidence", "show", *arguments, "--json").out)
    return found


def test_show_tells_the_run_in_order(rollback: Rollback, run: Path) -> None:
    ran = rollback("evidence", "show", run)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert "opened: ana opened the run, full" in lines[0]
    assert "closed with exit 0" in lines[-1]
    assert not any("release.json" in line for line in lines)
    assert "release.json" in rollback("evidence", "show", run, "--requests").out


def test_show_follows_a_request_id_into_the_evidence(rollback: Rollback, run: Path) -> None:
    own = shown(rollback, run, "--request-id", "r-1.revert-web.1.7")
    assert [one["kind"] for one in own["entries"]] == ["exchange"]
    users = shown(rollback, run, "--request-id", "req-7")
    assert users["entries"] == []
    (found,) = users["evidence"]  # req-77 is another request
    assert (found["source"], found["line"]["actor"]) == ("cosmos/audit_log", "dana")
    ran = rollback("evidence", "show", run, "--request-id", "req-nowhere")
    assert (ran.status, ran.out) == (0, "")
    assert "nothing in this bundle fits" in ran.err


SAID = {
    "a line of a log": "02:14 GET /api/orders req-7 took 41 ms",
    "the end of a sentence": "no answer to req-7.",
    "JSON in a line": json.dumps({"level": "warn", "requestId": "req-7"}),
    "JSON in JSON": json.dumps({"body": json.dumps({"id": "req-7"})}),
    "after a tab": "02:14\treq-7\tfailed",
    "a pair": "request_id=req-7;tenant=4",
}
OTHERS = ("req-77", "req-7.1", "req-7-a", "areq-7", "web.req-7", "req-7_b")


def test_show_finds_a_request_in_the_middle_of_a_text(rollback: Rollback, tmp_path: Path) -> None:
    texts = [*SAID.values(), *(f"GET {other} failed" for other in OTHERS)]
    lines = [{"line": number, "text": text} for number, text in enumerate(texts)]
    folder = sealed_run(tmp_path / "run", {"backend/worker-logs": lines})
    told = shown(rollback, folder, "--request-id", "req-7")["evidence"]
    assert [one["line"]["text"] for one in told] == list(SAID.values())
    assert shown(rollback, folder, "--request-id", "7")["evidence"] == []


@pytest.mark.parametrize("given", ["r-1.revert-backend.1.1", "0c1e4a52-azure"])
def test_show_follows_a_request_to_what_came_of_it(
    rollback: Rollback, run: Path, given: str
) -> None:
    told = shown(rollback, run, "--request-id", given)
    assert [one["kind"] for one in told["entries"]] == ["intent", "exchange", "outcome"]
    assert "it serves 1.1" in told["entries"][2]["text"]
    assert told["entries"][1]["provider_id"] == "0c1e4a52-azure"
    (found,) = told["evidence"]
    assert (found["source"], found["line"]["status"]) == ("backend/activity-log", "Succeeded")


def test_show_says_what_people_did_for_a_surface(rollback: Rollback, tmp_path: Path) -> None:
    plan = rfc8785.dumps(
        {"not_rolled_back": [{"surface": "mobile", "human_step": "pause the rollout by hand"}]}
    )
    folder = sealed_run(tmp_path / "run", {"authority/backend": [1], "backend/a": [1]}, plan=plan)
    ran = rollback("evidence", "show", folder, "--surface", "mobile")
    assert (ran.status, ran.out) == (0, "")
    assert "by people: pause the rollout by hand" in ran.err
    ran = rollback("evidence", "show", folder, "--surface", "authority")
    assert (ran.status, "surfaces: backend, mobile" in ran.err) == (2, True)


def test_show_keeps_to_a_step_or_a_surface(rollback: Rollback, run: Path) -> None:
    step = shown(rollback, run, "--step", "revert/backend")
    assert [one["kind"] for one in step["entries"]] == ["intent", "outcome"]
    surface = shown(rollback, run, "--surface", "web", "--requests")
    assert [one["kind"] for one in surface["entries"]] == ["exchange", "outcome", "step"]
    for option, name, code in (
        ("--step", "nope", "show.step"),
        ("--surface", "ios", "show.surface"),
    ):
        ran = rollback("evidence", "show", run, option, name)
        assert (ran.status, code in ran.err) == (2, True)


def test_show_says_when_the_bundle_does_not_hold(rollback: Rollback, run: Path) -> None:
    rewrite(run / "plan.json", b"{}")
    ran = rollback("evidence", "show", run)
    assert ran.status == 8
    assert "opened the run" in ran.out
    assert "warning: this bundle does not hold: plan.json" in ran.err


@pytest.mark.parametrize("command", ["show", "diff"])
def test_a_manifest_that_is_no_plain_file_is_not_read(
    rollback: Rollback, tmp_path: Path, run: Path, command: str
) -> None:
    """Nor a link: a pipe would be waited for, and a device of zeros read until memory ends."""
    given = shutil.copytree(run, tmp_path / "given")
    (given / "manifest.json").unlink()
    (given / "manifest.json").symlink_to(run / "manifest.json")
    ran = rollback("evidence", command, given)
    assert (ran.status, ran.out) == (8, "")
    assert "bundle.manifest" in ran.err


def test_diff_inside_a_bundle(rollback: Rollback, run: Path) -> None:
    ran = rollback("evidence", "diff", run)
    assert ran.status == 0
    assert "cosmos/audit_log: differs" in ran.out
    assert '- {"id": "a-2"' in ran.out
    assert '+ {"rule": "stable", "percent": 0}' in ran.out
    assert "backend/worker-logs-short: not-known" in ran.out


def test_diff_of_two_bundles_leaves_out_what_every_reading_has(
    rollback: Rollback, tmp_path: Path, run: Path
) -> None:
    other = sealed_run(
        tmp_path / "other",
        {"trading-control": [{"halted": True, "at": "2026-11-24T00:00:00.000Z"}], "new": [1]},
    )
    found = json.loads(rollback("evidence", "diff", run, other, "--json").out)["sources"]
    verdicts = {one["source"]: one["verdict"] for one in found}
    assert verdicts["trading-control"] == "same"
    assert verdicts["new"] == "only-after"
    assert verdicts["web/routing-rules"] == "only-before"
    only = json.loads(rollback("evidence", "diff", run, "--source", "cosmos", "--json").out)
    assert [one["source"] for one in only["sources"]] == ["cosmos/audit_log"]
    assert rollback("evidence", "diff", run, "--source", "nope").status == 2


def test_diff_says_that_a_bundle_does_not_hold(
    rollback: Rollback, tmp_path: Path, run: Path
) -> None:
    """Chunks that both manifests name are the same unread: a manifest alone proves nothing."""
    broken = shutil.copytree(run, tmp_path / "broken")
    for path in (broken / "chunks").iterdir():
        path.unlink()
    for pair in ((run, broken), (broken, run)):
        ran = rollback("evidence", "diff", *pair)
        assert ran.status == 8
        assert f"warning: {broken} does not hold: chunks/" in ran.err
        told = rollback("evidence", "diff", *pair, "--json")
        assert (told.status, json.loads(told.out)["holds"]) == (8, False)
    whole = rollback("evidence", "diff", run, run, "--json")
    assert (whole.status, json.loads(whole.out)["holds"]) == (0, True)


def test_no_time_stamp_is_asked_for_what_does_not_hold(rollback: Rollback, tmp_path: Path) -> None:
    sealed = Sealed(tmp_path / "bundle")
    rewrite(sealed.folder / "report.md", b"# What happened!")
    ran = rollback("evidence", "timestamp", sealed.folder, "--out", tmp_path / "query")
    assert (ran.status, ran.out) == (8, "")
    assert "no query was made" in ran.err
    assert not (tmp_path / "query").exists()


# --- export -----------------------------------------------------------------------------------


def key_file(path: Path, key: Any) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return path


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["ed25519", "ecdsa", "rsa"],
)
def test_an_export_verifies_with_another_library(
    rollback: Rollback, tmp_path: Path, key: Any
) -> None:
    sealed = Sealed(tmp_path / "bundle")
    out = tmp_path / "bundle.dsse.json"
    path = key_file(tmp_path / "key", key)
    assert rollback("evidence", "export", sealed.folder, "--key", path, "--out", out).status == 0
    content = json.loads(out.read_bytes())
    keyid = content["signatures"][0]["keyid"]
    made = Envelope.from_dict(deepcopy(content))  # it takes its argument apart
    public = SSlibKey.from_crypto(key.public_key(), keyid)
    assert made.verify([public], 1)
    statement = json.loads(made.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    named = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert named[MANIFEST] == sha256((sealed.folder / MANIFEST).read_bytes())
    assert all(
        sha256((sealed.folder / name).read_bytes()) == digest for name, digest in named.items()
    )

    payload = bytearray(base64.b64decode(content["payload"]))
    payload[20] ^= 1
    changed = {**deepcopy(content), "payload": base64.b64encode(payload).decode()}
    forged = Envelope.from_dict(changed)
    other = Envelope.from_dict({**deepcopy(content), "payloadType": "application/json"})
    for each in (forged, other):
        with pytest.raises(VerificationError):
            each.verify([public], 1)


def test_an_export_says_what_it_needs(rollback: Rollback, tmp_path: Path) -> None:
    sealed = Sealed(tmp_path / "bundle")
    assert rollback("evidence", "export", sealed.folder).status == 2
    bare = rollback("evidence", "export", sealed.folder, "--statement")
    assert json.loads(bare.out)["predicate"]["run"] == "r-1"
    rewrite(sealed.folder / "report.md", b"# What happened!")
    ran = rollback("evidence", "export", sealed.folder, "--statement")
    assert (ran.status, ran.out) == (8, "")
    assert "report.md byte 15" in ran.err
