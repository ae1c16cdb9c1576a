"""Tokens: asked for at the configured place only, once, and kept until they expire."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from rollback.connectors.identity import credential
from rollback.errors import ConnectorError, InputError
from rollback.guard.wire import azure_wire
from rollback.rehearsal.simulator import names
from tests.connectors.stand import BACKEND, environment, stand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.rehearsal.simulator.process import Simulator


def test_one_token_serves_a_scope_and_is_asked_of_the_login_host(sim: Simulator) -> None:
    with stand(environment(sim)) as here:
        here.clients.arm().slot(BACKEND)
        here.clients.arm().slots(BACKEND)
        asked = [one for one in here.exchanges.seen_all if one.host == names.LOGIN_HOST]
    assert [(one.method, one.path) for one in asked if one.method == "POST"] == [
        ("POST", f"/{names.TENANT}/oauth2/v2.0/token")
    ]
    assert here.latch.tripped() is None


def test_a_secret_that_is_not_set_is_named() -> None:
    env = environment()
    with stand(env) as here:
        object.__setattr__(here.secrets, "variables", {})
        with pytest.raises(InputError) as caught:
            here.clients.arm()
    assert "AZURE_CLIENT_SECRET" in caught.value.reason


def test_without_a_service_principal_only_sources_inside_the_perimeter_are_tried() -> None:
    env = environment()
    with stand(env) as here:
        made = credential(None, azure_wire.transport(here.wire), here.secrets)
        kinds = [type(one).__name__ for one in made.credentials]  # type: ignore[attr-defined]
    assert kinds == ["AzureCliCredential", "ManagedIdentityCredential"]
    assert not here.exchanges.seen_all


class MetadataEndpoint(BaseHTTPRequestHandler):
    """Gives tokens to whoever says the header; anything else is answered 400, as Azure does."""

    def do_GET(self) -> None:
        said = self.headers.get("Metadata") == "true"
        resource = parse_qs(urlsplit(self.path).query).get("resource", [""])[0]
        token = {"access_token": f"for {resource}", "expires_in": "3600", "token_type": "Bearer"}
        body = json.dumps(token if said else {"error": "no header"}).encode()
        self.send_response(200 if said else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def metadata() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), MetadataEndpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def managed(place: str) -> Environment:
    """An environment without a service principal, whose machine's metadata is at `place`."""
    azure = {"subscription": names.SUBSCRIPTION, "resource_group": names.RESOURCE_GROUP}
    network = {"resolve": [("169.254.169.254", place)]}
    return environment(azure=azure, network=network)


def test_a_managed_identity_gets_its_token_through_the_guard(
    metadata: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no login of a person
    with stand(managed(metadata)) as here:
        made = credential(None, azure_wire.transport(here.wire), here.secrets)
        told = made.get_token_info("https://management.azure.com/.default")  # type: ignore[attr-defined]
        again = made.get_token("https://cosmos.azure.com/.default")
    assert told.token == "for https://management.azure.com"
    assert again.token == "for https://cosmos.azure.com"
    assert here.latch.tripped() is None
    assert {one.path for one in here.exchanges.seen_all} == {"/metadata/identity/oauth2/token"}


def test_where_no_source_has_a_token_each_says_why_and_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = f"127.0.0.1:{closed.getsockname()[1]}"
    with stand(managed(place)) as here, pytest.raises(ConnectorError) as caught:
        here.clients.arm().slots(BACKEND)
    assert "no token was had, log in with `az login`" in caught.value.reason
    assert "Azure CLI not found on path; ManagedIdentityCredential" in caught.value.reason
    assert here.latch.tripped() is None
