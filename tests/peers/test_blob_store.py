"""Azure Blob storage through azure-storage-blob, guarded, against Azurite."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from rollback.connectors.blob_store import account_of
from rollback.errors import ConnectorError, GuardRefusal, ProductDefect
from rollback.evidence.stores import BucketStore
from rollback.guard.rules.perimeter import store_place
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, Purpose, SelfAddressedBody
from rollback.model.environment import BlobStore
from tests.connectors.stand import VARIABLES, Stand, environment, stand
from tests.peers.azurite import KEY, Azurite, needs_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment

pytestmark = needs_node


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIABLES, "BLOB_KEY", KEY)


@pytest.fixture
def env(azurite: Azurite) -> Environment:
    return container(azurite)


def container(azurite: Azurite, **changes: Any) -> Environment:
    store = {
        "kind": "azure-blob",
        "endpoint": azurite.endpoint,
        "container": azurite.container(),
        "prefix": "evidence/",
        "key": "${BLOB_KEY}",
        **changes,
    }
    return environment(evidence={"store": store}, lease={"store": {"kind": "azure-blob"}})


def effect(env: Environment, path: str, **fields: Any) -> HttpWrite:
    assert isinstance(env.evidence.store, BlobStore)
    host, root = store_place(env.evidence.store)
    written: dict[str, Any] = {
        "id": "e#put",
        "method": "PUT",
        "host": host,
        "path": f"{root}{path}",
        "body": BoundedBody(bytes_max=100_000),
        "times_max": 9,
        "direction": Direction.NEITHER,
        "purpose": Purpose.EVIDENCE,
        "condition": "create-only",
        "undo": Undo(possible=True, by="it is kept"),
    }
    return HttpWrite(**{**written, **fields})


def names(azurite: Azurite, env: Environment) -> list[str]:
    """What is in the container, asked past the guard."""
    assert isinstance(env.evidence.store, BlobStore)
    with azurite.plain(env.evidence.store.container) as client:
        return list(client.list_blob_names())


def test_an_object_is_created_once_and_read_back(azurite: Azurite, env: Environment) -> None:
    put = effect(env, "evidence/{key}")
    with stand(env, put) as here:
        blobs = here.clients.blobs()
        etag = blobs.create(put, "evidence/a/b.json", b"some \x00\xff bytes")
        found = blobs.stored("evidence/a/b.json")
        with pytest.raises(ConnectorError) as again:
            blobs.create(put, "evidence/a/b.json", b"other")
        assert blobs.get("evidence/none") is None
        assert blobs.keys("evidence/") == ("evidence/a/b.json",)
        assert here.clients.objects().get("evidence/a/b.json") == (b"some \x00\xff bytes", etag)
    assert found is not None
    assert (found.body, found.etag) == (b"some \x00\xff bytes", etag)
    assert found.age_s is not None
    assert (again.value.status, again.value.transient) == (412, False)
    assert names(azurite, env) == ["evidence/a/b.json"]


def test_a_replacement_takes_only_what_was_read(env: Environment) -> None:
    make = effect(env, "leases/{key}", id="l#make", purpose=Purpose.LEASE)
    renew = effect(
        env, "leases/{key}", id="l#renew", purpose=Purpose.LEASE, condition="if-match"
    )  # fmt: skip
    with stand(env, make, renew) as here:
        blobs = here.clients.blobs()
        first = blobs.create(make, "leases/backend", b"1")
        second = blobs.replace(renew, "leases/backend", b"2", first)
        with pytest.raises(ConnectorError) as stale:
            blobs.replace(renew, "leases/backend", b"3", first)
        with pytest.raises(ProductDefect):
            blobs.create(renew, "leases/other", b"1")
        assert blobs.get("leases/backend") == (b"2", second)
    assert stale.value.status == 412


def test_chunks_of_evidence_are_kept_by_their_content(env: Environment) -> None:
    put = effect(env, "evidence/chunks/{sha256}", body=SelfAddressedBody(bytes_max=10_000))
    with stand(env, put) as here:
        store = BucketStore(here.clients.objects(), put, "evidence/")
        name = store.put(b"evidence")
        assert store.get(name) == b"evidence"
        again = BucketStore(here.clients.objects(), put, "evidence/")
        assert again.put(b"evidence") == name
    assert name == hashlib.sha256(b"evidence").hexdigest()
    assert len(here.ledger.spent) == 1


@pytest.fixture
def put(env: Environment) -> HttpWrite:
    return effect(env, "evidence/{key}")


@pytest.fixture
def here(env: Environment, put: HttpWrite) -> Iterator[Stand]:
    with stand(env, put) as made:
        yield made


def _archived(blob: Any) -> None:
    from azure.storage.blob import StandardBlobTier

    blob.upload_blob(b"x", standard_blob_tier=StandardBlobTier.ARCHIVE)


CALLS: dict[str, Any] = {
    "overwritten": lambda blob: blob.upload_blob(b"x", overwrite=True),
    "as an append blob": lambda blob: blob.upload_blob(b"x", blob_type="AppendBlob"),
    "in blocks": lambda blob: blob.stage_block("a", b"x"),
    "committed from blocks": lambda blob: blob.commit_block_list(["a"]),
    "with metadata": lambda blob: blob.upload_blob(b"x", metadata={"a": "b"}),
    "with tags": lambda blob: blob.upload_blob(b"x", tags={"a": "b"}),
    "in another tier": _archived,
    "copied": lambda blob: blob.start_copy_from_url("https://elsewhere.example/secret"),
    "copied at once": lambda blob: blob.upload_blob_from_url("https://elsewhere.example/secret"),
    "leased": lambda blob: blob.acquire_lease(15),
    "deleted": lambda blob: blob.delete_blob(),
    "given metadata": lambda blob: blob.set_blob_metadata({"a": "b"}),
    "given headers": lambda blob: blob.set_http_headers(),
    "snapped": lambda blob: blob.create_snapshot(),
    "freed from its policy": lambda blob: blob.delete_immutability_policy(),
    "held by law": lambda blob: blob.set_legal_hold(True),
}


@pytest.mark.parametrize("how", CALLS)
def test_no_other_write_of_the_sdk_leaves(
    azurite: Azurite, env: Environment, here: Stand, how: str
) -> None:
    """The SDK itself, on the very transport, with a permission to create anything there."""
    from azure.storage.blob import BlobClient

    from rollback.guard.wire import azure_wire

    store = env.evidence.store
    assert isinstance(store, BlobStore)
    blob = BlobClient(
        store.endpoint,
        store.container,
        "evidence/x",
        credential={"account_name": account_of(store.endpoint), "account_key": KEY},
        transport=azure_wire.transport(here.wire),
        retry_total=0,
    )
    with blob, pytest.raises(GuardRefusal):
        CALLS[how](blob)
    assert names(azurite, env) == []
    assert here.ledger.spent == []


@pytest.mark.parametrize("hold", [False, True])
def test_retention_and_hold_are_asked_for_on_evidence_only(azurite: Azurite, hold: bool) -> None:
    """Azurite ignores them; what is seen here is what leaves, and that the guard lets it pass."""
    env = container(azurite, retention_days=1, legal_hold=hold)
    keep = effect(env, "evidence/{key}", id="e#keep")
    lease = effect(env, "leases/{key}", id="l#make", purpose=Purpose.LEASE)
    asked: dict[str, dict[str, str]] = {}
    with stand(env, keep, lease) as here:
        blobs: Any = here.clients.blobs()
        leave = blobs._transport.send

        def seen(request: Any, **kwargs: Any) -> Any:
            asked[request.url.partition("?")[0].rpartition("/")[2]] = {
                name.lower(): str(value) for name, value in request.headers.items()
            }
            return leave(request, **kwargs)

        blobs._transport.send = seen
        blobs.create(keep, "evidence/kept", b"x")
        blobs.create(lease, "leases/taken", b"x")
    assert names(azurite, env) == ["evidence/kept", "leases/taken"]
    assert asked["kept"]["x-ms-immutability-policy-mode"] == "Locked"
    assert asked["kept"].get("x-ms-legal-hold", "").lower() == ("true" if hold else "")
    assert not any("immutab" in name or "hold" in name for name in asked["taken"])


def test_a_container_that_is_not_there_is_told(azurite: Azurite) -> None:
    env = container(azurite)
    store = env.evidence.store
    assert isinstance(store, BlobStore)
    gone = store.model_copy(update={"container": "nobody-made-it"})
    env = env.model_copy(update={"evidence": env.evidence.model_copy(update={"store": gone})})
    with stand(env) as here, pytest.raises(ConnectorError) as caught:
        here.clients.blobs().get("evidence/x")
    assert caught.value.status == 404


def test_a_wrong_key_is_told(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIABLES, "BLOB_KEY", KEY[::-1].strip("=") + "==")
    with stand(env) as here, pytest.raises(ConnectorError) as caught:
        here.clients.blobs().get("evidence/x")
    assert caught.value.status == 403
    assert KEY not in str(caught.value)
