"""An opt-in net over the whole process, for applications: sees what goes round the guard.

Python's audit hooks tell of every name lookup, connect and `http.client` request of the process.
The net looks at those towards guarded hosts that no guarded client is making. It reports them to a
port; where the application has opted in, it refuses them. It is no boundary: code in the same
process can go round it. The boundary is the credential.

An audit hook cannot be taken out again, so the net is cast once and then only switched.

N1  never stops a run: it latches nothing, and a failing report is dropped
N2  never blocks an operator's halt: surfaces and the platform-service cannot be refused, and while
    anybody is inside `operator` nothing is, in no thread: a halt may be sent by another one
N3  says each thread's host once while it is cast, not once a packet
"""

from __future__ import annotations

import sys
import threading
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rollback.errors import GuardRefusal
from rollback.guard.rules.judge import locate
from rollback.guard.rules.request import FAIL_CLOSED
from rollback.model.scope import HostKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.model.scope import GuardedHost, Perimeter

_NEVER_REFUSED: Final = frozenset({HostKind.BACKEND, HostKind.WEB, HostKind.PLATFORM})
_EVENTS: Final = frozenset({
    "socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "http.client.connect",
    "http.client.send",
})  # fmt: skip


class Sighting(NamedTuple):
    """Something in this process reached for a guarded host outside the guard."""

    event: str
    host: str
    kind: HostKind
    thread: str
    refused: bool


_GUARDED: Final = ContextVar("guarded", default=False)
_OPERATOR: Final = ContextVar("operator", default=False)
_OPERATORS: Final[set[object]] = set()
"""The blocks of `operator` that are open, in whichever thread. Each call on it is one act."""
_REPORTING: Final = ContextVar("reporting", default=False)


@contextmanager
def _within(mark: ContextVar[bool]) -> Iterator[None]:
    token = mark.set(True)
    try:
        yield
    finally:
        mark.reset(token)


def guarded() -> AbstractContextManager[None]:
    """Around the leaf of every guarded client: what is reached for inside was judged."""
    return _within(_GUARDED)


@contextmanager
def operator() -> Iterator[None]:
    """Around an operator's own act in this process, such as a halt: never refused, not reported.

    Work that other threads do for it (an event loop looks names up in one) is not refused either;
    it is reported, as nobody can tell whose it is.
    """
    block = object()
    _OPERATORS.add(block)
    try:
        with _within(_OPERATOR):
            yield
    finally:
        _OPERATORS.discard(block)


def may_refuse(kinds: frozenset[HostKind]) -> None:
    """Raises ValueError where refusing these kinds of host could block a halt (N2)."""
    if kinds & _NEVER_REFUSED:
        msg = "a surface or the platform-service is never refused: a halt may go there"
        raise ValueError(msg)


class Net:
    """The net: cast once for the process, drawn in and cast again at will."""

    def __init__(
        self,
        perimeter: Perimeter,
        report: Callable[[Sighting], None],
        *,
        refuse: frozenset[HostKind] = frozenset(),
    ) -> None:
        """Prepare a net. Raises ValueError where `refuse` could block a halt."""
        may_refuse(refuse)
        self._perimeter = perimeter
        self._report = report
        self._refuse = refuse
        self._cast = threading.Event()
        self._hooked = False
        self._said: set[tuple[str, str, str]] = set()

    def cast(self) -> None:
        """Watch from now on."""
        if not self._hooked:
            sys.addaudithook(self._hear)
            self._hooked = True
        self._said.clear()
        self._cast.set()

    def draw_in(self) -> None:
        """Watch no more."""
        self._cast.clear()

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._cast.is_set() or event not in _EVENTS:
            return
        if _GUARDED.get() or _OPERATOR.get() or _REPORTING.get():
            return
        found = self._guarded_host(event, args)
        if found is None:
            return
        refused = found.kind in self._refuse and not _OPERATORS
        thread = threading.current_thread().name
        key = (event, found.host, thread)
        if key not in self._said:  # N3
            self._said.add(key)
            self._tell(Sighting(event, found.host, found.kind, thread, refused))
        if refused:
            raise GuardRefusal(
                "guard.net",
                f"a connection to {found.host} was opened round the guard",
                hint="use the clients that an action is given",
                promise=FAIL_CLOSED,
            )

    def _guarded_host(self, event: str, args: tuple[Any, ...]) -> GuardedHost | None:
        # Addresses of other families have other forms: one that is not understood is let be (N1).
        with suppress(Exception):
            name, port = _named(event, args)
            if isinstance(name, bytes):
                name = name.decode("ascii", "replace")
            if isinstance(name, str):
                host = name.lower().rstrip(".")
                found = locate(host, self._perimeter)
                return found or locate(f"{host}:{port}", self._perimeter)
        return None

    def _tell(self, sighting: Sighting) -> None:
        with _within(_REPORTING), suppress(Exception):  # N1: a report never stops anything
            self._report(sighting)


def _named(event: str, args: tuple[Any, ...]) -> tuple[Any, Any]:
    """The name and port that an event is about; none where it is not understood."""
    match event, args:
        case "socket.connect", (_, (name, port, *_)):
            return name, port
        case "http.client.connect", (connection, name, port):
            return _tunnel(connection) or (name, port)
        case "http.client.send", (connection, _):
            return _tunnel(connection) or (connection.host, connection.port)
        case "socket.getaddrinfo", (name, port, *_):
            return name, port
        case "socket.gethostbyname", (name,):
            return name, None
        case _:
            return None, None


def _tunnel(connection: Any) -> tuple[Any, Any] | None:
    """Where a connection leads through a proxy; None where it goes straight."""
    name = getattr(connection, "_tunnel_host", None)
    return None if name is None else (name, getattr(connection, "_tunnel_port", None))
