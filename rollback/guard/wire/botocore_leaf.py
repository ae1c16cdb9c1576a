"""Below the guard of a boto3 client: botocore's own session, whose answers are bounded.

botocore reads an answer whole, however large it is and however long it takes: an object, a list, or
an error. Here an answer may take as long as any other under urllib3. An object may be as large as
any other answer; what botocore parses as XML, which takes many times its size, may be smaller.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.awsrequest import (  # type: ignore[import-untyped, unused-ignore]
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.exceptions import (  # type: ignore[import-untyped, unused-ignore]
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.httpsession import (  # type: ignore[import-untyped, unused-ignore]
    URLLib3Session,
)
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as TooSlow

from rollback.guard.wire.bounded_answer import bound
from rollback.guard.wire.timed_answer import TimedResponse

if TYPE_CHECKING:
    from rollback.guard.wire.gate import Wire

PARSED_BYTES_MAX: Final = 8_388_608
"""The most that an answer in XML may be: a thousand keys of a thousand letters, all escaped."""


class _Connection(AWSHTTPConnection):  # type: ignore[misc, unused-ignore]
    response_class = TimedResponse


class _TlsConnection(AWSHTTPSConnection):  # type: ignore[misc, unused-ignore]
    response_class = TimedResponse


class _Pool(AWSHTTPConnectionPool):  # type: ignore[misc, unused-ignore]
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):  # type: ignore[misc, unused-ignore]
    ConnectionCls = _TlsConnection


class Leaf(URLLib3Session):  # type: ignore[misc, unused-ignore]
    """No proxy variables, the environment's CA file, the client's own time limits."""

    def __init__(self, wire: Wire, config: Any) -> None:
        """config: of the client."""
        proxy = wire.network.proxy
        super().__init__(
            verify=wire.network.ca_file or True,
            proxies={} if proxy is None else {"http": proxy, "https": proxy},
            timeout=(config.connect_timeout, config.read_timeout),
            max_pool_connections=config.max_pool_connections,
        )
        pools = {"http": _Pool, "https": _TlsPool}
        self._pool_classes_by_scheme = self._manager.pool_classes_by_scheme = pools

    def send(self, request: Any) -> Any:
        """Send, and read what is not read piece by piece. Raises botocore's HTTPClientError."""
        streams, request.stream_output = request.stream_output, True  # else it is read in there
        answer = super().send(request)
        if streams and answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            bound(answer.raw)
            return answer
        bound(answer.raw, PARSED_BYTES_MAX)
        try:
            _ = answer.content  # it is kept there
        except TooSlow as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except HTTPError as error:
            raise ResponseStreamingError(error=error) from error
        return answer
