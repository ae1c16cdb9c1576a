"""The guard under azure-core: below its policies and retries, the last point before a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport, RequestsTransport

    from rollback.guard.rules.request import Request
    from rollback.guard.wire.gate import Wire


def transport(wire: Wire) -> RequestsTransport:
    """A transport for any azure-core client; a carrier for canaries."""
    from azure.core.pipeline.transport import HttpRequest, RequestsTransport

    from rollback.guard.wire.requests_adapter import guarded_session

    class GuardedRequestsTransport(RequestsTransport):  # type: ignore[misc, unused-ignore]
        """Sends through a guarded session; callers cannot turn verification off or name a proxy."""

        name = "azure-core"
        session: Any

        def __init__(self) -> None:
            # Not the owner: where the session is gone, azure-core would make one without a guard.
            super().__init__(session=guarded_session(wire), session_owner=False)

        def close(self) -> None:
            """Close the session for good."""
            if self.session is not None:
                self.session.close()
                self.session = None

        def carry(self, request: Request) -> None:
            """Put a canary through."""
            self.send(canary_request(HttpRequest, request))

    built = GuardedRequestsTransport()
    wire.prove(built)
    return built


def aio_transport(wire: Wire) -> AsyncHttpTransport[Any, Any]:
    """The same for ``azure.*.aio`` clients, over aiohttp. For embedders."""
    from rollback.guard.wire.aiohttp_transport import GuardedAioHttpTransport

    built = GuardedAioHttpTransport(wire)
    wire.prove(built)
    return built


def canary_request(make: Any, request: Request) -> Any:
    """A canary as a request of azure-core."""
    built = make(request.method, request.url, headers=dict(request.headers))
    if request.body:
        built.set_bytes_body(request.body)
    return built
