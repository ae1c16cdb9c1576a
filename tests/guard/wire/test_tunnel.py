"""A web socket through the environment's proxy: a real one on loopback, which passes bytes on."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from rollback.connectors.http_hosts import HttpHost
from rollback.errors import InputError
from rollback.guard.wire import httpx_wire, socket_wire, tunnel
from rollback.guard.wire.tunnel import TunnelRefusedError
from rollback.loading.environment import Environment
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.connectors.stand import PatientClock
from tests.guard.support import Bench, bench
from tests.guard.wire.test_sockets import greeting

HOST = "surface.example"
OPENED = b"HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n"


@dataclass
class Proxy:
    """What it was asked, head by head, and what it answers."""

    port: int
    to: int
    answer: bytes = OPENED
    heard: list[bytes] = field(default_factory=list)
    after: list[bytes] = field(default_factory=list)
    """The first bytes that came through each tunnel."""


def _relay(line: socket.socket, far: socket.socket, first: list[bytes]) -> None:
    """On one thread, as OpenSSL takes no two calls for one connection at once. Either end ends both."""
    other = {line: far, far: line}
    with suppress(OSError):
        while True:
            held = [line] if isinstance(line, ssl.SSLSocket) and line.pending() else []
            for one in held or select.select([line, far], [], [], 20)[0]:
                piece = one.recv(65_536)
                if not piece:
                    return
                if one is line:
                    first.append(piece)
                other[one].sendall(piece)


def _serve(proxy: Proxy, line: socket.socket, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError), ExitStack() as held:
        line = held.enter_context(line if tls is None else tls.wrap_socket(line, server_side=True))
        head = b""
        while b"\r\n\r\n" not in head:
            piece = line.recv(1)
            if not piece:
                return
            head += piece
        proxy.heard.append(head)
        line.sendall(proxy.answer)
        if proxy.answer != OPENED:
            while piece := line.recv(65_536):  # until the client hangs up
                proxy.after.append(piece)
            return
        far = held.enter_context(socket.create_connection(("127.0.0.1", proxy.to)))
        _relay(line, far, proxy.after)


@contextmanager
def proxying(to: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy whose every tunnel ends at one port of loopback. tls: spoken with its clients."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1], to)
        serving: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    line.settimeout(20)
                    one = threading.Thread(target=_serve, args=(proxy, line, tls), daemon=True)
                    one.start()
                    serving.append(one)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for one in serving:
            one.join()


def over(address: str, ca: Path | None = None, **network: object) -> Bench:
    return bench(
        perimeter=Perimeter(hosts=(GuardedHost(host=HOST, kind=HostKind.WEB),)),
        network=Network.model_validate(
            {"proxy": address, "ca_file": None if ca is None else str(ca), **network}
        ),
    )


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def served_by(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
def test_a_socket_goes_through_the_proxy(authority: trustme.CA, ca: Path, *, outer: bool) -> None:
    """It hears the name and the port, and nothing of what is said behind TLS."""
    with (
        greeting(tls=served_by(authority, HOST)) as server,
        proxying(server.port, served_by(authority, "localhost") if outer else None) as proxy,
    ):
        told = over(f"http{'s' if outer else ''}://localhost:{proxy.port}", ca)
        with socket_wire.connect(
            told.wire, f"wss://{HOST}/ws", (("Authorization", "Bearer one"),)
        ) as opened:
            assert opened.receive(5.0) == "hello"
    place = f"{HOST}:443".encode()
    assert proxy.heard == [b"CONNECT " + place + b" HTTP/1.1\r\nHost: " + place + b"\r\n\r\n"]
    assert b"Bearer" not in b"".join(proxy.after)
    assert server.asked[0]["Authorization"] == "Bearer one"
    assert [seen.status for seen in told.exchanges.seen_all] == [101]


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut off"])
def test_the_end_of_a_socket_is_told(
    authority: trustme.CA, ca: Path, *, outer: bool, cut: bool
) -> None:
    def leave(line: ServerConnection) -> None:
        line.send("hello")
        if cut:
            line.socket.shutdown(socket.SHUT_RDWR)
        else:
            line.close()

    with (
        greeting(leave, served_by(authority, HOST)) as server,
        proxying(server.port, served_by(authority, "localhost") if outer else None) as proxy,
    ):
        told = over(f"http{'s' if outer else ''}://localhost:{proxy.port}", ca)
        with socket_wire.connect(told.wire, f"wss://{HOST}/ws") as opened:
            assert opened.receive(5.0) == "hello"
            with pytest.raises(ConnectionClosed):
                opened.receive(5.0)


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
def test_a_wait_ends_when_it_may(authority: trustme.CA, ca: Path, *, outer: bool) -> None:
    """And not when the server has waited long enough."""
    hung_up: list[bool] = []

    def silent(line: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            try:
                line.recv(timeout=10)
            except TimeoutError:
                hung_up.append(True)

    with (
        greeting(silent, served_by(authority, HOST)) as server,
        proxying(server.port, served_by(authority, "localhost") if outer else None) as proxy,
    ):
        told = over(f"http{'s' if outer else ''}://localhost:{proxy.port}", ca)
        with socket_wire.connect(told.wire, f"wss://{HOST}/ws", timeout_s=60) as opened:
            with pytest.raises(TimeoutError):
                opened.receive(0.1)
            assert not hung_up


def test_a_long_head_goes_out_whole(authority: trustme.CA, ca: Path) -> None:
    """More than one record of TLS takes."""
    headers = tuple((f"X-Long-{number}", str(number) * 7000) for number in range(9))
    with (
        greeting(tls=served_by(authority, HOST)) as server,
        proxying(server.port, served_by(authority, "localhost")) as proxy,
    ):
        told = over(f"https://localhost:{proxy.port}", ca)
        with socket_wire.connect(told.wire, f"wss://{HOST}/ws", headers) as opened:
            assert opened.receive(5.0) == "hello"
    assert [server.asked[0][name] for name, _ in headers] == [value for _, value in headers]


REFUSALS = {
    407: b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
    403: b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    199: b"HTTP/1.1 199 Early\r\n\r\n",
    300: b"HTTP/1.1 300 Choose\r\n\r\n",
    0: b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_proxy_that_refuses_is_told_as_what_it_is(status: int) -> None:
    """And nothing is said to it but the name of the host."""
    with proxying(1) as proxy:
        proxy.answer = REFUSALS[status]
        told = over(f"http://localhost:{proxy.port}")
        with (
            pytest.raises(TunnelRefusedError) as caught,
            socket_wire.connect(told.wire, f"wss://{HOST}/ws", (("Authorization", "Bearer one"),)),
        ):
            pass
    assert caught.value.status == status
    said = f"answered {status}" if status else "gave no answer that can be read"
    assert str(caught.value) == f"the proxy did not open a tunnel: it {said}"
    assert proxy.after == []
    assert told.latch.tripped() is None
    assert [seen.status for seen in told.exchanges.seen_all] == [None]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OPENED + b"of nobody", 200),
        (OPENED + b"x\r\n\r\n", 200),
        (b"HTTP/1.1 2xx Odd\r\n\r\n", 0),
        (b"HTTP/1.1 20x Odd\r\n\r\n", 0),
        (b"HTTP/2 200\r\n\r\n", 0),
        (b"x" * 70_000, 0),
    ],
)
def test_what_is_no_answer_opens_nothing(answer: bytes, status: int) -> None:
    with proxying(1) as proxy:
        proxy.answer = answer
        told = over(f"http://localhost:{proxy.port}")
        with (
            pytest.raises(TunnelRefusedError) as caught,
            socket_wire.connect(told.wire, f"wss://{HOST}/ws"),
        ):
            pass
    assert (caught.value.status, proxy.after) == (status, [])


@pytest.mark.parametrize(
    ("status", "words"), [(403, "answered 403"), (0, "gave no answer that can be read")]
)
def test_its_answer_is_not_taken_for_the_surfaces(status: int, words: str) -> None:
    """A socket that the surface refuses with 403 proves something; a proxy's 403 does not."""
    with proxying(1) as proxy:
        proxy.answer = REFUSALS[status]
        told = over(f"http://localhost:{proxy.port}")
        host = HttpHost(
            host=HOST,
            transport=lambda: httpx_wire.transport(told.wire),
            socket=lambda url, headers, timeout_s: socket_wire.connect(
                told.wire, url, headers, timeout_s
            ),
            latch=told.latch,
            clock=PatientClock(),
        )
        hello = host.socket("/ws")
        host.close()
    assert hello.status == 0
    assert f"the proxy of the environment's network opened no tunnel: it {words}" in hello.problem


def test_a_mapped_name_is_not_asked_of_the_proxy(authority: trustme.CA, ca: Path) -> None:
    with greeting(tls=served_by(authority, HOST)) as server, proxying(1) as proxy:
        told = over(f"http://localhost:{proxy.port}", ca, resolve=((HOST, server.host),))
        with socket_wire.connect(told.wire, f"wss://{HOST}/ws") as opened:
            assert opened.receive(5.0) == "hello"
    assert proxy.heard == []


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
def test_behind_the_tunnel_the_certificate_is_that_of_the_host(
    authority: trustme.CA, ca: Path, *, outer: bool
) -> None:
    with (
        greeting(tls=served_by(authority, "elsewhere.example")) as server,
        proxying(server.port, served_by(authority, "localhost") if outer else None) as proxy,
    ):
        told = over(f"http{'s' if outer else ''}://localhost:{proxy.port}", ca)
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            socket_wire.connect(told.wire, f"wss://{HOST}/ws"),
        ):
            pass
    assert server.asked == []


def test_the_proxys_own_certificate_is_checked(authority: trustme.CA, ca: Path) -> None:
    with proxying(1, served_by(authority, "elsewhere.example")) as proxy:
        told = over(f"https://localhost:{proxy.port}", ca)
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            socket_wire.connect(told.wire, f"wss://{HOST}/ws"),
        ):
            pass
    assert proxy.heard == []


@pytest.mark.parametrize(
    ("address", "at"),
    [
        ("http://proxy.example", ("proxy.example", 80)),
        ("https://proxy.example", ("proxy.example", 443)),
        ("http://proxy.example:3128", ("proxy.example", 3128)),
    ],
)
def test_a_proxy_is_where_its_address_says(
    monkeypatch: pytest.MonkeyPatch, address: str, at: tuple[str, int]
) -> None:
    asked: list[object] = []

    def connected(*given: object) -> socket.socket:
        asked.append(given)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connected)
    with pytest.raises(ConnectionRefusedError):
        tunnel.through(Network(proxy=address), address, "a.example", 443, 3.0)
    assert asked == [(at, 3.0)]


class Said:
    """A proxy's line that says these pieces; what it is given to wait."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = iter(pieces)
        self.waits: list[float] = []

    def sendall(self, data: bytes) -> None:
        assert data.startswith(b"CONNECT a.example:443 ")

    def settimeout(self, limit: float) -> None:
        self.waits.append(limit)

    def recv(self, _: int) -> bytes:
        return next(self.pieces)


def ask(said: Said) -> None:
    tunnel._ask(said, "a.example:443", 5.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [105.0, 106.0])
def test_an_answer_in_drops_has_one_time_for_all(
    monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    now = iter([100.0, 101.0, 104.0, late])
    monkeypatch.setattr(tunnel, "time", SimpleNamespace(monotonic=lambda: next(now)))
    drops = Said(b"H", b"T")
    with pytest.raises(TimeoutError, match="longer than it may"):
        ask(drops)
    assert drops.waits == [4.0, 1.0]


def test_a_head_has_an_end() -> None:
    longest = OPENED[:-2] + b"X: " + b"x" * (65_536 - len(OPENED) - 5) + b"\r\n\r\n"
    assert len(longest) == 65_536
    ask(Said(longest[:40_000], longest[40_000:]))
    for pieces in ((longest[:-4], b"x\r\n\r\n"), (b"x" * 40_000, b"x" * 40_000)):
        with pytest.raises(TunnelRefusedError):
            ask(Said(*pieces))


@pytest.mark.parametrize("status", ["200", "201", "299"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_every_2xx_opens(status: str, version: str) -> None:
    ask(Said(f"HTTP/{version} {status} Fine\r\n\r\n".encode()))


def test_a_silent_proxy_is_not_waited_for() -> None:
    with proxying(1) as proxy:
        proxy.answer = b""
        told = over(f"http://localhost:{proxy.port}")
        with (
            pytest.raises(TimeoutError),
            socket_wire.connect(told.wire, f"wss://{HOST}/ws", timeout_s=0.05),
        ):
            pass


def test_a_proxys_address_holds_no_password(tmp_path: Path) -> None:
    """It would be in the file, and who reads what was wrong with it would read it too."""
    file = tmp_path / "environment.yaml"
    file.write_text("environment: a\nnetwork: {proxy: 'http://ana:hunter2@proxy.example:3128'}\n")
    with pytest.raises(InputError) as caught:
        Environment.load(file)
    assert "network.proxy" in [one.path for one in caught.value.complaints]
    assert "hunter2" not in f"{caught.value} {caught.value.complaints}"
