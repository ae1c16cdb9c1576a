"""All an action gets: guarded clients of one scope, made when used, closed after one step."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from rollback.connectors.identity import Tokens
from rollback.connectors.taken_role import KeptKeys
from rollback.connectors.together import Together
from rollback.errors import Interrupted, ProductDefect
from rollback.guard.wire import first_use
from rollback.model.environment import BlobStore
from rollback.model.scope import HostKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rollback.connectors.app_service import AppService
    from rollback.connectors.blob_store import BlobContainer
    from rollback.connectors.cosmos import CosmosReader
    from rollback.connectors.http_hosts import HttpHost, Socket
    from rollback.connectors.object_store import ObjectStore
    from rollback.guard.wire import Wire
    from rollback.model.effect import FileWrite
    from rollback.model.environment import Environment, Secret
    from rollback.model.ports import (
        ArmPort,
        BlobPort,
        Clock,
        CosmosPort,
        EvidenceSink,
        HttpPort,
        ObjectPort,
        Randomness,
        S3Port,
        SecretSource,
    )
    from rollback.model.scope import Scope

T = TypeVar("T")

ECHOING = frozenset({HostKind.BACKEND, HostKind.WEB, HostKind.PLATFORM})
"""Hosts that are to return our x-request-id (row T1)."""

STOP_HEARD_S = 0.25
"""How soon a pause notices that a stop was asked for."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What clients of every scope of a run share.

    digest_key: keys the digests of settings. field_key: gives that of redacted fields, empty
    outside a run. stopping: whether a stop was asked for; a pause ends with it. tokens: of Resource
    Manager, asked for once. keys: of the evidence store's role.
    """

    environment: Environment
    secrets: SecretSource
    clock: Clock
    randomness: Randomness
    digest_key: bytes
    field_key: Callable[[], bytes] = bytes
    sink: Callable[[Wire], EvidenceSink] | None = None
    stopping: Callable[[], bool] | None = None
    tokens: Tokens = field(default_factory=Tokens)
    keys: KeptKeys = field(default_factory=KeptKeys)


class GuardedClients:
    """`Clients` over one wire. Reads may be made from several threads: see `together`."""

    def __init__(self, wire: Wire, parts: Parts) -> None:
        """Nothing is opened yet."""
        self._wire = wire
        self._parts = parts
        self._together = Together()
        self._lock = RLock()
        self._hosts: dict[str, HttpHost] = {}
        self._arm: AppService | None = None
        self._cosmos: CosmosReader | None = None
        self._bucket: ObjectStore | None = None
        self._container: BlobContainer | None = None

    @property
    def scope(self) -> Scope:
        """What these clients may do."""
        return self._wire.scope

    def http(self, host: str) -> HttpPort:
        """One host over guarded httpx."""
        with self._lock:
            if host not in self._hosts:
                first_use.load(first_use.HTTP)
                from rollback.connectors.http_hosts import HttpHost
                from rollback.guard.wire import httpx_wire, socket_wire

                guarded = self._wire.perimeter.find(host)

                def opened(
                    url: str, headers: tuple[tuple[str, str], ...], timeout_s: float
                ) -> AbstractContextManager[Socket]:
                    return socket_wire.connect(self._wire, url, headers, timeout_s)

                self._hosts[host] = HttpHost(
                    host=host,
                    transport=lambda: httpx_wire.transport(self._wire),
                    socket=opened,
                    latch=self._wire.latch,
                    clock=self._parts.clock,
                    echoes=guarded is not None and guarded.kind in ECHOING,
                    timeout_s=float(self._parts.environment.policy.probe_timeout_s),
                )
            return self._hosts[host]

    def arm(self) -> ArmPort:
        """App Service through Resource Manager."""
        with self._lock:
            if self._arm is None:
                first_use.load(first_use.RESOURCE_MANAGER)
                from rollback.connectors.app_service import AppService
                from rollback.connectors.identity import KeptCredential, credential
                from rollback.guard.wire import azure_wire

                azure, clock = self._parts.environment.azure, self._parts.clock
                own = credential(
                    azure.identity, azure_wire.transport(self._wire), self._parts.secrets
                )
                self._arm = AppService(
                    subscription=azure.subscription,
                    host=azure.host,
                    credential=KeptCredential(own, self._parts.tokens, clock),
                    transport=azure_wire.transport(self._wire),
                    latch=self._wire.latch,
                    clock=clock,
                    digest_key=self._parts.digest_key,
                    together=self._together,
                )
            return self._arm

    def cosmos(self) -> CosmosPort:
        """Cosmos, read-only."""
        with self._lock:
            if self._cosmos is None:
                first_use.load(first_use.COSMOS)
                from rollback.connectors.cosmos import CosmosReader
                from rollback.connectors.identity import credential
                from rollback.guard.wire import azure_wire

                cosmos = self._parts.environment.cosmos
                self._cosmos = CosmosReader(
                    endpoint=cosmos.endpoint,
                    database=cosmos.database,
                    credential=self._parts.secrets.get(cosmos.key)
                    if cosmos.key is not None
                    else credential(
                        self._parts.environment.azure.identity,
                        azure_wire.transport(self._wire),
                        self._parts.secrets,
                    ),
                    transport=lambda: azure_wire.transport(self._wire),
                    latch=self._wire.latch,
                    regions=cosmos.regions,
                )
            return self._cosmos

    def s3(self) -> S3Port:
        """The bucket of the evidence store."""
        with self._lock:
            if self._bucket is None:
                first_use.load(first_use.S3)
                from rollback.connectors.object_store import bucket_of

                parts = self._parts
                self._bucket = bucket_of(parts.environment, self._wire, parts.secrets, parts.keys)
            return self._bucket

    def blobs(self) -> BlobPort:
        """The container of the evidence store."""
        with self._lock:
            if self._container is None:
                first_use.load(first_use.BLOBS)
                from rollback.connectors.blob_store import container_of

                parts = self._parts
                self._container = container_of(parts.environment, self._wire, parts.secrets)
            return self._container

    def objects(self) -> ObjectPort:
        """The evidence store that machines share, whichever kind it is."""
        shared = self._parts.environment.evidence.store
        return self.blobs() if isinstance(shared, BlobStore) else self.s3()

    def evidence(self) -> EvidenceSink:
        """Where a capture of this scope puts its chunks."""
        if self._parts.sink is None:
            raise ProductDefect("clients.no-evidence", "this scope has no evidence sink")
        return self._parts.sink(self._wire)

    def keep(self, effect: FileWrite, name: str, data: bytes) -> None:
        """Create one file that the plan permits."""
        from rollback.connectors.files import keep

        keep(self._wire, effect, name, data)

    def secret(self, secret: Secret) -> str:
        """A credential for a header. Raises InputError where its variable is not set."""
        return self._parts.secrets.get(secret)

    def together(self, reads: Sequence[Callable[[], T]]) -> tuple[T, ...]:
        """Independent reads side by side, at most sixteen at once; the answers in this order."""
        return self._together(reads)

    def now(self) -> datetime:
        """The run's clock."""
        return self._parts.clock.now()

    def nonce(self) -> str:
        """Sixteen bytes nobody can have seen before."""
        return self._parts.randomness.hex(16)

    def field_key(self) -> bytes:
        """The key of digests in place of redacted fields."""
        return self._parts.field_key()

    def pause(self, seconds: float) -> None:
        """Wait on the run's clock. Raises Interrupted soon after a stop was asked for."""
        clock, stopping = self._parts.clock, self._parts.stopping
        if stopping is None:
            clock.sleep(seconds)
            return
        until = clock.monotonic() + seconds
        while (left := until - clock.monotonic()) > 0:
            if stopping():
                raise Interrupted("run.stopping", "a stop was asked for", hint="resume the run")
            clock.sleep(min(left, STOP_HEARD_S))

    def close(self) -> None:
        """End the scope and close every connection; never raises. Nothing is written after it."""
        self._wire.end()
        for one in (*self._hosts.values(), self._arm, self._cosmos, self._bucket, self._container):
            if one is not None:
                with suppress(Exception):
                    one.close()
