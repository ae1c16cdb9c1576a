"""The window of the lease: ``python -m benchmarks.lease``.

Resource Manager takes no fence. What is measured is the time from the last question (is the lease
still ours) to the moment the request is handed to the socket, over the product's own ledger,
journal (fsynced) and guarded transport, towards a server on loopback; and the same under load, with
as many threads spinning as there are cores. The bound is the window of a lease of 60 s: 10 s.

Also measured: what renewing before a move costs on each place (a folder here; a bucket or container
adds one round trip to it).

Exits 1 where the bound is broken.
"""

from __future__ import annotations

import http.server
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from rollback.guard.wire import azure_wire
from rollback.model.direction import Direction, Undo
from rollback.model.effect import HttpWrite, NoBody
from rollback.model.ports import LeaseGrant
from rollback.model.scope import GuardedHost, HostKind, Perimeter, Phase, Scope
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.journal import FileJournal
from rollback.running.lease.fence import still_ours, window_s
from rollback.running.lease.folder import folder_lease
from rollback.running.ledger import Ledger
from tests.guard.support import bench
from tests.running.plans import make_plan, update

SENDS = 300
TTL_S = 60
SITE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/web/slots/staging/start"


class _Server(http.server.BaseHTTPRequestHandler):
    """Notes when a request's first line arrived."""

    arrived: list[float]

    def do_POST(self) -> None:
        type(self).arrived.append(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def windows(folder: Path) -> list[float]:
    """Seconds from each last question to the arrival of what it let go."""
    from azure.core.pipeline.transport import HttpRequest

    _Server.arrived = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    effect = HttpWrite(
        id="start", method="POST", host=host, path=SITE, query=(("api-version", "1"),),
        body=NoBody(), times_max=SENDS, direction=Direction.AWAY, undo=Undo(possible=True, by="-"),
    )  # fmt: skip
    made = make_plan()
    step = made.steps[0].model_copy(update={"changes": (update("x", Direction.AWAY, effect),)})
    plan = made.model_copy(update={"steps": (step,), "upkeep": ()})
    clock = SystemClock()
    journal = FileJournal.create(folder / "journal.jsonl", "r-1", clock)
    ledger = Ledger(plan, journal, emergency=lambda _: None)
    asked: list[float] = []
    grant = LeaseGrant(("web",), "r-1", 1, "shared", deadline=clock.monotonic() + 1e6)

    def fence() -> int:
        found = still_ours(grant, clock.monotonic(), TTL_S)
        asked.append(time.monotonic())
        return found

    ledger.fenced_by(fence)
    told = bench(perimeter=Perimeter(hosts=(GuardedHost(host=host, kind=HostKind.ARM),)))
    scope = Scope(run="r-1", step="s", phase=Phase.APPLY, permissions=(effect,))
    wire = type(told.wire)(
        scope=scope, perimeter=Perimeter(hosts=told.wire.perimeter.hosts, subscription="s"),
        ledger=ledger, latch=told.wire.latch, exchanges=told.wire.exchanges,
        network=told.wire.network, clock=told.wire.clock,
    )  # fmt: skip
    out = []
    for _ in range(SENDS):
        with azure_wire.transport(wire) as transport:  # as an act does: clients of one step
            transport.send(HttpRequest("POST", f"http://{host}{SITE}?api-version=1"))
        out.append(_Server.arrived[-1] - asked[-1])
    server.shutdown()
    server.server_close()
    journal.close()
    return out


def renewals(folder: Path) -> list[float]:
    """Seconds that renewing before a move takes, in a folder of this machine."""
    lease = folder_lease(folder, SystemClock(), SystemRandomness(), ttl_s=TTL_S)
    grant = lease.acquire(("production/web", "production/backend"), "r-1 on here", "rolling back")
    out = []
    for _ in range(SENDS):
        before = time.monotonic()
        grant = lease.renew(grant, "effect revert/web#swap")
        out.append(time.monotonic() - before)
    lease.release(grant)
    return out


def _said(name: str, seen: list[float]) -> str:
    ordered = sorted(seen)
    middle, tail = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    return (
        f"{name:34} median {middle * 1000:7.2f} ms   99 % {tail * 1000:7.2f} ms   "
        f"worst {ordered[-1] * 1000:7.2f} ms"
    )


def main() -> int:
    """Measure and say."""
    bound = window_s(TTL_S)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "quiet").mkdir()
        (root / "loaded").mkdir()
        quiet = windows(root / "quiet")
        stop = threading.Event()

        def spin() -> None:
            while not stop.is_set():
                sum(range(1000))

        load = [threading.Thread(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
        for one in load:
            one.start()
        loaded = windows(root / "loaded")
        stop.set()
        renewed = renewals(root / "leases")
    sys.stdout.write(_said("question to arrival", quiet) + "\n")
    sys.stdout.write(_said("the same under load", loaded) + "\n")
    sys.stdout.write(_said("renewing two scopes in a folder", renewed) + "\n")
    worst = max(*quiet, *loaded)
    sys.stdout.write(f"bound: {bound:g} s; worst {worst:.3f} s\n")
    return 0 if worst < bound else 1


if __name__ == "__main__":
    sys.exit(main())
