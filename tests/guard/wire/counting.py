"""A loopback server that answers enough like Cosmos or Resource Manager, and counts what arrives."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Arrived:
    """One request that reached the server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Counting:
    """The server's side of the story."""

    port: int = 0
    requests: list[Arrived] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    others: list[Counting] = field(default_factory=list)
    """Further regions of the account, as its document names them."""
    hear: Callable[[Arrived], object] = bool
    """Called with each request before it is answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def writes(self) -> list[Arrived]:
        """Whatever is not plainly a read, judged without the guard's code."""
        return [
            seen
            for seen in self.requests
            if seen.method not in {"GET", "HEAD"}
            and seen.headers.get("x-ms-documentdb-isquery", "").lower() != "true"
        ]


def _document(path: str, seen: Arrived, story: Counting) -> tuple[int, dict[str, Any]]:
    parts = [part for part in path.split("?", maxsplit=1)[0].split("/") if part]
    if not parts:
        here = [
            {"name": f"Local {number}", "databaseAccountEndpoint": f"{one.url}/"}
            for number, one in enumerate((story, *story.others))
        ]
        return 200, {"id": "a", "writableLocations": here, "readableLocations": here}
    if "missing" in parts and seen.method == "GET":
        return 404, {"code": "NotFound", "message": "no such thing"}
    if parts[-1] == "pkranges":
        if "if-none-match" in seen.headers:
            return 304, {}
        whole = {"id": "0", "minInclusive": "", "maxExclusive": "FF", "_rid": "r"}
        return 200, {"PartitionKeyRanges": [whole], "_count": 1, "_rid": "r"}
    if parts[-1] == "offers":
        offer = {
            "id": "o1",
            "_self": "offers/o1/",
            "resource": "dbs/d/",
            "offerVersion": "V2",
            "content": {"offerThroughput": 400},
        }
        return 200, {"Offers": [offer], "_count": 1, "_rid": ""}
    if len(parts) % 2:
        empty: dict[str, Any] = {"_count": 0, "_rid": "r"}
        for name in ("Documents", "Databases", "DocumentCollections", "Users", "Permissions"):
            empty[name] = []
        for name in ("StoredProcedures", "Triggers", "UserDefinedFunctions", "Conflicts"):
            empty[name] = []
        return 200, empty
    return 200, {
        "id": parts[-1],
        "_rid": "r1Q=",
        "_self": f"{'/'.join(parts)}/",
        "_etag": "e",
        "permissionMode": "Read",
        "resource": "dbs/d/colls/c",
        "_token": "t",
        "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2},
    }


@contextmanager
def counting() -> Iterator[Counting]:
    """Run the server for the length of the block."""
    story = Counting()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Arrived(self.command, self.path, headers, self.rfile.read(length))
            story.requests.append(seen)
            story.hear(seen)
            status, document = _document(self.path, seen, story)
            status = status if story.status == 200 else story.status
            body = b"" if status == 304 or self.command == "PUT" else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("etag", '"e"')
            self.send_header("x-request-id", headers.get("x-request-id", ""))
            for name, value in story.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is no error here."""

    server = Server(("127.0.0.1", 0), Handler)
    story.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield story
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
