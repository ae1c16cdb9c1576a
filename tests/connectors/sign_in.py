"""A sign-in service and a Resource Manager over TLS that answer, byte for byte, what a test says."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import trustme

from rollback.rehearsal.simulator import names
from tests.connectors.stand import environment

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.environment import Environment

TOKEN = "eyJ.one.token"
ELSEWHERE = "elsewhere.example"
"""A host that no environment names, at the same address."""
DISCOVERY = {
    "issuer": f"https://{names.LOGIN_HOST}/{names.TENANT}/v2.0",
    "authorization_endpoint": f"https://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/authorize",
    "token_endpoint": f"https://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/token",
}
GIVEN: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN}

Said = bytes | Iterable[bytes]


def said(status: str, body: Any, *headers: str, kind: str = "application/json") -> bytes:
    """A whole answer. body: bytes as they are; anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", f"Content-Type: {kind}"]
    return "\r\n".join([*lines, "Connection: close", *headers, "", ""]).encode() + raw


@dataclass
class Desk:
    """What it answers, and what it was sent: (host, request line, the whole request)."""

    token: Callable[[], Said] = lambda: said("200 OK", GIVEN)
    discovery: Callable[[], Said] = lambda: said("200 OK", DISCOVERY)
    port: int = 0
    ca_file: str = ""
    heard: list[tuple[str, str, bytes]] = field(default_factory=list)

    def environment(self, **changes: Any) -> Environment:
        """The simulated environment, whose sign-in and Resource Manager are here."""
        place = f"127.0.0.1:{self.port}"
        hosts = (names.LOGIN_HOST, names.ARM_HOST, ELSEWHERE)
        network = {"resolve": [(host, place) for host in hosts], "ca_file": self.ca_file}
        return environment(network=network, **changes)

    def asked(self, host: str, part: str = "") -> list[bytes]:
        """What a host was sent, where the request line has `part`."""
        return [whole for to, line, whole in self.heard if to == host and part in line]

    def answer(self, host: str, line: str) -> Said:
        """By host and path."""
        if host != names.LOGIN_HOST:
            return said("200 OK", {"value": []})
        return self.token() if "/token" in line else self.discovery()


@contextmanager
def desk_in(folder: Path) -> Iterator[Desk]:
    """Serve until the block ends."""
    authority, tls = _authority()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        desk = Desk(port=listener.getsockname()[1], ca_file=str(folder / "ca.pem"))
        threading.Thread(target=_listen, args=(listener, tls, desk), daemon=True).start()
        yield desk
        listener.shutdown(socket.SHUT_RDWR)


@cache
def _authority() -> tuple[trustme.CA, ssl.SSLContext]:
    """Made once: keys take a while."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(names.LOGIN_HOST, names.ARM_HOST, ELSEWHERE).configure_cert(tls)
    return authority, tls


def _listen(listener: socket.socket, tls: ssl.SSLContext, desk: Desk) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_speak, args=(plain, tls, desk), daemon=True).start()


def _speak(plain: socket.socket, tls: ssl.SSLContext, desk: Desk) -> None:
    plain.settimeout(20)
    with suppress(OSError), tls.wrap_socket(plain, server_side=True) as connection:
        while whole := _request(connection):
            head = whole.decode("latin-1")
            line = head.split("\r\n")[0]
            host = head.lower().partition("\r\nhost: ")[2].split("\r\n")[0]
            desk.heard.append((host, line, whole))
            answer = desk.answer(host, line)
            for piece in [answer] if isinstance(answer, bytes) else answer:
                connection.sendall(piece)
            if not isinstance(answer, bytes) or b"Connection: close" in answer:
                return


def _request(connection: socket.socket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        heard += piece
    head, _, body = heard.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
