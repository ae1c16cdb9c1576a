"""A container of Azure Blob storage through azure-storage-blob: the implementation of `BlobPort`.

One Put Blob per object: no blocks, no append, no lease of the service's own, nothing resent. Writes
are create-only or replace exactly what was read. The service's leases are not used: see
docs/adr on leases by etag.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rollback.connectors.azure_pipeline import LIMITS, azure_failure
from rollback.connectors.crossing import Border, Failure
from rollback.connectors.reading import age_s, read_again
from rollback.errors import ProductDefect
from rollback.model.environment import BlobStore
from rollback.model.ports import StoredObject

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from rollback.guard.wire import Wire
    from rollback.model.effect import HttpWrite
    from rollback.model.environment import Environment
    from rollback.model.ports import Clock, RefusalLatch, SecretSource

KEYS_MAX = 100_000
TRIES = 3
BLOB_BYTES_MAX = 64 * 1024 * 1024
"""A larger body would be sent as blocks, which no permission covers."""


def blob_failure(error: Exception) -> Failure | None:
    """What an exception of azure-storage-blob means."""
    from azure.core.exceptions import HttpResponseError

    if isinstance(error, HttpResponseError):
        said = _code(error)
        if error.status_code == HTTPStatus.PRECONDITION_FAILED or said == "BlobAlreadyExists":
            what = "the object is there already, or is not what was read"
            return Failure("precondition", what, transient=False, status=412)
        if said.startswith("BlobImmutable"):
            return Failure("immutable", "it is kept from change", transient=False)
        if error.status_code == HTTPStatus.CONFLICT:
            return Failure("conflict", "somebody else is writing it", transient=True, status=409)
    return azure_failure(error)


class BlobContainer:
    """One container, for one scope. Keys are whole: the environment's prefix is the caller's."""

    def __init__(
        self,
        *,
        store: BlobStore,
        transport: Any,
        credential: TokenCredential | str,
        latch: RefusalLatch,
        clock: Clock,
    ) -> None:
        """credential: an account key, or an Entra credential (over TLS only)."""
        self._store = store
        self._transport = transport
        self._credential = credential
        self._clock = clock
        self._border = Border("blob-store", latch, blob_failure)

    def get(self, key: str) -> tuple[bytes, str] | None:
        """(body, etag), or None where there is no such key."""
        found = self.stored(key)
        return None if found is None else (found.body, found.etag)

    def stored(self, key: str) -> StoredObject | None:
        """An object with its age, None where there is no such key."""

        def read() -> StoredObject | None:
            from azure.core.exceptions import ResourceNotFoundError

            said: list[str] = []

            def answered(response: Any) -> None:
                said.append(str(response.http_response.headers.get("date", "")))

            with self._border.crossing(f"reading {key}"):
                try:
                    found = self._client.get_blob_client(key).download_blob(
                        max_concurrency=1, raw_response_hook=answered, **LIMITS
                    )
                    body = found.readall()
                except ResourceNotFoundError as error:
                    if _code(error) == "BlobNotFound":
                        return None
                    raise
                properties = found.properties
                age = age_s(said[0] if said else "", properties.last_modified)
                return StoredObject(bytes(body), str(properties.etag), age)

        return read_again(read, self._clock, tries=TRIES)

    def keys(self, prefix: str, most: int = KEYS_MAX) -> tuple[str, ...]:
        """Keys under a prefix, in order; where there are more than `most`, about so many."""

        def read() -> tuple[str, ...]:
            with self._border.crossing(f"listing {prefix}"):
                found: list[str] = []
                for name in self._client.list_blob_names(name_starts_with=prefix, **LIMITS):
                    found.append(str(name))
                    if len(found) >= most:
                        break
                return tuple(sorted(found))

        return read_again(read, self._clock, tries=TRIES)

    def create(self, effect: HttpWrite, key: str, body: bytes) -> str:
        """Create; returns the etag. Raises ConnectorError status 412 where it exists."""
        if effect.condition == "if-match":
            msg = f"effect {effect.id} replaces what was read; it does not create"
            raise ProductDefect("blob-store.condition", msg, promise="plan-is-permission")
        return self._put(key, body, {"overwrite": False, **self._retention(effect)})

    def replace(self, effect: HttpWrite, key: str, body: bytes, etag: str) -> str:
        """Replace exactly what was read. Raises ConnectorError status 412 where it changed."""
        del effect  # the guard finds the permission by the request's shape
        from azure.core import MatchConditions

        same = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        return self._put(key, body, {"overwrite": True, **same})

    def close(self) -> None:
        """Close connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def _put(self, key: str, body: bytes, named: dict[str, Any]) -> str:
        if len(body) > BLOB_BYTES_MAX:
            msg = f"an object of {len(body)} bytes; at most {BLOB_BYTES_MAX} are written in one"
            raise ProductDefect("blob-store.size", msg)
        with self._border.crossing(f"writing {key}"):
            blob = self._client.get_blob_client(key)
            return str(blob.upload_blob(body, max_concurrency=1, **LIMITS, **named)["etag"])

    def _retention(self, effect: HttpWrite) -> dict[str, Any]:
        if effect.purpose.value != "evidence":
            return {}
        named: dict[str, Any] = {"legal_hold": True} if self._store.legal_hold else {}
        if self._store.retention_days:
            from azure.storage.blob import ImmutabilityPolicy

            until = self._clock.now() + timedelta(days=self._store.retention_days)
            policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Locked")
            named["immutability_policy"] = policy
        return named

    @cached_property
    def _client(self) -> Any:
        from azure.storage.blob import ContainerClient

        given: Any = self._credential
        if isinstance(given, str):
            given = {"account_name": account_of(self._store.endpoint), "account_key": given}
        return ContainerClient(
            self._store.endpoint,
            self._store.container,
            credential=given,
            transport=self._transport,
            retry_total=0,
            permit_redirects=False,
            max_single_put_size=BLOB_BYTES_MAX,
            logging_enable=False,
        )


def _code(error: Exception) -> str:
    """The service's own code of an error; the SDK sets it beside azure-core's fields."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def account_of(endpoint: str) -> str:
    """The account an address names: its first label, or the path of an address without names."""
    parts = urlsplit(endpoint)
    in_path = parts.path.strip("/")
    return in_path or (parts.hostname or "").partition(".")[0]


def container_of(environment: Environment, wire: Wire, secrets: SecretSource) -> BlobContainer:
    """The container of an environment's evidence store, guarded for one scope.

    Raises ProductDefect where the environment keeps its evidence elsewhere.
    """
    store = environment.evidence.store
    if not isinstance(store, BlobStore):
        msg = "this environment's evidence store is no container of Azure Blob storage"
        raise ProductDefect("blob-store.none", msg)
    from rollback.connectors.identity import credential
    from rollback.guard.wire import azure_wire

    return BlobContainer(
        store=store,
        transport=azure_wire.transport(wire),
        credential=secrets.get(store.key)
        if store.key is not None
        else credential(environment.azure.identity, azure_wire.transport(wire), secrets),
        latch=wire.latch,
        clock=wire.clock,
    )
