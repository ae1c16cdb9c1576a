"""What a source is: something read once, or read by parts, page by page, from any place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rollback.errors import ConnectorError
from rollback.model.base import Fact

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.errors import InputError
    from rollback.model.ports import Clients

LOST_PLACE = "cosmos.continuation"
"""The code of an error that says: the place is not known any more; read that part anew."""

SPENT = "request_units_hundredths"
"""The fact of what reading cost. What was spent before an interruption was spent all the same."""

CAME_MEANWHILE = "came_meanwhile"
"""The fact of so many more items than were counted before, which were there when counted after."""

CLOCK_AHEAD = "clock_ahead_s"
"""The fact of control documents that were read by a machine whose clock is ahead by so much."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something a source could not read, and why. passing: asked again later, it may be there."""

    reason: str
    passing: bool = False

    @classmethod
    def of(cls, error: ConnectorError | InputError, where: str = "") -> Gap:
        """What an error of reading leaves out."""
        reason = f"{where}: {error.reason}" if where else error.reason
        return cls(reason, isinstance(error, ConnectorError) and error.transient)


@dataclass(frozen=True, slots=True)
class Lines:
    """Several JSON values at once, as they came: one a line, each with its newline.

    place: where reading gives this page again. items: how many they are; 0 where nobody counted.
    """

    content: bytes
    place: str = ""
    items: int = 0

    @classmethod
    def of(cls, items: Iterable[bytes], place: str = "") -> Lines:
        """Values without newlines."""
        return cls(b"".join(item + b"\n" for item in items), place)


@dataclass(frozen=True, slots=True)
class Ahead:
    """How many items a part has, from its beginning, as counted before it was read.

    The time left is told by it; where fewer come, that is a gap; where more come, see `more`.
    again: counts them anew, and yields what that cost, then an `Ahead` of what is there now;
    without one where nobody could say.
    """

    items: int
    again: Callable[[], Iterator[Read]] | None = None


Read: TypeAlias = "bytes | Lines | Gap | Fact | Ahead"
"""What a source yields."""


def _whole(clients: Clients) -> tuple[str, ...]:
    del clients
    return ("",)


@dataclass(frozen=True, slots=True)
class Source:
    """Something that can be read. name: stable, like ``backend/worker-logs``.

    read: from its beginning; after an interruption it is read anew. seconds_max: its bound.
    since, until: the window asked for, where the source has time.
    """

    name: str
    read: Callable[[Clients], Iterator[Read]]
    seconds_max: int
    since: datetime | None = None
    until: datetime | None = None

    def parts(self, clients: Clients) -> tuple[str, ...]:
        """What can be read at the same time."""
        return _whole(clients)

    def read_part(self, clients: Clients, part: str, place: str) -> Iterator[Read]:
        """One part; place: where to go on, empty for its beginning."""
        del part, place
        return self.read(clients)


@dataclass(frozen=True, slots=True)
class PagedSource:
    """Like `Source`, read by parts and from any place that a `Lines` named.

    Reading from a place gives the page that named it, and what follows.
    """

    name: str
    read_part: Callable[[Clients, str, str], Iterator[Read]]
    seconds_max: int
    parts: Callable[[Clients], tuple[str, ...]] = _whole
    since: datetime | None = None
    until: datetime | None = None


AnySource = Source | PagedSource


def fewer(counted: int, came: int) -> str:
    """The reason of a part that gave fewer items than were counted before it was read."""
    return (
        f"{counted:,} were counted before, and {came:,} came: some were removed meanwhile, "
        "or the service left them out"
    )


def more(ahead: Ahead, came: int) -> Iterator[Read]:
    """What it means that more items came than were counted before.

    What is written while it is read is usual, and lacks nothing: all of it is there when counted
    after, and a fact says how many. Where fewer are there then, some may have come twice and stand
    for others that did not, which no number can tell; so it is where nobody can count again.
    """
    after: int | None = None
    for read in ahead.again() if ahead.again is not None else ():
        if isinstance(read, Ahead):
            after = read.items
        else:
            yield read
    if after is not None and after >= came:
        yield Fact(name=CAME_MEANWHILE, value=came - ahead.items)
        return
    again = "nobody counted again" if after is None else f"{after:,} were counted after"
    yield Gap(
        f"{ahead.items:,} were counted before, {came:,} came, and {again}: some may have come "
        "twice, in the place of others"
    )
