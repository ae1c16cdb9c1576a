"""A transport that the SDK's own thread may outlive, and that nobody hears of then.

azure-cosmos checks the endpoints of its account once more, on a thread that closing the client does
not end (4.17.1). What it asks of a closed transport it would log, as an error or a warning, on
whatever terminal there is. So it gets the account once more as it was answered first.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpTransport


def outlived(below: Any) -> HttpTransport[Any, Any]:
    """The same transport, but once closed. Whoever else uses it then gets the SDK's own error."""
    from azure.core.exceptions import ServiceRequestError
    from azure.core.pipeline.transport import HttpTransport

    class Outlived(HttpTransport[Any, Any]):
        """Sends nothing once it is closed."""

        def __init__(self) -> None:
            self._closed = False
            self._account: Any = None

        def open(self) -> None:
            below.open()

        def close(self) -> None:
            self._closed = True
            below.close()

        def __enter__(self) -> Self:
            below.__enter__()
            return self

        def __exit__(self, *args: object) -> None:
            self._closed = True
            below.__exit__(*args)

        def send(self, request: Any, **kwargs: Any) -> Any:
            of_account = request.method == "GET" and urlsplit(request.url).path in {"", "/"}
            try:
                answer = below.send(request, **kwargs)
            except (AttributeError, ValueError) as error:  # how that transport says it is closed
                if not self._closed:
                    raise
                if of_account and self._account is not None:
                    return self._account
                closed = "the client was closed"
                raise ServiceRequestError(closed, error=error) from error
            if of_account and answer.status_code == HTTPStatus.OK:
                self._account = answer
            return answer

    return Outlived()
