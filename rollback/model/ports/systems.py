"""Ports to outside systems, and the clients through which an action reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from rollback.model.base import Facts
from rollback.model.effect import FileWrite, HttpWrite
from rollback.model.environment import Secret
from rollback.model.ports.evidence import EvidenceSink
from rollback.model.scope import Scope

if TYPE_CHECKING:
    from rollback.model.views import (
        ActivityView,
        ConfigurationView,
        DeploymentView,
        DifferenceView,
        InstanceView,
        OperationView,
        RampRule,
        SettingView,
        SlotRef,
        SlotView,
    )

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. echoed: the backend returned our x-request-id (row T1)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    request_id: str
    echoed: bool | None
    at: datetime

    def header(self, name: str) -> str:
        """A header's value, empty where absent; names compare without case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class SocketHello:
    """What a web socket said first, or why it was refused. status 101 when it opened."""

    status: int
    message: str
    problem: str = ""


class HttpPort(Protocol):
    """One host over guarded httpx. Reads are retried (tenacity); nothing else ever is."""

    def get(
        self,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        fresh: bool = False,
        tries: int = 2,
    ) -> Answer:
        """GET. fresh: a new connection, no cache. Raises ConnectorError when nobody answered."""
        ...

    def read_by_post(self, path: str, body: bytes, headers: tuple[tuple[str, str], ...]) -> Answer:
        """POST to a path the environment declares as a read."""
        ...

    def exchange(self, path: str, body: bytes, headers: tuple[tuple[str, str], ...]) -> Answer:
        """Ask for a token; the answer's body is a secret."""
        ...

    def send(
        self,
        effect: HttpWrite,
        body: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        secret_target: str = "",
    ) -> Answer:
        """Send exactly one permitted write, once.

        secret_target: path and query, where the effect's own leave a secret open; told to nobody.
        """
        ...

    def socket(
        self, path: str, *, headers: tuple[tuple[str, str], ...] = (), timeout_s: float = 5.0
    ) -> SocketHello:
        """Open a web socket, read the first message, close."""
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """What one role permits at Resource Manager: patterns, and what it takes out of them itself."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token says we are. Nothing is decided by it: it only tells which rows are ours.

    object_id: empty where the token does not say. groups: object ids of the groups it is in;
    more_groups: it is in more than the token names.
    """

    object_id: str = ""
    groups: tuple[str, ...] = ()
    more_groups: bool = False


class ArmPort(Protocol):
    """App Service through Resource Manager. Mutations are sent with retries off."""

    def slot(self, ref: SlotRef) -> SlotView: ...
    def slots(self, ref: SlotRef) -> tuple[SlotView, ...]: ...
    def configuration(self, ref: SlotRef) -> ConfigurationView: ...
    def settings(self, ref: SlotRef) -> tuple[SettingView, ...]: ...
    def setting_values(self, ref: SlotRef, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Values of settings known to hold no secret (warm-up paths and the like)."""
        ...

    def differences(self, ref: SlotRef, target: str) -> tuple[DifferenceView, ...]: ...
    def instances(self, ref: SlotRef) -> tuple[InstanceView, ...]: ...
    def deployments(self, ref: SlotRef) -> tuple[DeploymentView, ...]: ...
    def activity(
        self, ref: SlotRef, since: datetime, until: datetime
    ) -> tuple[ActivityView, ...]: ...
    def worker_logs(self, ref: SlotRef) -> bytes: ...
    def operation(self, location: str) -> OperationView: ...
    def permissions(self, scope: str) -> tuple[Grant, ...]:
        """Effective permissions of our identity over a scope, role by role."""
        ...

    def principal(self) -> Principal:
        """Who our own token says we are; its signature is for the service to check."""
        ...

    def resource(self, path: str, api_version: str) -> Facts:
        """GET any resource as flat facts (for the readiness check)."""
        ...

    def swap(self, ref: SlotRef, target: str) -> str:
        """Start swapping `ref`'s slot with `target`; return the Location to look at."""
        ...

    def set_ramp_rules(self, ref: SlotRef, rules: tuple[RampRule, ...]) -> None: ...
    def set_auto_swap(self, ref: SlotRef, target: str) -> None: ...
    def set_image(self, ref: SlotRef, image: str) -> None: ...
    def start(self, ref: SlotRef) -> None: ...
    def stop(self, ref: SlotRef) -> None: ...


@dataclass(frozen=True, slots=True)
class Page:
    """One page of documents as the service sent it: raw bytes, byte for byte.

    lines: the documents as they came, each with a newline; bytes, so that nobody can change what
    the service said. count: how many. charge_hundredths:
    request units times 100. place: the continuation that gives this very page again.
    continuation: the one that gives the next. elsewhere: a further region gave it, to which the
    newest documents may not have been copied yet.
    """

    lines: bytes
    count: int
    continuation: str
    charge_hundredths: int
    place: str = ""
    elsewhere: bool = False

    @property
    def items(self) -> tuple[bytes, ...]:
        """The documents one by one."""
        return tuple(self.lines.split(b"\n")[:-1])


@dataclass(frozen=True, slots=True)
class Counted:
    """How many documents a window holds, what asking cost, and who said so; see `Page`.

    at: when it was answered, by the account's clock in whole seconds; None where it did not say.
    """

    items: int
    charge_hundredths: int
    elsewhere: bool = False
    at: datetime | None = None


class CosmosPort(Protocol):
    """Cosmos, read-only by type: there is no method that writes."""

    def parts(self, container: str) -> tuple[str, ...]:
        """The ranges a container can be read by, at the same time and each on its own."""
        ...

    def pages(
        self,
        container: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        continuation: str = "",
        part: str = "",
        page_items: int = 1000,
    ) -> Iterator[Page]:
        """Documents of a container, or of one part, in a time window (by ``_ts``), by page."""
        ...

    def count(
        self,
        container: str,
        since: datetime | None = None,
        until: datetime | None = None,
        part: str = "",
    ) -> Counted:
        """How many documents a window holds now."""
        ...

    def problem(self) -> str:
        """Empty where the account answers; otherwise why not. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it is stored.

    age_s: since it was written, by the store's own clock; None where the store does not say.
    """

    body: bytes
    etag: str
    age_s: int | None = None


class ObjectPort(Protocol):
    """A store that machines share. Writes create only, or name the etag that they replace."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """(body, etag), or None where there is no such key."""
        ...

    def stored(self, key: str) -> StoredObject | None:
        """Like `get`, with the object's age."""
        ...

    def keys(self, prefix: str, most: int = 100_000) -> tuple[str, ...]:
        """Keys under a prefix, in order; where there are more than `most`, about so many."""
        ...

    def create(self, effect: HttpWrite, key: str, body: bytes) -> str:
        """Create; returns the etag. Raises ConnectorError status 412 where it exists."""
        ...

    def replace(self, effect: HttpWrite, key: str, body: bytes, etag: str) -> str:
        """Replace exactly what was read. Raises ConnectorError status 412 where it changed."""
        ...


class S3Port(ObjectPort, Protocol):
    """A bucket."""


class BlobPort(ObjectPort, Protocol):
    """A container of Azure Blob storage."""


class Clients(Protocol):
    """All an action gets. Guarded, for one scope, closed after one step."""

    @property
    def scope(self) -> Scope: ...

    def http(self, host: str) -> HttpPort: ...
    def arm(self) -> ArmPort: ...
    def cosmos(self) -> CosmosPort: ...
    def s3(self) -> S3Port: ...
    def blobs(self) -> BlobPort: ...

    def objects(self) -> ObjectPort:
        """The evidence store that machines share, whichever kind it is."""
        ...

    def evidence(self) -> EvidenceSink: ...

    def keep(self, effect: FileWrite, name: str, data: bytes) -> None:
        """Create one file that the plan permits. Raises ConnectorError, 412 where it exists."""
        ...

    def secret(self, secret: Secret) -> str:
        """A credential for a header. Never put it into a value that is kept."""
        ...

    def now(self) -> datetime: ...
    def nonce(self) -> str: ...

    def field_key(self) -> bytes:
        """The key of digests in place of redacted fields: one a run. Empty where there is no run.

        It never enters evidence: who has it can try what a short value was.
        """
        ...

    def together(self, reads: Sequence[Callable[[], T]]) -> tuple[T, ...]:
        """Independent reads side by side, a bounded number at once; the answers in this order.

        After one that failed no further one begins. Raises the first failure in the order asked.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Wait on the run's clock (jitter between samples); bounded by the step's duration."""
        ...
