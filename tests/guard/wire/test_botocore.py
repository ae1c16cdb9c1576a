"""The guard under boto3: create-only writes of permitted keys, and nothing that streams."""

from __future__ import annotations

import hashlib
import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped, unused-ignore]
import pytest
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]

from rollback.errors import GuardRefusal
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import botocore_wire
from rollback.guard.wire.net import Net, Sighting
from rollback.model.direction import Direction, Undo
from rollback.model.effect import HttpWrite, Purpose, SelfAddressedBody
from rollback.model.scope import GuardedHost, HostKind, Perimeter
from tests.connectors.loopback import lasting
from tests.guard.support import Bench, bench, environment
from tests.guard.wire.counting import Counting, counting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.guard.wire.botocore_wire import GuardedClient

BUCKET = "trading-evidence"
CHUNK = b"evidence"
KEY = f"evidence/{hashlib.sha256(CHUNK).hexdigest()}"


@pytest.fixture
def server() -> Iterator[Counting]:
    with counting() as story:
        yield story


def _chunks(server: Counting) -> HttpWrite:
    return HttpWrite(
        id="capture#chunks",
        method="PUT",
        host=server.host,
        path=f"/{BUCKET}/evidence/{{sha256}}",
        body=SelfAddressedBody(bytes_max=1024),
        condition="create-only",
        times_max=2,
        direction=Direction.NEITHER,
        purpose=Purpose.EVIDENCE,
        undo=Undo(possible=False, by=""),
    )


def _guarded(
    server: Counting, *, scheme: str = "http", **config: Any
) -> tuple[Any, Bench, GuardedClient]:
    known = perimeter_of(environment())
    host = GuardedHost(host=server.host, kind=HostKind.STORE)
    told = bench([_chunks(server)], perimeter=Perimeter(hosts=(*known.hosts, host)))
    client = boto3.client(
        "s3",
        endpoint_url=f"{scheme}://{server.host}",
        region_name="eu-west-1",
        aws_access_key_id="id",
        aws_secret_access_key="word",
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            **{"retries": {"total_max_attempts": 1}, **config},
        ),
    )
    return client, told, botocore_wire.guard(told.wire, client)


def client_of(server: Counting, **config: Any) -> Any:
    """A guarded client of that server."""
    return _guarded(server, **config)[0]


def _client(server: Counting, **config: Any) -> tuple[Any, Bench]:
    client, told, _ = _guarded(server, **config)
    return client, told


def test_a_permitted_chunk_is_created(server: Counting) -> None:
    """Signed, create-only, under the key that is its digest; spent once."""
    client, told = _client(server)
    client.put_object(Bucket=BUCKET, Key=KEY, Body=CHUNK, IfNoneMatch="*")
    (seen,) = server.requests
    assert (seen.method, seen.body) == ("PUT", CHUNK)
    assert seen.headers["x-request-id"].startswith("r-1.revert.1.")
    assert told.ledger.counts == {"capture#chunks": 1}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_trailing_checksum_is_refused_with_its_stream(scheme: str, server: Counting) -> None:
    """Where botocore would send the body in chunks, over https with a trailer, nothing leaves."""
    client, told = _client(server, scheme=scheme)
    body = io.BufferedReader(io.BytesIO(CHUNK))
    with pytest.raises(GuardRefusal) as refused:
        client.put_object(
            Bucket=BUCKET, Key=KEY, Body=body, IfNoneMatch="*", ChecksumAlgorithm="SHA256"
        )
    assert refused.value.code == "guard.normal.streamed"
    assert server.requests == []
    assert told.exchanges.seen_all == []


def test_each_try_of_a_write_spends(server: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were botocore's retries left on, the try beyond the last permission would not leave."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=bool))  # it waits between
    client, told = _client(server, retries={"total_max_attempts": 5})
    server.status = 503
    try:
        with pytest.raises(GuardRefusal) as refused:
            client.put_object(Bucket=BUCKET, Key=KEY, Body=CHUNK, IfNoneMatch="*")
    finally:
        server.status = 200
    assert refused.value.code == "guard.permission.spent"
    assert len(server.requests) == len(told.ledger.spent) == 2


def test_a_stated_checksum_passes(server: Counting) -> None:
    """A checksum in the header beside a whole body is fine."""
    import base64

    client, _ = _client(server)
    checksum = base64.b64encode(hashlib.sha256(CHUNK).digest()).decode()
    client.put_object(Bucket=BUCKET, Key=KEY, Body=CHUNK, IfNoneMatch="*", ChecksumSHA256=checksum)
    assert server.requests[0].headers["x-amz-checksum-sha256"] == checksum


def test_reads_pass(server: Counting) -> None:
    """Head of an object, by the same client."""
    client, told = _client(server)
    client.head_object(Bucket=BUCKET, Key=KEY)
    assert server.requests[0].method == "HEAD"
    assert told.ledger.spent == []


def test_what_was_answered_is_told(server: Counting) -> None:
    """By the provider's own id too, however its name is written."""
    client, told = _client(server)
    server.headers = {"X-Amz-Request-Id": "p-1"}
    client.head_object(Bucket=BUCKET, Key=KEY)
    (seen,) = told.exchanges.seen_all
    assert (seen.method, seen.path, seen.status) == ("HEAD", f"/{BUCKET}/{KEY}", 200)
    assert (seen.host, seen.provider_id) == (server.host, "p-1")


def test_an_object_is_read_as_it_comes(server: Counting) -> None:
    """Its body is not held whole below the client."""
    client, _ = _client(server)
    body = client.get_object(Bucket=BUCKET, Key=KEY)["Body"]
    assert json.loads(body.read())["_count"] == 0


def test_the_net_does_not_see_it(server: Counting) -> None:
    """What was judged does not go round the guard."""
    client, told = _client(server)
    seen: list[Sighting] = []
    net = Net(told.wire.perimeter, seen.append)
    net.cast()
    try:
        client.head_object(Bucket=BUCKET, Key=KEY)
    finally:
        net.draw_in()
    assert seen == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "put",
    [
        {"Body": CHUNK},
        {"Body": b"other", "IfNoneMatch": "*"},
        {"Body": io.BufferedReader(io.BytesIO(CHUNK)), "IfNoneMatch": "*"},
        {"Body": CHUNK, "IfNoneMatch": "*", "ACL": "public-read"},
        {"Body": CHUNK, "IfNoneMatch": "*", "Tagging": "a=b"},
        {"Body": CHUNK, "IfNoneMatch": "*", "WebsiteRedirectLocation": "/x"},
        {"Body": CHUNK, "IfNoneMatch": "*", "Key": "evidence/other"},
        {"Body": CHUNK, "IfNoneMatch": "*", "Bucket": "other"},
    ],
    ids=",".join,
)
def test_every_other_put_is_refused(put: dict[str, Any], server: Counting) -> None:
    """Not create-only, not the digest's body, streamed, with rights, elsewhere: none leaves."""
    client, told = _client(server)
    with pytest.raises(GuardRefusal):
        client.put_object(**{"Bucket": BUCKET, "Key": KEY, **put})
    assert server.requests == []
    assert told.ledger.spent == []
    assert told.latch.tripped() is not None


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("delete_object", {"Bucket": BUCKET, "Key": KEY}),
        ("copy_object", {"Bucket": BUCKET, "Key": KEY, "CopySource": f"{BUCKET}/a"}),
        ("create_multipart_upload", {"Bucket": BUCKET, "Key": KEY}),
        ("put_object_retention", {"Bucket": BUCKET, "Key": KEY, "Retention": {}}),
        ("put_bucket_versioning", {"Bucket": BUCKET, "VersioningConfiguration": {}}),
        ("delete_objects", {"Bucket": BUCKET, "Delete": {"Objects": [{"Key": KEY}]}}),
        ("create_bucket", {"Bucket": BUCKET}),
        ("delete_bucket", {"Bucket": BUCKET}),
    ],
)
def test_no_other_verb_leaves(call: str, named: dict[str, Any], server: Counting) -> None:
    """Deletes, copies, multipart, retention: no permission can cover them."""
    client, _ = _client(server)
    with pytest.raises(GuardRefusal):
        getattr(client, call)(**named)
    assert server.requests == []


def test_proxy_variables_are_ignored(server: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore would ask them; the guard's own session does not."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    client, _ = _client(server)
    client.head_object(Bucket=BUCKET, Key=KEY)
    assert len(server.requests) == 1


def test_closing_ends_the_connections_of_the_leaf() -> None:
    """Which the client does not know of."""
    with lasting(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, after):
        client, _, hook = _guarded(Counting(port=port))
        client.head_object(Bucket=BUCKET, Key=KEY)
        hook.close()
        assert after() == b""
