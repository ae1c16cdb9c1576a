"""The last step of everything the product does to the outside, replaced; nothing above it is.

The guarded transports, the SDKs above them, the journal and the leases are the real ones. Below
them, in place of sockets, of `os.write` and of `threading`, stands the simulation. Nothing of the
product knows of it.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import queue
import threading
import time
from collections.abc import Hashable
from concurrent import futures
from contextlib import ExitStack, contextmanager
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from rollback.evidence import capture, progress
from rollback.rehearsal.simulator import backend, front
from rollback.rehearsal.simulator.ledger import classify, entry_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ground import Ground, NoAnswerError
from tests.simulation.received import call_of
from tests.simulation.stand_ins import (
    Executor,
    Queues,
    SimulatedFuture,
    Threading,
    Times,
    in_turn,
    waiter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from rollback.rehearsal.simulator.exchange import Call
    from tests.simulation.baton import Baton

_THREADED = ("running", "wiring", "evidence", "connectors")


@contextmanager
def standing_on(ground: Ground, *, sdks: bool = True) -> Iterator[None]:
    """Everything of the product in this process stands on `ground` until the end.

    sdks: the SDKs are above it, else the fast floor (`direct`).
    """
    import httpx
    import requests.adapters

    from rollback.evidence import stores
    from rollback.guard.wire import socket_line, socket_wire
    from rollback.running import journal, store
    from rollback.running.lease.folder import FolderPlace
    from rollback.wiring import apply, scopes, sitting
    from tests.simulation.direct import Direct, clients_on

    baton = ground.baton
    threads = Threading(baton)
    with ExitStack() as stack:

        def stand_in(where: Any, name: str, what: Any) -> None:
            stack.enter_context(patch.object(where, name, what))

        for module, name, what in _threaded(baton, threads):
            stand_in(module, name, what)
        if sdks:
            _stand_in_cosmos(ground, stand_in, threads)
        else:
            direct = clients_on(ground)
            stand_in(scopes, "GuardedClients", direct)
            stand_in(sitting, "GuardedClients", direct)
            stand_in(sitting, "own_carriers", lambda wire: (Direct(wire, ground),))
            stand_in(scopes.JournalledExchanges, "seen", lambda *_: None)
        stand_in(time, "sleep", _sleeping(ground, time.sleep))
        stand_in(journal, "RealDisk", lambda: SimulatedDisk(ground, baton.actor.process))
        stand_in(journal.FileJournal, "append", _stepping(ground, journal.FileJournal.append))
        stand_in(httpx.HTTPTransport, "handle_request", _httpx_leaf(ground))
        stand_in(requests.adapters.HTTPAdapter, "send", _requests_leaf(ground))
        stand_in(socket_wire, "socket", _Sockets())
        stand_in(socket_line, "Line", _socket_leaf(ground))
        stand_in(stores, "create", _creating(ground, stores.create, "evidence"))
        stand_in(store, "create_file", _creating(ground, store.create_file, "state"))
        stand_in(FolderPlace, "read", _leasing(ground, FolderPlace.read, "read"))
        if not ground.seals:
            stand_in(apply, "closed", lambda *given: given[-1])
        stand_in(FolderPlace, "write", _leasing(ground, FolderPlace.write, "write"))
        yield


@cache
def _modules() -> tuple[ModuleType, ...]:
    """Every module of the product in which threads may be used."""
    found = []
    for package in _THREADED:
        whole = importlib.import_module(f"rollback.{package}")
        names = (one.name for one in pkgutil.walk_packages(whole.__path__, f"{whole.__name__}."))
        found += [importlib.import_module(name) for name in names]
    return tuple(found)


def _threaded(baton: Baton, threads: Threading) -> list[tuple[ModuleType, str, Any]]:
    """Where the product names something of `threading`, and what it finds there instead."""

    def executor(max_workers: int | None = None, **_: Any) -> Executor:
        return Executor(baton, max_workers or 1)

    def future() -> SimulatedFuture[Any]:
        made: SimulatedFuture[Any] = SimulatedFuture()
        made.baton = baton
        return made

    instead: dict[Any, Any] = {
        threading: threads,
        threading.Lock: threads.Lock,
        threading.RLock: threads.RLock,
        threading.Event: threads.Event,
        threading.Thread: threads.Thread,
        threading.BoundedSemaphore: threads.BoundedSemaphore,
        futures.Future: future,
        futures.ThreadPoolExecutor: executor,
        futures.wait: waiter(baton),
        queue: Queues(baton),
    }
    found = []
    for module in _modules():
        for name, value in vars(module).items():
            if isinstance(value, Hashable) and value in instead and not name.startswith("__"):
                kept = (
                    module.__name__ == "rollback.evidence.chunks"
                )  # asks for a thread's own store
                if not kept:
                    found.append((module, name, instead[value]))
    found += [(module, "time", Times(baton)) for module in (capture, progress)]
    return found


def _stand_in_cosmos(
    ground: Ground, stand_in: Callable[[Any, str, Any], None], threads: Threading
) -> None:
    """azure-cosmos looks at its endpoints on threads of its own."""
    from azure.cosmos import _global_endpoint_manager as cosmos

    stand_in(cosmos, "threading", threads)
    stand_in(
        cosmos, "ThreadPoolExecutor", lambda max_workers: Executor(ground.baton, max_workers or 1)
    )
    stand_in(cosmos, "as_completed", in_turn(ground.baton))


def _sleeping(ground: Ground, sleep: Callable[[float], None]) -> Callable[[float], None]:
    """What an SDK sleeps passes in virtual time too."""

    def sleeping(seconds: float) -> None:
        if ground.baton.inside:
            ground.baton.sleep(seconds)
        else:
            sleep(seconds)

    return sleeping


# --- threads and disk ------------------------------------------------------------------------


def _stepping(ground: Ground, append: Callable[..., Any]) -> Callable[..., Any]:
    def stepping(self: Any, stream: str, kind: Any, body: Any, *, durable: bool) -> Any:
        ground.baton.step()
        record = append(self, stream, kind, body, durable=durable)
        ground.recorded(self, record)
        return record

    return stepping


def _creating(
    ground: Ground, create: Callable[[Path, bytes], None], what: str
) -> Callable[[Path, bytes], None]:
    def creating(path: Path, data: bytes) -> None:
        who = ground.baton.actor.process
        fault = ground.point("file", f"create a file of {what}")
        ground.common(fault)
        if fault == "full":
            if what == "state":
                from rollback.running.store import _not_written

                error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                raise _not_written(path, error)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        create(path, data)
        ground.changed += 1
        if fault == "crash-after":
            ground.kill(who)
        ground.baton.step()

    return creating


def _leasing(ground: Ground, real: Callable[..., Any], what: str) -> Callable[..., Any]:
    def leasing(self: Any, *args: Any) -> Any:
        from rollback.running.lease.folder import _failed

        who = ground.baton.actor.process
        fault = ground.point("lease", f"{what} the lease")
        ground.common(fault)
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        if fault == "failed":
            raise _failed(self._folder, error)
        found = real(self, *args)
        if what == "write":
            ground.changed += 1
            if ground.watch is not None:
                ground.watch.leased(args[0])
        if fault == "crash-after":
            ground.kill(who)
        ground.baton.sleep(ground.fate.latency_s())
        if fault == "lost":
            raise _failed(self._folder, error)
        return found

    return leasing


# --- the network -------------------------------------------------------------------------------


def _httpx_leaf(ground: Ground) -> Callable[..., Any]:
    import httpx

    def handle_request(self: Any, request: httpx.Request) -> httpx.Response:
        del self
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw
        }
        call = call_of(request.method, str(request.url), headers, request.read())
        try:
            reply = ground.exchange(call, writes=classify(call) == "write")
        except NoAnswerError as error:
            kind = httpx.ReadError if error.sent else httpx.ConnectError
            raise kind(str(error), request=request) from error
        return httpx.Response(reply.status, headers=reply.headers, content=reply.body)

    return handle_request


def _requests_leaf(ground: Ground) -> Callable[..., Any]:
    import requests
    from urllib3 import HTTPHeaderDict, HTTPResponse
    from urllib3.exceptions import NewConnectionError, ProtocolError

    def send(self: Any, request: Any, **_: Any) -> requests.Response:
        body = request.body or b""
        headers = {str(name): _text(value) for name, value in request.headers.items()}
        call = call_of(str(request.method), str(request.url), headers, body)
        try:
            reply = ground.exchange(call, writes=classify(call) == "write")
        except NoAnswerError as error:
            why: Exception = ProtocolError(str(error), error)
            if not error.sent:
                why = NewConnectionError(None, str(error))  # type: ignore[arg-type]
            raise requests.ConnectionError(why, request=request) from error
        raw = HTTPResponse(
            body=BytesIO(reply.body),
            headers=HTTPHeaderDict(reply.headers),
            status=reply.status,
            preload_content=False,
            request_method=request.method,
        )
        response: requests.Response = self.build_response(request, raw)
        return response

    return send


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


class _Line:
    """A connection that carries nothing: the socket above it is simulated."""

    def close(self) -> None:
        """Nothing is open."""


class _Sockets:
    """`socket`, as much of it as the socket wire uses."""

    @staticmethod
    def create_connection(address: tuple[str, int], timeout: float | None = None) -> _Line:
        del address, timeout
        return _Line()


class _Open:
    """One web socket with one greeting."""

    def __init__(self, ground: Ground, url: str) -> None:
        self._ground = ground
        self._url = url
        self._greeting = ""

    def open(self, headers: dict[str, str], timeout_s: float) -> Any:
        """Ask for the socket, of a backend of the world."""
        from websockets.datastructures import Headers
        from websockets.exceptions import InvalidStatus
        from websockets.http11 import Response

        del timeout_s
        ground = self._ground
        call = call_of("GET", self._url, dict(headers), b"")
        fault = ground.point("socket", f"open {call.host}{call.path}")
        ground.common(fault)
        if fault in {"refused", "lost"}:
            msg = "connection refused"
            raise ConnectionRefusedError(msg)
        ground.baton.sleep(ground.fate.latency_s())
        status, self._greeting = greet(ground, call)
        if fault == "crash-after":
            ground.kill(ground.baton.actor.process)
        response = Response(status, "", Headers(), b"")
        if status != 101:
            raise InvalidStatus(response)
        return response

    def receive(self, timeout_s: float) -> str:
        del timeout_s
        return self._greeting

    def close(self, timeout_s: float) -> None:
        """Closed."""


def _socket_leaf(ground: Ground) -> Callable[..., _Open]:
    return lambda _, url, *__: _Open(ground, url)


def greet(ground: Ground, call: Call) -> tuple[int, str]:
    """What a backend says on a new web socket: the status, and its greeting where it opens."""
    import json

    simulation = ground.simulation
    found = front.owner(simulation, call.host)
    place = front.place(simulation, call, *found) if found else None
    call.principal = backend.principal_of(simulation, call.bearer) or ""
    status = 101
    if place is None or place.at.site.surface != "backend":
        status = 403 if found else 404
    elif not call.principal:
        status = 401
    elif place.at.instance.serves() is None:
        status = 503
    now = simulation.now()
    simulation.ledger.append(entry_of(call, len(simulation.ledger) + 1, now, status, None))
    if place is None or status != 101:
        return status, ""
    at = place.at.instance
    return status, json.dumps({"type": "hello", "build": at.serves(), "instance": at.id})
