"""The proxy of the environment file is the only one: variables of the process are nobody's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import boto3  # type: ignore[import-untyped, unused-ignore]
import pytest
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]

from rollback.errors import GuardRefusal
from rollback.guard.wire import Wire, botocore_wire
from rollback.model.environment import Network
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.guard.support import bench
from tests.guard.wire.leaving import CLIENTS, over, sender
from tests.guard.wire.raw import Raw, raw_server

HOST = "store.example"


@pytest.fixture
def raw() -> Iterator[Raw]:
    with raw_server() as running:
        yield running


def _send(name: str, wire: Wire, host: str, scheme: str) -> None:
    if name != "botocore":
        sender(name, wire)("GET", f"{scheme}://{host}/b/1", {}, None)
        return
    client = boto3.client(
        "s3", region_name="eu", endpoint_url=f"{scheme}://{host}",
        aws_access_key_id="a", aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )  # fmt: skip
    botocore_wire.guard(wire, client)
    client.get_object(Bucket="bucket", Key="1")


@pytest.mark.parametrize("name", CLIENTS)
def test_the_configured_proxy_is_asked_for_a_tunnel(name: str, raw: Raw) -> None:
    """And nothing is said to it but the name of the host."""
    assert asked(name, raw, ()) == {f"CONNECT {HOST}:443"}


def test_a_mapped_name_is_not_asked_of_the_proxy(raw: Raw) -> None:
    assert asked("azure-core", raw, ((HOST, "127.0.0.1:1"),)) == set()


def asked(name: str, raw: Raw, resolve: tuple[tuple[str, str], ...]) -> set[str]:
    """What the proxy hears before it hangs up; the version is the client's to say."""
    raw.drops = 1_000
    told = bench(
        perimeter=Perimeter(hosts=(GuardedHost(host=HOST, kind=HostKind.STORE),)),
        network=Network(proxy=raw.url, resolve=resolve),
    )
    with pytest.raises(Exception) as failed:  # noqa: PT011 (each client has its own)
        _send(name, told.wire, HOST, "https")
    assert not isinstance(failed.value, GuardRefusal | AssertionError | NameError)
    assert told.latch.tripped() is None
    return {taken.line.rpartition(" ")[0] for taken in raw.taken}


@pytest.mark.parametrize("name", CLIENTS)
def test_variables_of_the_process_name_no_proxy(
    name: str, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server() as proxy:
        for variable in (
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
        ):
            monkeypatch.setenv(variable, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        told = over(raw)
        _send(name, replace(told.wire), raw.host, "http")
        assert proxy.taken == []
    assert len(raw.taken) == 1
