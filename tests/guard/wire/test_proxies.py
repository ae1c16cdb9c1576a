"""The proxy of the environment file is the only one: variables of the process are nobody's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import boto3  # type: ignore[import-untyped, unused-ignore]
import pytest
import trustme
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


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    ("certified", "trusted", "said"),
    [
        (HOST, True, ["CONNECT", "GET"]),
        ("elsewhere.example", True, ["CONNECT"]),
        (HOST, False, ["CONNECT"]),
    ],
)
def test_through_a_tunnel_the_certificate_is_checked_against_the_real_name(
    name: str, certified: str, trusted: bool, said: list[str], tmp_path: Path
) -> None:
    """Not a word of the request is said to whoever cannot prove to be the host."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certified).configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with raw_server(tls) as raw:
        told = bench(
            perimeter=Perimeter(hosts=(GuardedHost(host=HOST, kind=HostKind.STORE),)),
            network=Network(proxy=raw.url, ca_file=str(tmp_path / "ca.pem") if trusted else None),
        )
        refused = pytest.raises(Exception, match=r"certificate verify failed|doesn't match")
        with nullcontext() if "GET" in said else refused:
            _send(name, told.wire, HOST, "https")
    assert [taken.method for taken in raw.taken] == said
    assert [seen.status for seen in told.exchanges.seen_all] == [200 if "GET" in said else None]


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
