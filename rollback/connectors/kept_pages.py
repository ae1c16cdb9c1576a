"""Pages of a query kept as the service sent them, before the SDK reads them.

The SDK decodes every page into objects and writes nothing back: that is the slow stage of a
capture, and what comes out is no longer what the service said. A transport between the SDK and the
guard keeps each page's bytes and gives the SDK a page that holds one number instead. The SDK still
does what it is good at: continuations, partitions that split, throttling, retries.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.core.pipeline.transport import HttpTransport

COUNTS = "VALUE COUNT(1)"
"""What a query asks for that counts. Its answer goes to the SDK as it came: where a partition was
split, the SDK adds up what the halves answer, and it would add up the numbers of pages."""

HELD_MAX = 16
"""Pages that nobody asked for (an answer that a faster one overtook) are let go beyond this."""

_QUERY = "x-ms-documentdb-isquery"
_CONTINUATION = "x-ms-continuation"
_CHARGE = "x-ms-request-charge"


@dataclass(frozen=True, slots=True)
class KeptPage:
    """One answer. went_on: its request carried a continuation."""

    body: bytes
    charge_hundredths: int
    went_on: bool


class KeptPages:
    """The pages on their way from a transport to whoever reads them. Safe from several threads."""

    def __init__(self) -> None:
        self._pages: OrderedDict[int, KeptPage] = OrderedDict()
        self._lock = Lock()
        self._last = 0

    def keep(self, page: KeptPage) -> int:
        """Keep a page; return the number it is fetched by."""
        with self._lock:
            self._last += 1
            self._pages[self._last] = page
            while len(self._pages) > HELD_MAX:
                self._pages.popitem(last=False)
            return self._last

    def take(self, number: object) -> KeptPage:
        """Hand a page out, once. Raises ValueError where there is none of that number."""
        with self._lock:
            page = self._pages.pop(number, None) if isinstance(number, int) else None
        if page is None:
            msg = "the SDK gave a page that was not kept"
            raise ValueError(msg)
        return page


def keeping(below: Any, kept: KeptPages) -> HttpTransport[Any, Any]:
    """A transport over another (the guarded one) that keeps the pages of queries."""
    from azure.core.exceptions import ServiceResponseError
    from azure.core.pipeline.transport import HttpTransport
    from urllib3.exceptions import HTTPError

    from rollback.guard.wire.bounded_answer import whole

    class KeepingTransport(HttpTransport[Any, Any]):
        """Everything but pages of queries goes through untouched."""

        def open(self) -> None:
            below.open()

        def close(self) -> None:
            below.close()

        def __enter__(self) -> Self:
            below.__enter__()
            return self

        def __exit__(self, *args: object) -> None:
            below.__exit__(*args)

        def send(self, request: Any, **kwargs: Any) -> Any:
            asks = str(request.headers.get(_QUERY, "")).lower() == "true"
            if not asks or COUNTS in str(request.body):
                return below.send(request, **kwargs)
            response = below.send(request, **{**kwargs, "stream": True})
            if response.status_code != HTTPStatus.OK:
                return response
            try:
                # In one piece: the session would put it together from pieces of 10 kB.
                body = whole(response.internal_response.raw)
            except HTTPError as error:
                raise ServiceResponseError(type(error).__name__, error=error) from error
            number = kept.keep(
                KeptPage(
                    body=body,
                    charge_hundredths=charge_of(response.headers),
                    went_on=bool(request.headers.get(_CONTINUATION)),
                )
            )
            return _Numbered(response, number)

    return KeepingTransport()


class _Numbered:
    """A response whose body is the number of what was kept."""

    def __init__(self, response: Any, number: int) -> None:
        self._response = response
        self._body = json.dumps({"_rid": "", "Documents": [number], "_count": 1}).encode()

    def body(self) -> bytes:
        """A page of one number."""
        return self._body

    def text(self, encoding: str | None = None) -> str:
        """The same as text."""
        return self._body.decode(encoding or "utf-8")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)


def charge_of(headers: Mapping[str, str]) -> int:
    """Request units times 100 that an answer says it cost; 0 where it does not say."""
    try:
        return int(Decimal(str(headers.get(_CHARGE) or "0")) * 100)
    except (InvalidOperation, ValueError, OverflowError):  # no number, or none that ends
        return 0
