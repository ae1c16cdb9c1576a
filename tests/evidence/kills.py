"""The command that captures into S3, killed at each of its uploads, and resumed until it is done.

``python -m tests.evidence.kills [EVENTS]`` (``make capture-kills``) kills one capture at every upload and
at every moment of it, each on its own; the suite takes a slice. It captures audit
events of a Cosmos-shaped server. Between the command and moto's server stands a gate of this process: it
passes requests on, and sends SIGKILL when the upload it waits for has come to the moment it waits for.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollback.evidence.chunks import unpacked
from rollback.evidence.verify import verify_bundle
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.s3 import S3Server
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.stage import set_stage
from tests.evidence.cosmos_shaped import CONTAINER, DATABASE, FIRST_TS, events, shaped, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.rehearsal.stage import Stage
    from tests.evidence.cosmos_shaped import Shaped

MOMENTS = ("unsent", "torn", "unanswered", "unread")
"""Of an upload: nothing of it has left; half of it has; it is stored, and the command was not told;
it was told, and has asked for the chunk to read it back."""

PARTS = 3
EVENTS = 24_000


@dataclass
class Gate:
    """What passed, and when it strikes: at the `upload`-th chunk (from 1 on; 0: never)."""

    to: str
    port: int = 0
    upload: int = 0
    moment: str = ""
    victim: subprocess.Popen[str] | None = None
    uploads: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    struck: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, upload: int, moment: str) -> None:
        """Strike at the next process's so many-th upload."""
        self.upload, self.moment, self.struck, self.uploads = upload, moment, False, []

    def strike(self, key: str, moment: str) -> bool:
        """Kill the command where this is what was waited for; whether it is dead."""
        with self.lock:
            if self.struck:
                return True
            number = self.uploads.index(key) + 1 if key in self.uploads else 0
            if not number or number != self.upload or moment != self.moment or not self.victim:
                return False
            self.struck = True
            self.victim.send_signal(signal.SIGKILL)
            self.victim.wait()
            return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    gate: Gate

    def _pass(self) -> None:
        gate, length = self.gate, int(self.headers.get("content-length") or 0)
        folder, _, key = self.path.partition("?")[0].rpartition("/")
        key = key if folder.endswith("/chunks") else ""
        put = self.command == "PUT" and key
        with gate.lock:
            if put:
                gate.uploads.append(key)
        if put and gate.strike(key, "unsent"):
            return self._hang_up()
        body = self.rfile.read(length // 2)
        if put and gate.strike(key, "torn"):
            return self._hang_up()
        body += self.rfile.read(length - len(body))
        if self.command == "GET" and gate.strike(key, "unread"):
            return self._hang_up()
        there = http.client.HTTPConnection(gate.to)
        try:
            there.request(self.command, self.path, body, dict(self.headers))
            answer = there.getresponse()
            content = answer.read()
        finally:
            there.close()
        if put and answer.status == 200:
            gate.created.append(key)
        if put and gate.strike(key, "unanswered"):
            return self._hang_up()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return self._end(content)

    def _end(self, content: bytes) -> None:
        self.wfile.write(content if self.command != "HEAD" else b"")

    def _hang_up(self) -> None:
        self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no error here."""


@contextmanager
def gated(store: S3Server) -> Iterator[Gate]:
    """A gate before a store, for the length of the block."""
    gate = Gate(store.endpoint.rpartition("/")[2])
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"gate": gate}))
    gate.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def stage(folder: Path, sim: Simulator, gate: Gate, story: Shaped, bucket: str) -> Stage:
    """The rehearsal's environment, with a container of audit events, and a bucket behind the gate."""
    return set_stage(
        folder,
        sim,
        cosmos={
            "endpoint": story.url,
            "database": DATABASE,
            "key": "${COSMOS_KEY}",
            "control_containers": [],
            "audit_containers": [CONTAINER],
        },
        evidence={
            "store": {
                "kind": "s3",
                "endpoint": f"http://127.0.0.1:{gate.port}",
                "region": "eu-west-1",
                "bucket": bucket,
                "prefix": f"{folder.name}/",
                "access_key_id": "${S3_ACCESS_KEY_ID}",
                "secret_access_key": "${S3_SECRET_ACCESS_KEY}",
                "retention_days": 1,
            },
        },
    )


def window() -> str:
    """As far back as the events go."""
    return f"{int(datetime.now(UTC).timestamp()) - FIRST_TS + 3600}s"


class Capture:
    """One capture, over as many processes as it takes."""

    def __init__(self, staged: Stage, gate: Gate) -> None:
        """staged: of this capture alone."""
        self._stage, self._gate = staged, gate
        gate.created = []
        self.kills = 0

    def process(self, upload: int = 0, moment: str = "") -> bool:
        """Capture, or go on with it, in a process; whether it came to its end."""
        gate = self._gate
        gate.arm(upload, moment)
        verb = ["evidence", "capture", "--environment", str(self._stage.directory / "environment.yaml"), "--sources", "durable"]
        verb = ["resume", "latest"] if self.kills else [*verb, "--window", window()]
        command = [sys.executable, "-c", "from rollback.cli.main import main; main()", "--state", str(self._stage.state), *verb]
        gate.victim = victim = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **self._stage.variables}
        )
        said = victim.communicate(timeout=300)[0]
        if gate.struck:
            assert victim.returncode == -signal.SIGKILL
            self.kills += 1
            return False
        assert victim.returncode == 0, said
        return True

    @property
    def bundle(self) -> Path:
        """The sealed bundle, of which there is one."""
        (found,) = self._stage.state.glob("runs/*/evidence/bundle-*")
        return found

    @property
    def chunks(self) -> dict[str, bytes]:
        """What the bundle holds, by name."""
        return {path.name: path.read_bytes() for path in (self.bundle / "chunks").iterdir()}

    @property
    def manifest(self) -> dict[str, Any]:
        """What was sealed, without times, and without what is made of times."""
        sealed = json.loads((self.bundle / "manifest.json").read_bytes())
        told = {name: sealed[name] for name in ("format", "environment", "playbook", "store", "spooled")}
        names = sorted(one["path"] for one in sealed["files"] if not one["path"].startswith("captures/"))
        captures = len(sealed["files"]) - len(names)
        windows = [apart_from_times(one) for one in sealed["windows"]]
        return {**told, "files": names, "captures": captures, "windows": windows}

    @property
    def audit(self) -> list[bytes]:
        """The audit events in the bundle, in the order in which they stand there."""
        sealed = json.loads((self.bundle / "manifest.json").read_bytes())
        (window,) = (one for one in sealed["windows"] if one["source"] == f"cosmos/{CONTAINER}")
        held = self.chunks
        content = b"".join(unpacked(held[chunk["sha256"]]) for chunk in window["chunks"])
        return content.split(b"\n")[:-1]


def apart_from_times(window: dict[str, Any]) -> dict[str, Any]:
    """A window without times and charges. The list of windows holds times: only its count is told."""
    kept = {name: window[name] for name in ("source", "moment", "completeness", "reason", "items")}
    return {**kept, "chunks": len(window["chunks"]) if window["source"] == "windows" else window["chunks"]}


class Ground:
    """A store behind a gate, a container, and one capture of it that nobody killed."""

    def __init__(self, gate: Gate, story: Shaped, stages: Iterator[Stage]) -> None:
        """Capture once."""
        self._gate, self._story, self._stages = gate, story, stages
        self._clean = self.capture()
        assert self._clean.process()
        assert self._clean.audit == story.all
        self.uploads = len(gate.created)

    def capture(self) -> Capture:
        """A new one, under a prefix of its own."""
        return Capture(next(self._stages), self._gate)

    def objections(self, capture: Capture) -> list[str]:
        """What is wrong with a capture that came to its end: lost, doubled, or told otherwise."""
        wrong = []
        if capture.audit != self._story.all:
            wrong.append("its events are not those of the container")
        if capture.manifest != self._clean.manifest:
            wrong.append("its manifest is another, apart from times")
        if not verify_bundle(capture.bundle).holds:
            wrong.append("its bundle does not hold")
        created = self._gate.created
        if len(set(created)) != len(created):
            wrong.append("a chunk was stored twice")
        if set(created) != set(capture.chunks):
            wrong.append("the store holds other chunks than the bundle")
        return wrong


@contextmanager
def ground(root: Path, count: int) -> Iterator[Ground]:
    """All of it, with so many events, for the length of the block."""
    with (
        Simulator.start(root / "simulator", default_world()) as sim,
        S3Server.start(root / "s3") as store,
        gated(store) as gate,
        shaped(spread(events(count), PARTS)) as story,
    ):
        folders = (root / f"capture-{number}" for number in itertools.count())
        yield Ground(gate, story, (stage(one, sim, gate, story, store.bucket) for one in folders))


def main() -> int:
    """Kill at every upload and every moment of it; print what did not come out the same."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch, ground(Path(scratch), count) as here:
        for upload in range(1, here.uploads + 1):
            for moment in MOMENTS:
                capture = here.capture()
                killed = not capture.process(upload, moment)
                objections = [] if killed and capture.process() else ["it was not killed"]
                objections = objections or here.objections(capture)
                wrong += bool(objections)
                sys.stdout.write(f"upload {upload}, {moment}: {'; '.join(objections) or 'as without'}\n")
                sys.stdout.flush()
        kills = here.uploads * len(MOMENTS)
    sys.stdout.write(f"{kills} captures killed at one upload each, and resumed: {wrong} not as without\n")
    return 1 if wrong or not kills else 0


if __name__ == "__main__":
    sys.exit(main())
