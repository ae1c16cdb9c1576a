"""The net over the process, switched on while an operator plans or applies. Opt-in."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rollback.guard.wire.net import Net, Sighting, may_refuse
from rollback.model.base import facts
from rollback.model.journal import MAIN
from rollback.model.record import RecordKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.model.ports import Journal
    from rollback.model.scope import HostKind, Perimeter

SIGHTINGS_MAX: Final = 100
"""Sightings told in one plan or run: something that asks for ever must not fill the disk."""


class ProcessWatch:
    """Watches this process for what goes round the guard, and says it.

    One a process, given to each of its operators: an audit hook cannot be taken out again. What is
    seen in a run is a note in its journal; what is seen while planning goes to `tell`. It stops no
    run, and refuses nothing but connections to the kinds of host that are named.
    """

    def __init__(
        self,
        *,
        refuse: frozenset[HostKind] = frozenset(),
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Nothing is watched yet. Raises ValueError where `refuse` could block a halt."""
        may_refuse(refuse)
        self._refuse = refuse
        self._tell = tell
        self._lock = threading.Lock()
        self._nets: dict[Perimeter, tuple[Net, list[_Listener]]] = {}

    @contextmanager
    def over(self, perimeter: Perimeter, journal: Journal | None = None) -> Iterator[None]:
        """Watch for the length of the block. journal: of the run."""
        listener = _Listener(self._tell if journal is None else _into(journal))
        with self._lock:
            net, listeners = self._nets.get(perimeter) or self._net(perimeter)
            listeners.append(listener)
            net.cast()
        try:
            yield
        finally:
            with self._lock:
                listeners.remove(listener)
                if not listeners:
                    net.draw_in()

    def _net(self, perimeter: Perimeter) -> tuple[Net, list[_Listener]]:
        listeners: list[_Listener] = []

        def report(sighting: Sighting) -> None:
            for listener in tuple(listeners):
                listener.hear(sighting)

        made = (Net(perimeter, report, refuse=self._refuse), listeners)
        self._nets[perimeter] = made
        return made


class _Listener:
    """Passes on the first sightings."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell
        self._left = SIGHTINGS_MAX

    def hear(self, sighting: Sighting) -> None:
        if self._tell is None or self._left <= 0:
            return
        self._left -= 1
        became = "it was refused" if sighting.refused else "it went on"
        self._tell(
            f"{sighting.event} towards {sighting.host} ({sighting.kind.value}) in thread "
            f"{sighting.thread} was made by no guarded client; {became}"
        )


def _into(journal: Journal) -> Callable[[str], None]:
    def note(text: str) -> None:
        body = facts(code="guard.net", text=text, weight="forbidden")
        journal.append(MAIN, RecordKind.NOTE, body, durable=False)

    return note
