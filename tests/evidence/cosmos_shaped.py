"""A loopback server shaped like Cosmos, made for large containers and for trouble on the way.

    python -m tests.evidence.cosmos_shaped EVENTS PARTS      serves until its standard input ends

Its pages are cut from events that are made once. Trouble: see `Trouble`.
"""

from __future__ import annotations

import gc
import itertools
import json
import random
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_TS = 1_790_000_000
DATABASE = "trading"
CONTAINER = "audit_log"
_WORDS = ["config.update", "risk.limit", "order.cancel", "session.open", "halt.engage", "preset.save", "flag.read"]


def events(count: int, seed: int = 1) -> list[bytes]:
    """Synthetic audit events of about 600 bytes, each different, in the order of their time."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        bits = chance.getrandbits(256)
        hexes = f"{bits:064x}"
        made.append(
            (
                f'{{"id":"{hexes[:8]}-{hexes[8:12]}-{hexes[12:16]}-{hexes[16:28]}",'
                f'"tenant":"tenant-{bits % 97}","actor":"operator:{_WORDS[bits % 7][:4]}{bits % 41}",'
                f'"action":"{_WORDS[bits % 7]}","surface":"backend","request_id":"r-{hexes[28:52]}",'
                f'"before":{{"limit":{bits % 100_003},"enabled":true,"note":"as it was on call"}},'
                f'"after":{{"limit":{bits % 99_991},"enabled":false,"note":"changed by hand"}},'
                f'"source":"10.{bits % 251}.{bits % 241}.{bits % 239}","agent":"control-panel/2026.11.{bits % 9}",'
                f'"outcome":"accepted","latency_ms":{bits % 401},"detail":"{hexes[:40]} applied to strategy '
                f'{bits % 31}","_rid":"{hexes[40:56]}==","_self":"dbs/t==/colls/a==/docs/{hexes[40:56]}==/",'
                f'"_etag":"\\"{hexes[50:58]}-0000-0d00-0000-{hexes[52:64]}\\"","_attachments":"attachments/",'
                f'"_ts":{FIRST_TS + number // 50}}}'
            ).encode()
        )
    return made


@dataclass
class Trouble:
    """What goes wrong. Every n-th request for a page, counted over all parts; 0: never.

    page_max: the most documents in a page, whatever was asked for. empty_every: an empty page that
    has a continuation. expires: the next page that is asked for by continuation is refused, once.
    still_at: from this document on, a page's continuation is its own place. arrive_at: before this
    request is answered a document is written. twice_at: the page of this request is given again.
    uncounted_from: from this request on, counts are refused. clock_s: how far the
    account's clock is ahead of this machine's; None: it says no time.
    """

    page_max: int = 0
    throttle_every: int = 0
    retry_after_ms: int = 1
    empty_every: int = 0
    expires: int = 0
    drop_every: int = 0
    drop_from: int = 0
    fail_every: int = 0
    split_at: int = 0
    lose_at: int = 0
    short_every: int = 0
    count_fails: bool = False
    still_at: int = 0
    arrive_at: int = 0
    twice_at: int = 0
    uncounted_from: int = 0
    clock_s: int | None = 0


@dataclass
class Shaped:
    """The server's side of the story."""

    parts: list[list[bytes]]
    trouble: Trouble = field(default_factory=Trouble)
    port: int = 0
    pages: int = 0
    throttled: int = 0
    meeting: threading.Barrier | None = None
    """The first pages are given out once so many are asked for at the same time."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def split(self) -> bool:
        return 0 < self.trouble.split_at <= self.pages

    def held(self, name: str) -> list[bytes]:
        """What a partition holds; each document in one of those that a split made."""
        number = int(name)
        if number < len(self.parts):
            return self.parts[number]
        return [
            one if index % 2 == number - len(self.parts) else b""
            for index, one in enumerate(self.parts[0])
        ]

    @cached_property
    def all(self) -> list[bytes]:
        return [one for part in self.parts for one in part]


def spread(made: list[bytes], parts: int) -> list[list[bytes]]:
    """Events over partitions."""
    return [made[number::parts] for number in range(parts)]


def _ranges(count: int, *, split: bool = False) -> list[dict[str, Any]]:
    """split: in place of the first there are two, numbered after the last."""
    edges = ["", *(f"{number * 255 // count:02X}" for number in range(1, count)), "FF"]
    if not count:
        return []
    named: list[tuple[str, str, str, list[str]]] = [
        (str(number), low, high, []) for number, (low, high) in enumerate(itertools.pairwise(edges))
    ]
    if split:
        _, low, high, _ = named.pop(0)
        middle = f"{int(high, 16) // 2:02X}"
        named = [(str(count), low, middle, ["0"]), (str(count + 1), middle, high, ["0"]), *named]
    return [
        {
            "id": name,
            "_rid": "a==",
            "minInclusive": low,
            "maxExclusive": high,
            "parents": parents,
            "status": "online",
        }
        for name, low, high, parents in named
    ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    story: Shaped

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        ahead = self.story.trouble.clock_s
        if ahead is None:
            return ""
        return super().date_time_string((timestamp or time.time()) + ahead)

    def do_GET(self) -> None:
        names = [part for part in urlsplit(self.path).path.split("/") if part]
        tag = '"e"'
        if not names:
            here = [{"name": "Local", "databaseAccountEndpoint": self.story.url}]
            found: dict[str, Any] = {"writableLocations": here, "readableLocations": here}
        elif names[-1] == "pkranges":
            known, now = self.headers.get("if-none-match"), '"f"' if self.story.split else '"e"'
            if known == now:
                self._reply(304, b"", {"etag": now})
                return
            ranges = _ranges(len(self.story.parts), split=self.story.split)
            if known:  # only what is new since then
                ranges = [one for one in ranges if one["parents"]]
            tag = now
            found = {"PartitionKeyRanges": ranges, "_count": len(ranges), "_rid": "a=="}
        else:
            key = {"paths": ["/tenant"], "kind": "Hash", "version": 2}
            found = {"id": names[-1], "_rid": "a==", "_self": "s/", "partitionKey": key}
        self._reply(200, json.dumps(found).encode(), {"etag": tag})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.story.lock:
            self.story.pages += 1
            turn = self.story.pages
            if turn == self.story.trouble.arrive_at:
                last = self.story.parts[0]
                last.append(last[-1].replace(b'"id":"', b'"id":"written-meanwhile-'))
                self.story.__dict__.pop("all", None)
        if self.story.meeting is not None:
            self.story.meeting.wait(20)
            self.story.meeting = None
        if not self._troubled(turn):
            self._page(asked, turn)

    def _troubled(self, turn: int) -> bool:
        trouble = self.story.trouble
        if trouble.throttle_every and turn % trouble.throttle_every == 0:
            self.story.throttled += 1
            headers = {"x-ms-retry-after-ms": str(trouble.retry_after_ms), "x-ms-substatus": "3200"}
            self._reply(429, b'{"code":"429","message":"Request rate is large."}', headers)
        elif (trouble.drop_every and turn % trouble.drop_every == 0) or 0 < trouble.drop_from <= turn:
            self.close_connection = True
            self.connection.close()
        elif trouble.fail_every and turn % trouble.fail_every == 0:
            self._reply(503, b'{"code":"503","message":"The service is unavailable."}')
        elif trouble.expires and self.headers.get("x-ms-continuation"):
            trouble.expires -= 1
            self._reply(400, b'{"code":"BadRequest","message":"Invalid Continuation Token"}')
        else:
            return False
        return True

    def _page(self, asked: dict[str, Any], turn: int) -> None:
        number = self.headers.get("x-ms-documentdb-partitionkeyrangeid", "").rpartition(",")[2]
        if number == "0" and self.story.split:
            gone = b'{"code":"Gone","message":"The partition was split."}'
            self._reply(410, gone, {"x-ms-substatus": "1002"})
            return
        held = self.story.held(number) if number else self.story.all
        bounds = {one["name"]: one["value"] for one in asked.get("parameters", ())}
        halved = number.isdecimal() and int(number) >= len(self.story.parts)
        times = self.story.parts[0] if halved else held
        low = bisect_left(times, bounds["@since"], key=_ts) if "@since" in bounds else 0
        high = bisect_right(times, bounds["@until"], key=_ts) if "@until" in bounds else len(held)
        headers = {"x-ms-request-charge": "2.83", "x-ms-session-token": "0:-1#1"}
        refused = self.story.trouble.count_fails or 0 < self.story.trouble.uncounted_from <= turn
        if "COUNT(1)" in asked["query"] and refused:
            self._reply(403, b'{"code":"Forbidden","message":"No."}')
            return
        if "COUNT(1)" in asked["query"]:
            self._reply(200, b'{"_rid":"a==","Documents":[%d],"_count":1}' % sum(map(bool, held[low:high])), headers)
            return
        start = max(low, int(self.headers.get("x-ms-continuation") or low))
        size = int(self.headers.get("x-ms-max-item-count") or "100")
        trouble = self.story.trouble
        size = min(size, trouble.page_max) if trouble.page_max else size
        if trouble.empty_every and turn % trouble.empty_every == 0:
            size = 0
        page = held[start : min(start + size, high)]
        if start + len(page) < high and turn != trouble.lose_at:
            headers["x-ms-continuation"] = str(start + len(page))
        if turn == trouble.twice_at:  # the next one begins where this one began, and holds one more
            headers["x-ms-continuation"] = str(max(0, start - 1))
        if 0 < trouble.still_at <= start:
            headers["x-ms-continuation"] = str(start)
        page = [one for one in page if one]
        short = bool(trouble.short_every) and turn % trouble.short_every == 0
        told = page[:-1] if short else page
        body = b'{"_rid":"a==","Documents":[%s],"_count":%d}' % (b",".join(told), len(page))
        self._reply(200, body, headers)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def _ts(event: bytes) -> int:
    return int(event[event.rindex(b"_ts") + 5 : -1])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no error here."""


def _serving(story: Shaped, port: int = 0) -> _Server:
    handler = type("Handler", (_Handler,), {"story": story})
    server = _Server(("127.0.0.1", port), handler)
    story.port = server.server_address[1]
    return server


@contextmanager
def shaped(parts: list[list[bytes]], trouble: Trouble | None = None) -> Iterator[Shaped]:
    """The server for the length of the block."""
    story = Shaped(parts, trouble or Trouble())
    server = _serving(story)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield story
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Serve in a process of its own."""
    count, parts = int(sys.argv[1]), int(sys.argv[2])
    story = Shaped(spread(events(count), parts))
    gc.freeze()
    server = _serving(story)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    size = sum(map(len, story.all))
    sys.stdout.write(json.dumps({"port": story.port, "bytes": size}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
