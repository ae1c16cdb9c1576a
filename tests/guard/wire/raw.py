"""A loopback server that keeps the very bytes it is sent, and a short reader of them.

It shares no code with any client, nor with the guard.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
BARE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


@dataclass
class Taken:
    """One request, as it came over the wire."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        method, target, version = self.line.split(" ")
        assert method
        assert version == "HTTP/1.1"
        return target

    @property
    def path(self) -> str:
        return unquote_to_bytes(self.target.partition("?")[0]).decode("utf-8", "strict")

    @property
    def query(self) -> list[tuple[str, str]]:
        raw = self.target.partition("?")[2]
        pairs = [part.partition("=") for part in raw.split("&") if part] if raw else []
        return sorted((_plain(name), _plain(value)) for name, _, value in pairs)

    def header(self, name: str) -> list[str]:
        return [value for said, value in self.headers if said.lower() == name]


def _plain(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "strict")


@dataclass
class Raw:
    """The server's side."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    answer: bytes = ANSWER
    drops: int = 0
    """This many requests are taken, and answered by hanging up."""
    lines: int = 0
    """Connections opened so far."""
    hung_up: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released each time that a client ends a connection."""
    meet: threading.Barrier | None = None
    """Each answer waits here, until as many requests came as it has parties."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def raw_server(tls: ssl.SSLContext | None = None) -> Iterator[Raw]:
    """Run the server for the length of the block.

    tls: spoken where CONNECT asked for a tunnel: it is both the proxy and what the tunnel leads to.
    """
    story = Raw()
    listening = socket.create_server(("127.0.0.1", 0))
    story.port = listening.getsockname()[1]
    open_: list[socket.socket] = []
    threads = []

    def accept() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            open_.append(line)
            story.lines += 1
            one = threading.Thread(target=_serve, args=(line, story, open_, tls), daemon=True)
            one.start()
            threads.append(one)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield story
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for line in open_:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for one in threads:
            one.join()
        for line in open_:
            line.close()


def _serve(
    line: socket.socket, story: Raw, open_: list[socket.socket], tls: ssl.SSLContext | None
) -> None:
    kept = b""
    with suppress(OSError):
        while True:
            while b"\r\n\r\n" not in kept:
                more = line.recv(65536)
                if not more:
                    story.hung_up.release()
                    return
                kept += more
            head, _, kept = kept.partition(b"\r\n\r\n")
            first, *rest = head.decode("latin-1").split("\r\n")
            headers = [(one.partition(":")[0], one.partition(":")[2].strip(" \t")) for one in rest]
            said = {name.lower(): value for name, value in headers}
            if "transfer-encoding" in said:
                while not kept.endswith(b"0\r\n\r\n"):
                    kept += _more(line)
                body, kept = kept, b""
            else:
                length = int(said.get("content-length", "0"))
                while len(kept) < length:
                    kept += _more(line)
                body, kept = kept[:length], kept[length:]
            taken = Taken(first, headers, body)
            story.taken.append(taken)
            if story.drops:
                story.drops -= 1
                line.shutdown(socket.SHUT_RDWR)
                return
            if tls is not None and taken.method == "CONNECT":
                line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                line = tls.wrap_socket(line, server_side=True)
                open_.append(line)
                continue
            if story.meet is not None:
                story.meet.wait(timeout=30)
            line.sendall(BARE if taken.method == "HEAD" else story.answer)


def _more(line: socket.socket) -> bytes:
    """What comes next of a request. Raises ConnectionError where it ends in the middle."""
    more = line.recv(65536)
    if not more:
        raise ConnectionError
    return more
