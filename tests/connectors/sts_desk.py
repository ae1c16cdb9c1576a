"""A loopback server that is STS at ``/``, and a store at every other path; it says what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.connectors.loopback import answer

Said = bytes | Iterable[bytes]
KEY_ID, SECRET, SESSION = (
    "ASIAGIVENBYSTS000001",
    "given/by+STS/secret-key-0001",
    "given.by.STS.session==",
)
ABSENT = answer("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>")


def given(
    *, ends: str | None = None, lasts_s: float = 3600, number: int = 0, **changes: str | None
) -> bytes:
    """A good answer of STS, with parts replaced, or left out where they are None."""
    until = datetime.now(UTC) + timedelta(seconds=lasts_s)
    parts: dict[str, str | None] = {
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": f"{SECRET}{number or ''}",
        "SessionToken": SESSION,
        "Expiration": ends if ends is not None else until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **changes,
    }
    inner = "".join(f"<{k}>{v}</{k}>" for k, v in parts.items() if v is not None)
    outer = "AssumeRoleWithWebIdentityResult"
    return answer(
        "200 OK", f"<A><{outer}><Credentials>{inner}</Credentials></{outer}></A>".encode()
    )


def refusing(status: str, code: str, told: str = "") -> bytes:
    """STS says no."""
    error = f"<ErrorResponse><Error><Code>{code}</Code><Message>{told}</Message></Error></ErrorResponse>"
    return answer(status, error.encode())


@dataclass
class Desk:
    """sts, store: what the n-th request is answered, from 0. roles: the forms that STS was sent.

    signed: the session token of each request to the store.
    """

    port: int = 0
    sts: Callable[[int], Said] = lambda _: given()
    store: Callable[[int], Said] = lambda _: ABSENT
    roles: list[dict[str, str]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    signed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sts_place(self) -> str:
        """The same server by another name: another host to the guard."""
        return f"http://localhost:{self.port}"


@contextmanager
def desk() -> Iterator[Desk]:
    """Serve until the block ends."""
    story = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # POST and PUT are answered by it too
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/" and self.command == "POST":
                story.roles.append({k: one for k, (one,) in parse_qs(body.decode()).items()})
                story.heads.append({k.lower(): v for k, v in self.headers.items()})
                said = story.sts(len(story.roles) - 1)
            else:
                token = self.headers.get("x-amz-security-token", "")
                story.signed.append((self.command, token))
                said = story.store(len(story.signed) - 1)
            self.close_connection = True
            try:
                for piece in [said] if isinstance(said, bytes) else said:
                    self.wfile.write(piece)
            except OSError:
                return

        do_POST = do_PUT = do_GET  # noqa: N815 - names that the library looks for

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        story.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield story
        finally:
            server.shutdown()
            thread.join()
