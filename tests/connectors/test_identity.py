"""Tokens: asked for at the configured place only, once, and kept until they expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rollback.connectors.identity import credential
from rollback.errors import InputError
from rollback.guard.wire import azure_wire
from rollback.rehearsal.simulator import names
from tests.connectors.stand import BACKEND, environment, stand

if TYPE_CHECKING:
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
