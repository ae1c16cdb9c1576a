"""The lowest point of requests: the prepared request, in the form in which it leaves."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.util.retry import Retry

from rollback.guard.rules.request import Request
from rollback.guard.wire.bounded_answer import bound
from rollback.guard.wire.gate import REQUEST_ID, latin
from rollback.guard.wire.net import guarded
from rollback.guard.wire.network import mapped, tls_context
from rollback.guard.wire.timed_answer import POOLS

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from urllib3.connectionpool import HTTPConnectionPool

    from rollback.guard.wire.gate import Admitted, Wire

CONNECTIONS = 16
"""Kept open to one host: as many as a scope reads side by side."""
_PORTS: Final = {"https": 443, "http": 80}


def guarded_session(wire: Wire) -> requests.Session:
    """A session that can only send through the guard: no environment, no cookies."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = GuardedAdapter(wire)
    session.adapters = {"https://": adapter, "http://": adapter}
    return session


class GuardedAdapter(HTTPAdapter):
    """Judges the prepared request, then connects where the resolve map says.

    What a caller says of verification, certificates and proxies counts for nothing: the
    environment file settles them.
    """

    def __init__(self, wire: Wire) -> None:
        """Keep the wire; never retry."""
        self._wire = wire
        super().__init__(pool_maxsize=CONNECTIONS, max_retries=Retry(total=False))

    def send(
        self,
        request: PreparedRequest,
        stream: Any = None,
        timeout: Any = None,
        verify: Any = None,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send one attempt. Raises GuardRefusal, and requests' own errors."""
        del stream, verify, cert, proxies
        sent, admitted = self._admitted(request)
        try:
            with guarded():
                response = super().send(sent, timeout=timeout)
        except BaseException as error:
            self._wire.failed(admitted, error)
            raise
        self._wire.answered(admitted, response.status_code, response.headers)
        bound(response.raw)
        return response

    def _admitted(self, request: PreparedRequest) -> tuple[PreparedRequest, Admitted]:
        """What is sent: made of what was judged, so that nobody else holds it."""
        headers = [(latin(name), latin(value)) for name, value in request.headers.items()]
        body: Any = request.body
        if isinstance(body, str):
            body = body.encode()
        there = {name.lower() for name, _ in headers}
        if REQUEST_ID not in there:
            headers.append((REQUEST_ID, self._wire.next_id()))
        if isinstance(body, bytes) and "content-length" not in there:
            headers.append(("Content-Length", str(len(body))))  # else it would be sent in chunks
        judged = Request(
            method=request.method or "",
            url=request.url or "",
            headers=tuple(headers),
            body=body if isinstance(body, bytes) else None,
            streamed=not isinstance(body, bytes | None),
        )
        admitted = self._wire.admit(judged)
        self._wire.trap.swallow(admitted.request_id)
        if "host" not in there:
            headers.append(("Host", admitted.host.removesuffix(":80")))
        sent = requests.PreparedRequest()
        sent.method, sent.url, sent.body = judged.method, judged.url, judged.body
        sent.headers = CaseInsensitiveDict(headers)
        return sent, admitted

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,
        proxies: Any = None,
        cert: Any = None,
    ) -> HTTPConnectionPool:
        """The pool for a request: mapped address, real name in TLS, our one context."""
        del verify, proxies, cert
        parts = urlsplit(str(request.url))
        host, scheme = parts.hostname or "", parts.scheme
        port = parts.port or _PORTS[scheme]
        tls = {
            "ssl_context": tls_context(self._wire.network.ca_file, "requests"),
            "server_hostname": host,
            "assert_hostname": host,
        }
        address = mapped(self._wire.network, host, port)
        proxy = self._wire.network.proxy
        pools = self.poolmanager
        if address is None and proxy is not None:
            pools = self.proxy_manager_for(proxy)
        pools.pool_classes_by_scheme = POOLS
        name, number = address or (host, port)
        pool: HTTPConnectionPool = pools.connection_from_host(
            name, number, scheme=scheme, pool_kwargs=tls
        )
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to set: the context verifies, and nobody can turn that off."""
