"""Cosmos, by query: audit containers in a window as they are, control containers by digest.

Audit containers are read by several partitions at once, each from its own continuation. Of control
documents only id, etag, time and content digest are kept: enough to say whether one changed between
two captures. The digest has no key, so that captures of different runs can be compared: it tells
nothing of what a document holds but to who can guess the whole of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.evidence.source import (
    CLOCK_AHEAD,
    LOST_PLACE,
    SPENT,
    Ahead,
    Gap,
    Lines,
    PagedSource,
    Read,
    Source,
    fewer,
    more,
)
from rollback.evidence.sources.lines import line
from rollback.evidence.units import Units
from rollback.model.base import Fact
from rollback.model.views import DocumentView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients, Page

TRIES = 3
"""How often a page is asked for again, from the last continuation."""

PAGE_ITEMS = 1000
"""Asked for first; then as many as `_size` says."""

STILL_MAX = 9
"""How many empty pages may name their own place for the next one, as where a page's time was up."""

_BEHIND = "a further region was asked, to which the newest may not have been copied yet"

APART_S = 1
"""Clocks that differ by less are alike: the service gives a document's time in whole seconds."""

PAGE_ITEMS_MAX = 8000
PAGE_BYTES = 2**21
PAGE_SHARE = 4
"""A page may cost this part of what a second may."""


def audit(
    environment: Environment, seconds_max: int, since: datetime, until: datetime, units: Units
) -> tuple[PagedSource, ...]:
    """Audit and operational events of the window, byte for byte as the service sent them."""

    def one(container: str) -> PagedSource:
        def parts(clients: Clients) -> tuple[str, ...]:
            return clients.cosmos().parts(container)

        def read_part(clients: Clients, part: str, place: str) -> Iterator[Read]:
            yield from _all(clients, _Asked(container, part, since, until), place, units)

        return PagedSource(
            f"cosmos/{container}", read_part, seconds_max, parts, since=since, until=until
        )

    return tuple(one(container) for container in environment.cosmos.audit_containers)


def control(
    environment: Environment, seconds_max: int, units: Units | None = None
) -> tuple[Source, ...]:
    """Every control document by id, etag and digest, and one digest over all of a container.

    units: what the whole capture may use; without it, each of these may use that much.
    """

    def one(container: str) -> Source:
        def read(clients: Clients) -> Iterator[Read]:
            whole = True
            seen: list[tuple[str, str, bytes]] = []
            shared = units or Units.of(environment)
            ahead: Ahead | None = None
            for read in _all(clients, _Asked(container, content_counts=True), "", shared):
                if isinstance(read, Ahead):
                    ahead = read
                elif isinstance(read, Lines):
                    for raw in read.content.split(b"\n")[:-1]:
                        view = document_view(container, bytes(raw))
                        seen.append((view.id, view.sha256, line(view.model_dump(mode="json"))))
                else:
                    whole = whole and not isinstance(read, Gap)
                    yield read
            if whole and ahead is not None and len(seen) != ahead.items:
                short = len(seen) < ahead.items
                told = [Gap(fewer(ahead.items, len(seen)))] if short else more(ahead, len(seen))
                for read in told:
                    whole = whole and not isinstance(read, Gap)
                    yield read
            seen.sort(key=lambda one: one[:2])
            yield from (written for _, _, written in seen)
            if whole:
                yield Fact(name="state_sha256", value=_state([one[:2] for one in seen]))

        return Source(f"cosmos-control/{container}", read, seconds_max)

    return tuple(one(container) for container in environment.cosmos.control_containers)


def document_view(container: str, raw: bytes) -> DocumentView:
    """A document by content digest: of its own fields, without those the service puts in."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return DocumentView(container=container, id="", etag="", ts=0, sha256=_sha256(raw))
    own = {name: value for name, value in document.items() if not name.startswith("_")}
    content = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    ts = document.get("_ts")
    return DocumentView(
        container=container,
        id=str(document.get("id", "")),
        etag=str(document.get("_etag", "")),
        ts=ts if isinstance(ts, int) else 0,
        sha256=_sha256(content.encode("utf-8", "surrogatepass")),
    )


def state_digest(views: list[DocumentView]) -> str:
    """One digest over a container's documents: equal when none was changed, added or removed."""
    return _state([(view.id, view.sha256) for view in views])


def _state(seen: list[tuple[str, str]]) -> str:
    listed = sorted(f"{name}\0{digest}" for name, digest in seen)
    return _sha256("\n".join(listed).encode("utf-8", "surrogatepass"))


def _size(page: Page, units: Units) -> int:
    """How many items the next pages ask for: large where that is cheap for us and for the account.

    A page costs both sides a fixed amount, so large ones are read faster; but a page that costs
    much keeps others waiting while it is served, and a large one fills memory.
    """
    if page.count == 0:
        return PAGE_ITEMS
    share = units.per_s * 100 // PAGE_SHARE
    by_units = page.count * share // max(1, page.charge_hundredths)
    by_bytes = page.count * PAGE_BYTES // len(page.lines)
    return max(1, min(by_units, by_bytes, PAGE_ITEMS_MAX))


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which documents: of a container, or of one part of it, in a window.

    content_counts: documents change in place, so that their number does not tell whether they are
    the newest.
    """

    container: str
    part: str = ""
    since: datetime | None = None
    until: datetime | None = None
    content_counts: bool = False


def _all(clients: Clients, asked: _Asked, place: str, units: Units) -> Iterator[Read]:
    """What was counted, then every page: an answer that was cut short shows.

    Where nobody could count, or a further region did, which may not have the newest yet, pages that
    all came are no proof that everything came. Nor are they where this machine's clock, by which
    the window was cut, is not the account's, by which documents have their times.
    """
    asked_at = clients.now()
    try:
        counted = clients.cosmos().count(asked.container, asked.since, asked.until, asked.part)
    except ConnectorError as error:
        yield from _pages(
            clients, asked, place, units, f"nobody could count how many there are: {error.reason}"
        )
        return
    yield Ahead(counted.items, partial(_again, clients, asked, units))
    if counted.at is not None:
        yield from _apart(counted.at, asked_at, clients.now(), windowed=asked.until is not None)
    yield Fact(name=SPENT, value=counted.charge_hundredths)
    if why := units.spend(counted.charge_hundredths, clients):
        yield Gap(why)
    else:
        yield from _pages(clients, asked, place, units, _BEHIND if counted.elsewhere else "")


def _again(clients: Clients, asked: _Asked, units: Units) -> Iterator[Read]:
    """How many there are once all was read; with no `Ahead` where nobody could say."""
    try:
        counted = clients.cosmos().count(asked.container, asked.since, asked.until, asked.part)
    except ConnectorError:
        return
    units.spend(counted.charge_hundredths, clients)
    yield Fact(name=SPENT, value=counted.charge_hundredths)
    yield Ahead(counted.items)


def _apart(at: datetime, before: datetime, after: datetime, *, windowed: bool) -> Iterator[Read]:
    """What it means that the clocks are surely apart: the account's at its answer, ours around it.

    at: cut to whole seconds, so that the account's clock may be up to a second further. windowed:
    a window of time was asked for, and is a gap then.
    """
    behind = int((at - after).total_seconds())
    ahead = int((before - at).total_seconds()) - 1
    if not windowed:
        if ahead >= APART_S:
            yield Fact(name=CLOCK_AHEAD, value=ahead)
    elif behind >= APART_S:
        lost = "what was written last before the capture may not be in the window"
        yield Gap(f"this machine's clock is {behind} s or more behind the account's: {lost}")
    elif ahead >= APART_S:
        lost = "the window begins so much later than was asked"
        yield Gap(f"this machine's clock is {ahead} s or more ahead of the account's: {lost}")


def _pages(
    clients: Clients, asked: _Asked, place: str, units: Units, doubt: str
) -> Iterator[Read]:
    """Every page; after a failure that may pass, on from the last continuation, a few times.

    doubt: why, where the service says that this was all, it may not be.
    """
    failed = still = 0
    size = PAGE_ITEMS
    while True:
        resized = False
        try:
            for page in clients.cosmos().pages(
                asked.container,
                since=asked.since,
                until=asked.until,
                continuation=place,
                part=asked.part,
                page_items=size,
            ):
                yield Fact(name=SPENT, value=page.charge_hundredths)
                yield Lines(page.lines, page.place, page.count)
                why = units.spend(page.charge_hundredths, clients)
                still = still + 1 if page.continuation == place else 0
                doubt = _BEHIND if asked.content_counts and page.elsewhere else doubt
                place, failed = page.continuation, 0
                if still > (0 if page.count else STILL_MAX):
                    why = "a page named its own place for the next one; what follows was not read"
                if place and why:
                    yield Gap(why)
                    return
                if not place:
                    break
                better = _size(page, units)
                del page
                resized = not size // 2 < better < size * 2
                if resized:
                    size = better
                    break
            if resized:
                continue
        except ConnectorError as error:
            failed += 1
            if error.transient and failed < TRIES:
                continue
            if error.code == LOST_PLACE:
                raise
            yield Gap.of(error)
            return
        if doubt:
            yield Gap(doubt)
        return


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
