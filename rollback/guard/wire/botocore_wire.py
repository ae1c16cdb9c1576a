"""The guard under botocore: judged and sent in ``before-send``, the last hook before the socket."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from rollback.guard.rules.request import Request
from rollback.guard.wire.gate import REQUEST_ID, latin
from rollback.guard.wire.net import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.guard.wire.gate import Wire


class GuardedClient:
    """The hook on one boto3 client. Every attempt of every retry passes it."""

    name = "botocore"

    def __init__(self, wire: Wire, send: Callable[[Any], Any], close: Callable[[], None]) -> None:
        """Judge for the wire; `send` is the leaf.

        `close` ends the leaf's connections, which closing the client does not reach.
        """
        self._wire = wire
        self._send = send
        self.close = close

    def before_send(self, request: Any, **_: Any) -> Any:
        """Judge, then send. Answering here means that botocore itself sends nothing."""
        if REQUEST_ID not in request.headers:
            request.headers[REQUEST_ID] = self._wire.next_id()
        body = request.body
        if isinstance(body, str):
            body = request.body = body.encode()
        elif isinstance(body, bytearray):
            body = request.body = bytes(body)
        elif type(body) is BytesIO:  # botocore wraps whole bodies in one; it is all there
            body = request.body = body.getvalue()
        judged = Request(
            method=request.method,
            url=request.url,
            headers=tuple((_text(k), _text(v)) for k, v in request.headers.items()),
            body=body if isinstance(body, bytes) else None,
            streamed=not isinstance(body, bytes | None),
        )
        admitted = self._wire.admit(judged)
        self._wire.trap.swallow(admitted.request_id)
        sent = _prepared(judged, request.stream_output)  # nobody else holds it
        try:
            with guarded():
                response = self._send(sent)
        except BaseException as error:
            self._wire.failed(admitted, error)
            raise
        answer = {name.lower(): value for name, value in response.headers.items()}
        self._wire.answered(admitted, response.status_code, answer)
        return response

    def carry(self, request: Request) -> None:
        """Put a canary through."""
        self.before_send(_prepared(request))


def _prepared(request: Request, stream_output: Any = None) -> Any:
    from botocore.awsrequest import (  # type: ignore[import-untyped, unused-ignore]
        AWSPreparedRequest,
        HeadersDict,
    )

    return AWSPreparedRequest(
        request.method, request.url, HeadersDict(request.headers), request.body, stream_output
    )


def _text(value: Any) -> Any:
    """As it is written into a header; what is neither text nor a number is refused as it is."""
    return str(value) if type(value) is int else latin(value)


def guard(wire: Wire, client: Any) -> GuardedClient:
    """Put the guard under a boto3 client; returns the hook, for canaries.

    The hook sends through a session of its own: see `botocore_leaf`.
    """
    from rollback.guard.wire.botocore_leaf import Leaf

    leaf = Leaf(wire, client.meta.config)
    hook = GuardedClient(wire, leaf.send, leaf.close)
    wire.prove(hook)
    client.meta.events.register_last("before-send", hook.before_send)
    return hook
