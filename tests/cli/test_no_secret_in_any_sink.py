"""Planted secrets on the whole road with channels: every verb, every face, every file, every post."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
import yaml

from rollback.rehearsal.scenario import on_bucket
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.s3 import S3Server
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import Stage, document, set_stage
from tests.cli.conftest import Rollback
from tests.cli.planted import CLIENT, PASSWORD, PLANTED, found, kept, spoken
from tests.wiring.desk import ADDRESSES, CHANNELS, KINDS

JIRA = "j~+/=&x7"
"""As short as a secret may be."""
SLACK = "sl4ckKEYpath9f31"
SIG = "s1g-Q7xZ2-91b4"
ADDRESS = {
    **ADDRESSES,
    "SLACK": ADDRESSES["SLACK"].rpartition("/")[0] + f"/{SLACK}",
    "TEAMS": ADDRESSES["TEAMS"].rpartition("=")[0] + f"={SIG}",
    "JIRA_TOKEN": JIRA,
}
BUCKET = "bucket+s3cret/=&x-0d4e"
WEB_IDENTITY = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhLXdvcmtsb2FkIn0.c1gn-4f"
SESSION = "FQoGZXIvYXdzEBYaD"
"""What each session token of moto's STS begins with."""
ROLE = "arn:aws:iam::123456789012:role/evidence"
MORE = {"bucket": BUCKET, "web": WEB_IDENTITY, "session": SESSION, "jira": JIRA, "slack": SLACK, "sig": SIG, "github": names.GITHUB_TOKEN}
SPOKEN = f"{PASSWORD} {CLIENT} {JIRA} {ADDRESS['SLACK']} {ADDRESS['TEAMS']}"
"""Said by the world wherever it says anything."""

PLAYBOOK = f"""
playbook: told
summary: Halt, capture, bring web back, and tell everybody twice.
steps:
  - halt: {{action: halt_rollout, surfaces: [backend, web]}}
  - authority: {{action: retain_trade_halt}}
  - revert: {{action: revert_deployment, surface: web, after: [halt, authority]}}
  - capture: {{action: snapshot_audit_logs, window: run, after: [revert]}}
{"".join(f'''
  - plan-{kind}: {{action: notify, channel: {kind}, about: plan, on_failure: continue}}
  - tell-{kind}: {{action: notify, channel: {kind}, about: outcome, after: [capture], on_failure: continue}}
''' for kind in KINDS)}
"""  # fmt: skip


@dataclass
class Heard:
    """What was said, by who said it."""

    rollback: Rollback
    told: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)

    def __call__(self, name: str, *args: str | Path) -> str:
        made = self.rollback(*args)
        self.told[name] = self.told.get(name, "") + made.out + made.err
        self.status[name] = made.status
        return made.out

    def leaks(self) -> list[str]:
        return [leak for where, text in self.told.items() for leak in found(text, where, **MORE)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server.start(tmp_path_factory.mktemp("bucket")) as running:
        yield running


def stored(server: S3Server) -> Iterator[tuple[str, str]]:
    """Every object of the bucket as text, packed ones also unpacked."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=server.bucket):
        for entry in page.get("Contents", ()):
            found_ = client.get_object(Bucket=server.bucket, Key=entry["Key"])
            yield from spoken(entry["Key"], found_["Body"].read())
            yield f"metadata of {entry['Key']}", json.dumps(found_["Metadata"])


@pytest.fixture(params=["folders", "bucket", "role"])
def shared(request: pytest.FixtureRequest) -> S3Server | None:
    """Where evidence, leases and the journal's mirror are kept."""
    if request.param == "folders":
        return None
    server: S3Server = request.getfixturevalue("server")
    return server


def by_role(store: dict[str, Any], token: Path) -> dict[str, Any]:
    """The same bucket, whose credential is a role that its own STS gives."""
    token.write_text(WEB_IDENTITY)
    role = {"role_arn": ROLE, "web_identity_token_file": str(token), "sts_endpoint": store["endpoint"]}
    return {key: value for key, value in store.items() if "access_key" not in key} | role


@pytest.fixture
def ground(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Simulator, Stage]]:
    shared = request.getfixturevalue("shared") if "shared" in request.fixturenames else None
    world = default_world()
    world.users[0].password = PASSWORD
    world.clients[names.CLIENT_ID] = CLIENT
    with Simulator.start(tmp_path / "simulator", world) as sim:
        over: dict[str, Any] = {}
        if shared is not None:
            over = {**on_bucket(document(sim), shared), "journal_mirror": True}
            if request.node.callspec.params["shared"] == "role":
                over["evidence"]["store"] = by_role(over["evidence"]["store"], tmp_path / "token")
        made = set_stage(tmp_path / "stage", sim, **{**over, "channels": CHANNELS})
        made.variables.update({"SYNTHETIC_PASSWORD": PASSWORD, "AZURE_CLIENT_SECRET": CLIENT})
        made.variables.update(ADDRESS)
        made.variables["S3_SECRET_ACCESS_KEY"] = BUCKET
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        sim.control.fault("plant_secret", secret=PLANTED)
        yield sim, made


def approved(heard: Heard, stage: Stage, plan: Path, folder: Path) -> list[str | Path]:
    signed: list[str | Path] = []
    typed = ("--yes-environment", stage.environment.environment)
    for person, key in stage.keys:
        out = folder / f"{plan.stem}.{person}.json"
        heard(f"approve {plan.stem}", "approve", plan, "--key", key, "--out", out, *typed)
        signed += ["--approval", out]
    return signed


def test_no_post_no_log_and_no_answer_holds_a_secret(
    rollback: Rollback,
    shared: S3Server | None,
    ground: tuple[Simulator, Stage],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    sim, stage = ground
    heard = Heard(rollback)
    log, plan, other = (tmp_path / name for name in ("log.jsonl", "plan.json", "other.json"))
    file, environment = tmp_path / "told.yaml", stage.directory / "environment.yaml"
    file.write_text(PLAYBOOK)
    state: tuple[str, ...] = ("--state", str(stage.state), "--log", str(log), "--debug")
    given = ("--environment", environment, "--incident", "INC-4711")
    heard("other", *state, "plan", file, *given, "--out", other)
    sim.control.act("halt_trading", scope="tenant:alpha", by=f"operator:{SPOKEN}")
    # What the world says while it is looked at, and an answer that quotes what was sent.
    spoken = {"error": {"message": f"{PLANTED} {SPOKEN}", "code": "Conflict"}}
    web = names.slot_host(names.WEB, names.STAGING)
    posts: list[str] = [part for kind in KINDS for part in ("--post", kind)]
    sim.control.fault("status", host=names.WEBHOOK_HOST, status=400, count=1, body=spoken)
    heard("plan", *state, "plan", file, *given, *posts, "--out", plan)
    sim.control.fault("status", host=web, status=500, count=3, body=spoken)
    heard("plan again", *state, "plan", file, *given, *posts, "--json")
    assert "posted to" in heard.told["plan"]
    sim.control.clear_faults()
    for face in ("text", "markdown", "html", "json"):
        heard(f"show {face}", "show", plan, "--format", face)
    heard("diff", "diff", other, plan)
    heard("diff json", "diff", other, plan, "--json")
    signed = approved(heard, stage, plan, tmp_path)
    values = {"token": PASSWORD, CLIENT: JIRA, "limit": 5}
    drifting = {"values": values, "by": f"operator:{SPOKEN}"}
    for verb in ("write_control_document", "halt_trading"):
        sim.control.act(
            verb,
            when={"moment": "phase", "phase": "half-way", "site": names.WEB},
            **(drifting if verb.startswith("write") else {"by": f"operator:{SPOKEN}"}),
        )
    sim.control.fault("status", host=names.WEBHOOK_HOST, status=500, nth=2, count=1, body=spoken)
    heard("apply", *state, "apply", plan, *signed, "--non-interactive", "--json")
    assert heard.status["apply"] in {0, 6, 8}, heard.told["apply"]
    sim.control.clear_faults()
    for face in ("text", "markdown", "html"):
        heard(f"report {face}", *state, "status", "latest", "--format", face)
    for args in (
        ("status", "--json"),
        ("resume", "latest", "--non-interactive", "--json"),
        ("undo", "latest", "--out", tmp_path / "undo.json", "--json"),
        ("evidence", "show", "latest", "--requests"),
        ("evidence", "show", "latest", "--requests", "--json"),
        ("evidence", "verify", "latest", "--json"),
        ("evidence", "export", "latest", "--statement"),
        ("evidence", "diff", "latest", "latest", "--json"),
        ("evidence", "capture", "--environment", environment, "--json"),
        ("hold", "show", "--environment", environment, "--json"),
        ("lease", "show", "--environment", environment, "--json"),
        ("doctor", "--environment", environment),
        ("doctor", "--environment", environment, "--json"),
        ("watch-hold", "--environment", environment, "--json"),
        ("validate", file, "--environment", environment, "--format", "sarif"),
        ("validate", file, "--environment", environment, "--format", "junit"),
    ):
        heard(" ".join(map(str, args[:3])), *state, *args)
    world = sim.control.world()
    posted = [json.dumps(one) for one in world.incidents]
    posted += [text for said in world.comments.values() for text in map(str, said)]
    assert len(posted) >= len(KINDS)
    assert "operator:[secret]" in heard.told["plan"]
    assert "operator:[secret]" in heard.told["report text"]
    assert log.stat().st_size > 1000
    assert caplog.text
    leaks = heard.leaks() + found(caplog.text, "the debug log", **MORE)
    leaks += [leak for text in posted for leak in found(text, f"a post: {text[:60]}", **MORE)]
    for folder in (stage.state, stage.directory / "evidence-store", stage.directory / "leases"):
        leaks += [leak for where, text in kept(folder) for leak in found(text, where, **MORE)]
    if shared is not None:
        objects = list(stored(shared))
        assert len(objects) > 30
        leaks += [leak for where, text in objects for leak in found(text, where, **MORE)]
    for path in (log, plan, other):
        leaks += found(path.read_text(), str(path), **MORE)
    assert leaks == []


WRONG: dict[str, dict[str, str]] = {
    "the identity's": {"AZURE_CLIENT_SECRET": f"{CLIENT}-which-nobody-knows"},
    "the user's": {"SYNTHETIC_PASSWORD": f"{PASSWORD}-which-nobody-knows"},
    "the halt token": {"HALT_TOKEN": f"{PLANTED}-which-nobody-knows"},
    "a halt token that fits no header": {"HALT_TOKEN": f"{PLANTED}\u00fc\n"},
    "the account's key": {"COSMOS_KEY": base64.b64encode(PLANTED.encode()).decode()},
    "a key that is none": {"COSMOS_KEY": PLANTED},
    "an address elsewhere": {"SLACK": f"https://elsewhere.example/services/T01/B02/{SLACK}"},
    "an address of another shape": {"SLACK": f"ftp://user:{SLACK}@{names.WEBHOOK_HOST}:x/{SLACK}"},
    "an address with one thing more": {"TEAMS": f"{ADDRESS['TEAMS']}&code={SIG}"},
    "a service's token": {"JIRA_TOKEN": f"{JIRA}\r\nX-Evil: {JIRA}"},
}


@pytest.mark.parametrize("which", WRONG)
def test_no_error_tells_a_secret(
    rollback: Rollback,
    ground: tuple[Simulator, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
) -> None:
    """Credentials that are refused, or that cannot be used at all: to people and to programs."""
    _, stage = ground
    for name, value in WRONG[which].items():
        monkeypatch.setenv(name, value)
    heard = Heard(rollback)
    log, plan = tmp_path / "log.jsonl", tmp_path / "plan.json"
    environment = stage.directory / "environment.yaml"
    state: tuple[str, ...] = ("--state", str(stage.state), "--log", str(log), "--debug")
    given: tuple[str | Path, ...] = ("--environment", environment, "--incident", "INC-4711")
    posts: list[str] = [part for kind in KINDS for part in ("--post", kind)]
    heard("plan", *state, "plan", "halt-only", *given, *posts, "--out", plan)
    heard("plan json", *state, "plan", "halt-only", *given, *posts, "--json")
    heard("doctor", *state, "doctor", "--environment", environment, "--json")
    heard("hold", *state, "hold", "show", "--environment", environment, "--json")
    if plan.exists():
        heard("apply", *state, "apply", plan, "--only-safe", "--non-interactive", "--json")
        heard("report", *state, "status", "latest")
    leaks = heard.leaks()
    for folder in (stage.state, stage.directory / "evidence-store", stage.directory / "leases"):
        if folder.exists():
            leaks += [leak for where, text in kept(folder) for leak in found(text, where, **MORE)]
    leaks += found(log.read_text() if log.exists() else "", "the log", **MORE)
    assert leaks == []


WRITTEN_OUT: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    (("azure", "identity", "client_secret"), CLIENT),
    (("cosmos", "key"), CLIENT),
    (("cosmos", "endpoint"), f"AccountEndpoint=https://x.documents.azure.com/;AccountKey={CLIENT};"),
    (("platform", "api_url"), f"https://user:{CLIENT}@platform.example"),
    (("platform", "jwt", "jwks_url"), f"https://platform.example/keys?sig={SIG}"),
    (("platform", "synthetic_user", "password"), PASSWORD),
    (("halt_authority", "token"), JIRA),
    (("halt_authority", "refused_token"), [JIRA]),
    (("channels", 1, "address"), ADDRESS["SLACK"]),
    (("channels", 2, "address"), {"is": ADDRESS["TEAMS"]}),
    (("channels", 2, "query"), ["api-version=1", f"sig={SIG}"]),
    (("channels", 2, "path"), f"/workflows/{{key}}?sig={SIG}"),
    (("channels", 1, "host"), ADDRESS["SLACK"]),
    (("channels", 4, "token"), JIRA),
    (("channels", 4, "tokn"), JIRA),
    (("evidence", "store"), {"kind": "blob", "account": "x", "container": "y", "sas": f"?sig={SIG}"}),
    (("evidence", "store"), {"kind": "s3", "bucket": "b", "region": "r", "secret_access_key": SIG}),
    (("evidence", "store"), {"kind": "s3", "bucket": "b", "region": "r", "web_identity_token": WEB_IDENTITY}),
    (("lease", "store", "connection_string"), f"AccountKey={SIG}"),
)  # fmt: skip


@pytest.mark.parametrize(("place", "value"), WRITTEN_OUT, ids=lambda one: str(one)[:40])
def test_a_secret_written_out_where_a_reference_belongs_is_not_said_again(
    rollback: Rollback, tmp_path: Path, place: tuple[str | int, ...], value: Any
) -> None:
    """Complaints name the field and the line; the value stays in the file."""
    nowhere: Any = SimpleNamespace(resolve={}, ca_file=None)
    tree = json.loads(json.dumps(document(nowhere, channels=CHANNELS)))
    inside: Any = tree
    for part in place[:-1]:
        inside = inside[part]
    inside[place[-1]] = value
    file = tmp_path / "environment.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False))
    heard = Heard(rollback)
    for face in ("text", "json", "sarif", "junit"):
        heard(face, "validate", "full-rollback", "--environment", file, "--format", face)
    heard("plan", "plan", "full-rollback", "--environment", file, "--json")
    assert heard.leaks() == []
    assert set(heard.status.values()) == {2}, heard.told


