"""An S3 evidence store in a process of its own: moto's server with Object Lock, and a ledger.

``with S3Server.start(directory) as store:`` gives ``store.endpoint`` for a client, and
``store.refuse_puts()``, after which the store is "full".

moto hooks botocore for the whole process that imports it; that is why it has its own. What it
does otherwise than the service is listed with `S3Server`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import secrets
import signal
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import land, launch

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable
    from types import TracebackType

LIFETIME_S = 1800.0
CONTROL_PATH = "/-/control"
_REFUSAL = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
    "<Message>{message}</Message><RequestId>rehearsal</RequestId></Error>"
)


@dataclass
class S3Server:
    """A running store with one bucket, ``trading-evidence``, that locks objects.

    Unlike the service, moto accepts shortened retention and wrong checksums, and answers
    ``get_object_retention`` with 500: read retention through ``head_object``.
    """

    endpoint: str
    bucket: str
    token: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start the process and wait until the bucket is there.

        Raises SimulatorError where it does not come up.
        """
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "rollback.rehearsal.simulator.s3"]
        command += ["--directory", str(directory)]
        process, ready = launch(command, directory / "s3.log")
        return cls(ready["endpoint"], ready["bucket"], ready["control_token"], process)

    def refuse_puts(self, *, status: int = 507, after: int = 0) -> None:
        """Answer every PUT and POST of an object with `status`, from the one `after` on."""
        self._control({"status": status, "after": after})

    def accept_puts(self) -> None:
        """Take writes again."""
        self._control({"status": 0, "after": 0})

    def ledger(self) -> list[dict[str, Any]]:
        """Return the requests received: at, method, path, query, user_agent, status."""
        found: list[dict[str, Any]] = self._control(None)
        return found

    def _control(self, order: dict[str, int] | None) -> Any:
        import httpx

        response = httpx.post(
            self.endpoint + CONTROL_PATH,
            json=order,
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
        )
        return response.raise_for_status().json()

    def close(self) -> None:
        """Stop the process and wait for it."""
        land(self.process)

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the process."""
        self.close()


class _Counter:
    """The WSGI layer above moto: it records requests and refuses writes when told to."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], token: str) -> None:
        self._inner = inner
        self._token = token
        self._lock = threading.Lock()
        self._order = {"status": 0, "after": 0}
        self._puts = 0
        self.entries: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        if path == CONTROL_PATH:
            return self._control(environ, start)
        entry = {
            "at": datetime.now(UTC).isoformat(),
            "method": method,
            "path": path,
            "query": environ.get("QUERY_STRING", ""),
            "user_agent": environ.get("HTTP_USER_AGENT", ""),
            "status": 0,
        }
        with self._lock:
            self.entries.append(entry)
            refused = self._refused(method, path)
        if refused:
            entry["status"] = refused
            _drain(environ)
            code = "ServiceUnavailable" if refused == 503 else "InternalError"  # noqa: PLR2004
            body = _REFUSAL.format(code=code, message="The storage is full.").encode()
            start(f"{refused} Refused", [("Content-Type", "application/xml")])
            return [body]

        def noted(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            entry["status"] = int(status.split(" ", 1)[0])
            return start(status, headers, *rest)

        return self._inner(environ, noted)

    def _refused(self, method: str, path: str) -> int:
        if method not in {"PUT", "POST"} or path.count("/") < 2 or not self._order["status"]:  # noqa: PLR2004 - bucket, key
            return 0
        self._puts += 1
        return self._order["status"] if self._puts > self._order["after"] else 0

    def _control(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = _drain(environ)
        given = environ.get("HTTP_AUTHORIZATION", "")
        if not secrets.compare_digest(given, f"Bearer {self._token}"):
            start("401 Unauthorized", [])
            return [b""]
        order = json.loads(body) if body else None
        with self._lock:
            if order is not None:
                self._order, self._puts = order, 0
            answer = json.dumps(self.entries).encode()
        start("200 OK", [("Content-Type", "application/json")])
        return [answer]


def _drain(environ: dict[str, Any]) -> bytes:
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(size) if size else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input closes, SIGTERM arrives or the lifetime is over."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    parser = argparse.ArgumentParser(prog="rollback.rehearsal.simulator.s3", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--lifetime-s", type=float, default=LIFETIME_S)
    given = parser.parse_args(arguments)
    given.directory.mkdir(parents=True, exist_ok=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    token = secrets.token_urlsafe(32)
    app = _Counter(DomainDispatcherApplication(create_backend_app), token)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, name="s3", daemon=True).start()
    _make_bucket(server.server_port)
    app.entries.clear()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=_watch, args=(stopping,), name="parent-watch", daemon=True).start()
    ready = given.directory / "s3-ready.json"
    partial = ready.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        shown = {"endpoint": endpoint, "bucket": names.EVIDENCE_BUCKET, "pid": os.getpid()}
        json.dump({**shown, "control_token": token}, file)
    partial.replace(ready)
    print(ready, flush=True)  # noqa: T201 - the one line the parent waits for
    stopping.wait(given.lifetime_s)
    server.shutdown()
    return 0


def _make_bucket(port: int) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"x-amz-bucket-object-lock-enabled": "true", "Content-Length": "0"}
    connection.request("PUT", f"/{names.EVIDENCE_BUCKET}", headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != http.client.OK:
        text = f"the bucket could not be made: {response.status}"
        raise RuntimeError(text)


def _watch(stopping: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    stopping.set()


if __name__ == "__main__":
    sys.exit(main())
