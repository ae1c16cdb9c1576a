"""Clients of an SDK that several threads must not share: each is used by one at a time.

azure-cosmos keeps the head of the last answer in its client, writes to it and reads the next
continuation out of it (4.17.1). Two threads of one client get each other's continuations, and one
stops with an error where the other writes while it reads.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

C = TypeVar("C")


class OwnClients(Generic[C]):
    """Made when one is needed and none is free; there are as many as were used at the same time."""

    def __init__(self, make: Callable[[int], C]) -> None:
        """make: a client by the number of what it is for."""
        self._make = make
        self._lock = Lock()
        self._free: dict[int, list[C]] = {}
        self._made: list[C] = []

    @contextmanager
    def one(self, number: int) -> Iterator[C]:
        """A client that nobody else has meanwhile. Raises what making one raises."""
        client = self._taken(number)
        try:
            yield client
        finally:
            with self._lock:
                self._free.setdefault(number, []).append(client)

    def _taken(self, number: int) -> C:
        with self._lock:
            if free := self._free.get(number):
                return free.pop()
        made = self._make(number)
        with self._lock:
            self._made.append(made)
        return made

    def close(self) -> None:
        """Close their connections, also of those that are in use."""
        with self._lock:
            made, self._made, self._free = self._made, [], {}
        for client in made:
            closing: Any = client
            closing.__exit__(None, None, None)
