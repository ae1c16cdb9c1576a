"""S3 through boto3, guarded: create-only, replaced by etag, sent once."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollback.errors import ConnectorError, GuardRefusal, ProductDefect
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, Purpose, SelfAddressedBody
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.s3 import S3Server
from tests.connectors.loopback import lasting
from tests.connectors.stand import environment, stand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server.start(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def store(running: S3Server) -> Iterator[S3Server]:
    yield running
    running.accept_puts()


def bucket(store: S3Server, **changes: Any) -> Environment:
    return environment(
        evidence={
            "store": {
                "kind": "s3",
                "endpoint": store.endpoint,
                "region": "eu-west-1",
                "bucket": names.EVIDENCE_BUCKET,
                "access_key_id": "${S3_ID}",
                "secret_access_key": "${S3_KEY}",
                **changes,
            }
        }
    )


def effect(env: Environment, path: str, **fields: Any) -> HttpWrite:
    host = str(env.evidence.store.endpoint).removeprefix("http://")  # type: ignore[union-attr]
    written: dict[str, Any] = {
        "id": "e#put",
        "method": "PUT",
        "host": host,
        "path": f"/{names.EVIDENCE_BUCKET}/{path}",
        "body": BoundedBody(bytes_max=100_000),
        "times_max": 9,
        "direction": Direction.NEITHER,
        "purpose": Purpose.EVIDENCE,
        "condition": "create-only",
        "undo": Undo(possible=True, by="it is kept"),
    }
    return HttpWrite(**{**written, **fields})


def chunk(body: bytes) -> str:
    return f"evidence/chunks/{hashlib.sha256(body).hexdigest()}"


def test_a_chunk_is_created_once_and_read_back(store: S3Server) -> None:
    env = bucket(store)
    body = b"some evidence \x00\xff" * 50
    put = effect(env, "evidence/chunks/{sha256}", body=SelfAddressedBody(bytes_max=10_000))
    with stand(env, put) as here:
        s3 = here.clients.s3()
        etag = s3.create(put, chunk(body), body)
        found = s3.get(chunk(body))
        with pytest.raises(ConnectorError) as again:
            s3.create(put, chunk(body), body)
        keys = s3.keys("evidence/chunks/")
        nothing = s3.get("evidence/chunks/none")
    assert found == (body, etag)
    assert (again.value.status, again.value.transient) == (412, False)
    assert chunk(body) in keys
    assert nothing is None


def test_a_replacement_takes_only_what_was_read(store: S3Server) -> None:
    env = bucket(store)
    make = effect(env, "leases/{key}", id="l#make", purpose=Purpose.LEASE)
    renew = effect(
        env, "leases/{key}", id="l#renew", purpose=Purpose.LEASE, condition="if-match"
    )  # fmt: skip
    with stand(env, make, renew) as here:
        s3 = here.clients.s3()
        first = s3.create(make, "leases/backend", b"1")
        second = s3.replace(renew, "leases/backend", b"2", first)
        with pytest.raises(ConnectorError) as stale:
            s3.replace(renew, "leases/backend", b"3", first)
        with pytest.raises(ProductDefect):
            s3.create(renew, "leases/other", b"1")
        found = s3.get("leases/backend")
    assert stale.value.status == 412
    assert found == (b"2", second)


def test_a_body_that_is_not_its_key_does_not_leave(store: S3Server) -> None:
    env = bucket(store)
    put = effect(env, "evidence/chunks/{sha256}", body=SelfAddressedBody(bytes_max=10_000))
    before = len(store.ledger())
    with stand(env, put) as here, pytest.raises(GuardRefusal):
        here.clients.s3().create(put, chunk(b"a"), b"b")
    assert len(store.ledger()) == before


def test_a_write_without_permission_does_not_leave(store: S3Server) -> None:
    env = bucket(store)
    put = effect(env, "evidence/{key}")
    before = len(store.ledger())
    with stand(env) as here, pytest.raises(GuardRefusal):
        here.clients.s3().create(put, "evidence/x", b"x")
    assert len(store.ledger()) == before


@pytest.mark.parametrize("status", [500, 503, 507])
def test_a_full_store_is_told_after_one_attempt(store: S3Server, status: int) -> None:
    env = bucket(store)
    put = effect(env, "evidence/{key}")
    store.refuse_puts(status=status)
    with stand(env, put) as here, pytest.raises(ConnectorError) as caught:
        here.clients.s3().create(put, f"evidence/full-{status}", b"x")
    assert caught.value.status == status
    assert len(here.ledger.spent) == 1


def head(store: S3Server, key: str) -> Any:
    """What the store says of an object, asked past the guard."""
    import boto3  # type: ignore[import-untyped, unused-ignore]

    session = boto3.session.Session("a", "b", region_name="eu-west-1")
    plain = session.client("s3", endpoint_url=store.endpoint)
    try:
        return plain.head_object(Bucket=names.EVIDENCE_BUCKET, Key=key, ChecksumMode="ENABLED")
    finally:
        plain.close()


def test_retention_is_set_on_evidence_only(store: S3Server) -> None:
    env = bucket(store, retention_days=1)
    keep = effect(env, "evidence/{key}", id="e#keep")
    lease = effect(env, "leases/{key}", id="l#make", purpose=Purpose.LEASE)
    with stand(env, keep, lease) as here:
        here.clients.s3().create(keep, "evidence/kept", b"x")
        here.clients.s3().create(lease, "leases/kept", b"x")
    kept, free = head(store, "evidence/kept"), head(store, "leases/kept")
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert "ObjectLockMode" not in free


def test_the_digest_travels_with_the_body(store: S3Server) -> None:
    env = bucket(store)
    put = effect(env, "evidence/{key}")
    with stand(env, put) as here:
        here.clients.s3().create(put, "evidence/digest", b"xyz")
    seen = head(store, "evidence/digest")["ChecksumSHA256"]
    assert seen == base64.b64encode(hashlib.sha256(b"xyz").digest()).decode()


def test_a_store_that_is_not_there_is_told() -> None:
    env = bucket(S3Server("http://127.0.0.1:9", "x", "", None))  # type: ignore[arg-type]
    with stand(env) as here, pytest.raises(ConnectorError) as caught:
        here.clients.s3().get("evidence/x")
    assert caught.value.transient
    assert here.clock.waited, "reads are asked again"


def test_an_environment_without_a_bucket_has_no_store() -> None:
    with stand(environment(evidence={})) as here, pytest.raises(ProductDefect):
        here.clients.s3()


def test_nobody_is_asked_for_a_credential(
    store: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Botocore's own search (metadata address, STS) has clients that no guard is under."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    env = bucket(store, access_key_id=None, secret_access_key=None)
    with stand(env) as here, pytest.raises(ConnectorError) as failed:
        here.clients.s3().get("evidence/anything")
    assert failed.value.code == "object-store.denied"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "rehearsal")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "rehearsal-s3-secret")
    with stand(env) as here:
        assert here.clients.s3().get("evidence/anything") is None


def test_a_closed_store_leaves_no_connection_open() -> None:
    absent = b"<Error><Code>NoSuchKey</Code></Error>"
    head = f"HTTP/1.1 404 Not Found\r\ncontent-length: {len(absent)}\r\n\r\n".encode()
    with lasting(head + absent) as (port, after):
        env = environment(
            evidence={
                "store": {
                    "kind": "s3",
                    "endpoint": f"http://127.0.0.1:{port}",
                    "region": "eu-west-1",
                    "bucket": names.EVIDENCE_BUCKET,
                    "access_key_id": "${S3_ID}",
                    "secret_access_key": "${S3_KEY}",
                }
            }
        )
        with stand(env) as under:
            objects = under.clients.s3()
            assert objects.get("a") is None
            under.clients.close()
            assert after() == b""
            assert objects is not None
