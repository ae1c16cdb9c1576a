"""How tests reach the simulator: real names on the wire, loopback underneath."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter

from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.identity import ClientSecretCredential

    from rollback.rehearsal.simulator.process import Simulator


class LoopbackAdapter(HTTPAdapter):
    """Connects to the loopback address of a host; the certificate is checked by its name."""

    def __init__(self, simulator: Simulator) -> None:
        """Keep where the simulator listens."""
        self._simulator = simulator
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Point the connection at the simulator and keep the real name for TLS."""
        del verify
        host: Any
        pool: Any
        host, pool = super().build_connection_pool_key_attributes(
            request, self._simulator.ca_file, cert
        )
        name = host["host"]
        host |= {"scheme": "https", "host": "127.0.0.1", "port": self._simulator.port}
        pool |= {"server_hostname": name, "assert_hostname": name}
        return host, pool

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Name the real host in the Host header."""
        request.headers["Host"] = request.url.split("/")[2].partition(":")[0]
        kwargs["verify"] = self._simulator.ca_file
        return super().send(request, *args, **kwargs)


def session(simulator: Simulator) -> requests.Session:
    """Return a requests session in which every https host is the simulator."""
    made = requests.Session()
    made.trust_env = False
    made.mount("https://", LoopbackAdapter(simulator))
    return made


class _Loopback(httpx.BaseTransport):
    def __init__(self, simulator: Simulator) -> None:
        context = ssl.create_default_context(cafile=simulator.ca_file)
        self._inner = httpx.HTTPTransport(verify=context)
        self._port = simulator.port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self._port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return self._inner.handle_request(sent)

    def close(self) -> None:
        self._inner.close()


def client(simulator: Simulator, host: str, **kwargs: Any) -> httpx.Client:
    """Return an httpx client of one simulated host. Cookies are the test's own business."""
    return httpx.Client(
        base_url=f"https://{host}", transport=_Loopback(simulator), trust_env=False, **kwargs
    )


def credential(simulator: Simulator, secret: str = names.CLIENT_SECRET) -> ClientSecretCredential:
    """Return a real credential of the product's principal."""
    from azure.core.pipeline.transport import RequestsTransport
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        names.TENANT,
        names.CLIENT_ID,
        secret,
        disable_instance_discovery=True,
        transport=RequestsTransport(session=session(simulator), session_owner=False),
    )


def web_apps(simulator: Simulator) -> Any:
    """Return a real management client, without retries; untyped, as its bodies are plain JSON."""
    from azure.core.pipeline.transport import RequestsTransport
    from azure.mgmt.web import WebSiteManagementClient

    return WebSiteManagementClient(
        credential(simulator),
        names.SUBSCRIPTION,
        transport=RequestsTransport(session=session(simulator), session_owner=False),
        retry_total=0,
        polling_interval=0,
    )


def arm_headers(simulator: Simulator) -> dict[str, str]:
    """Return the header with a fresh token of the product's principal."""
    form = {
        "grant_type": "client_credentials",
        "client_id": names.CLIENT_ID,
        "client_secret": names.CLIENT_SECRET,
        "scope": "https://management.azure.com/.default",
    }
    with client(simulator, names.LOGIN_HOST) as login:
        answer = login.post(f"/{names.TENANT}/oauth2/v2.0/token", data=form)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


ASKED_MAX = 2000


def until(holds: Callable[[], bool]) -> None:
    """Ask again until something holds; each question is a request, so none is in a hurry."""
    for _ in range(ASKED_MAX):
        if holds():
            return
    pytest.fail("it never came to hold")
