"""The protocols between the core and the world. Frozen early: all later work stands on them.

A port's implementation raises only errors of `rollback.errors`, chained from whatever was foreign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

from rollback.model.base import Facts
from rollback.model.change import Change, Finding, Update
from rollback.model.effect import HttpWrite
from rollback.model.environment import Environment, Secret
from rollback.model.observation import Observation, Prediction, World
from rollback.model.plan import Exposure, PlannedStep, Summary
from rollback.model.record import Outcome, Record, RecordKind
from rollback.model.scope import GuardVerdict, Scope, Shape
from rollback.model.steps import StepSpec
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


# --- time, chance, threads -------------------------------------------------------------------


class Clock(Protocol):
    """Wall time, monotonic time, and waiting. Nothing else in the core knows what time it is."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; comparable within one process only."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait. A virtual clock advances instead."""
        ...


class Randomness(Protocol):
    """Nonces and jitter."""

    def hex(self, n_bytes: int) -> str:
        """`n_bytes` of randomness as lower-case hex."""
        ...

    def fraction(self) -> float:
        """A number in [0, 1), for jitter only."""
        ...


class Pool(Protocol):
    """A bounded pool that acts while one thread decides."""

    def submit(self, act: Callable[[], T]) -> Future[T]:
        """Run `act` on a worker."""
        ...

    def wait_any(self, futures: Sequence[Future[T]]) -> None:
        """Return when at least one is done."""
        ...

    def close(self) -> None:
        """Finish what runs; take no more."""
        ...


class SecretSource(Protocol):
    """Resolves secret references late, and knows every value it ever gave out (for redaction)."""

    def get(self, secret: Secret) -> str:
        """The value. Raises InputError naming the variable where it is not set."""
        ...

    def redact(self, text: str) -> str:
        """The text with every secret value, in raw, URL, JSON and base64 form, blotted out."""
        ...


# --- journal, permissions, lease -------------------------------------------------------------


class Journal(Protocol):
    """The append-only, hash-chained file of one run. Safe to use from several threads."""

    def append(self, stream: str, kind: RecordKind, body: Facts, *, durable: bool) -> Record:
        """Append one record. durable: fsynced before this returns. Raises JournalBroken."""
        ...

    def records(self) -> tuple[Record, ...]:
        """All records so far, in the order of the file."""
        ...


class PermissionLedger(Protocol):
    """Permissions of the plan being applied. Spending writes the intent, durably, first."""

    def left(self, effect_id: str) -> int:
        """How many sends are left."""
        ...

    def spend(self, effect_id: str, shape: Shape) -> int:
        """Spend one; return the attempt number. Raises GuardRefusal when none is left.

        Returns only after the intent is durable. Raises JournalBroken when it cannot be, except
        for moves toward safety, whose intent then goes to standard error.
        """
        ...


class RefusalLatch(Protocol):
    """Set by the guard before it raises, because SDKs swallow exceptions."""

    def refuse(self, verdict: GuardVerdict, shape: Shape) -> None:
        """Latch and journal the refusal."""
        ...

    def tripped(self) -> GuardVerdict | None:
        """The first refusal of this run, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back, for the journal. echoed: None where no echo is expected."""

    request_id: str
    method: str
    host: str
    path: str
    status: int | None
    echoed: bool | None
    provider_id: str = ""
    elapsed_ms: int = 0
    problem: str = ""


class ExchangeLog(Protocol):
    """Hears of every exchange."""

    def seen(self, scope: Scope, exchange: Exchange) -> None:
        """Record one exchange; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """A held lease. strength: ``this-machine`` or ``shared``. deadline: on our monotonic clock."""

    scopes: tuple[str, ...]
    holder: str
    fence: int
    strength: str
    deadline: float
    took_over: str = ""


class Lease(Protocol):
    """A time-limited exclusive right to change what a plan changes."""

    def acquire(self, scopes: tuple[str, ...], holder: str, doing: str) -> LeaseGrant:
        """Take all scopes in sorted order, or none. Raises LeaseHeld with holder, step, age."""
        ...

    def renew(self, grant: LeaseGrant, doing: str) -> LeaseGrant:
        """Extend. Raises LeaseHeld when somebody else took it."""
        ...

    def release(self, grant: LeaseGrant) -> None:
        """Give it up; never raises for a lease already gone."""
        ...


# --- outside systems -------------------------------------------------------------------------


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

    def send(self, effect: HttpWrite, body: bytes, headers: tuple[tuple[str, str], ...]) -> Answer:
        """Send exactly one permitted write, once."""
        ...

    def socket(
        self, path: str, *, headers: tuple[tuple[str, str], ...] = (), timeout_s: float = 5.0
    ) -> SocketHello:
        """Open a web socket, read the first message, close."""
        ...


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
    def permissions(self, scope: str) -> tuple[tuple[str, str], ...]:
        """Effective permissions: (``action`` or ``not-action``, pattern) pairs."""
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


@dataclass(frozen=True, slots=True)
class Page:
    """One page of documents as the service sent it: raw bytes, byte for byte.

    items: the documents as raw JSON slices. charge_hundredths: request units times 100.
    """

    items: tuple[bytes, ...]
    continuation: str
    charge_hundredths: int


class CosmosPort(Protocol):
    """Cosmos, read-only by type: there is no method that writes."""

    def pages(
        self,
        container: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        continuation: str = "",
    ) -> Iterator[Page]:
        """Documents of a container in a time window (by ``_ts``), page by page."""
        ...

    def reachable(self) -> str:
        """Empty where the account answers; otherwise why not. Never raises."""
        ...


class S3Port(Protocol):
    """A bucket. Writes are create-only unless they name the etag they replace."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """(body, etag), or None where there is no such key."""
        ...

    def keys(self, prefix: str) -> tuple[str, ...]: ...

    def create(self, effect: HttpWrite, key: str, body: bytes) -> str:
        """Create; returns the etag. Raises ConnectorError status 412 where it exists."""
        ...

    def replace(self, effect: HttpWrite, key: str, body: bytes, etag: str) -> str:
        """Replace exactly what was read. Raises ConnectorError status 412 where it changed."""
        ...


class EvidenceSink(Protocol):
    """Where a capture puts its chunks: the store, or the local spool when the store fails."""

    def put(self, data: bytes) -> str:
        """Store one chunk under its SHA-256; a chunk already there is not sent again."""
        ...

    def spooled(self) -> bool:
        """True once the local spool had to stand in for the store."""
        ...

    def redact(self, text: str) -> str:
        """The text with every secret value given out so far blotted out, before it is named."""
        ...


class Clients(Protocol):
    """All an action gets. Guarded, for one scope, closed after one step."""

    @property
    def scope(self) -> Scope: ...

    def http(self, host: str) -> HttpPort: ...
    def arm(self) -> ArmPort: ...
    def cosmos(self) -> CosmosPort: ...
    def s3(self) -> S3Port: ...
    def evidence(self) -> EvidenceSink: ...

    def secret(self, secret: Secret) -> str:
        """A credential for a header. Never put it into a value that is kept."""
        ...

    def now(self) -> datetime: ...
    def nonce(self) -> str: ...

    def pause(self, seconds: float) -> None:
        """Wait on the run's clock (jitter between samples); bounded by the step's duration."""
        ...


# --- actions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepContext:
    """One step as an action sees it: its name, its specification, the environment.

    surface: the one surface of a per-surface step. created: when the plan was made. trigger and
    incident are those of the plan. evidence_path: absolute folder of the plan's local evidence.
    """

    name: str
    spec: StepSpec
    environment: Environment
    surface: str | None = None
    trigger: str | None = None
    incident: str | None = None
    created: datetime | None = None
    evidence_path: str = ""


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """What an action makes of the world: changes in order, and what a reviewer must see."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    summaries: tuple[Summary, ...] = ()
    duration_s_max: int = 60


@dataclass(frozen=True, slots=True)
class Look:
    """What looking told: outcome None means still pending. facts are recorded."""

    outcome: Outcome | None
    reason: str
    facts: Facts = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing verified from outside."""

    name: str
    holds: bool
    seen: str
    weight: str = "must"


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks of a step; it holds when every ``must`` check does. notes: for the journal."""

    checks: tuple[Check, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """True when no ``must`` check failed."""
        return all(check.holds for check in self.checks if check.weight == "must")


@dataclass(frozen=True, slots=True)
class Performed:
    """What an effect's answer said, to be kept for looking (an operation's location)."""

    facts: Facts = ()


@runtime_checkable
class Action(Protocol):
    """A kind of step. Stateless; one value serves all steps. See docs/adr for why `look` exists."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> type[StepSpec]: ...

    def observe(self, step: StepContext, clients: Clients) -> tuple[Observation, ...]:
        """Read the step's resources. What cannot be read is a gap, not an exception."""
        ...

    def plan(self, step: StepContext, world: World) -> ActionPlan:
        """Pure: the changes that make the world what the step wants."""
        ...

    def predict(self, step: StepContext, change: Update) -> tuple[Prediction, ...]:
        """Pure: the compared facts the change gives, once applied."""
        ...

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Send the change's effects, once. Raises; the caller resolves by looking."""
        ...

    def look(
        self, step: StepContext, change: Update, clients: Clients, performed: Facts
    ) -> Look:
        """Whether the change was applied, by reading: after perform, after a crash, on resume."""
        ...

    def verify(self, step: StepContext, planned: PlannedStep, clients: Clients) -> Verification:
        """Whether the step's promise is true, by reading from outside."""
        ...


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The actions a planner and an executor know, by name. Passed, never global."""

    actions: tuple[Action, ...] = field(default=())

    def find(self, name: str) -> Action | None:
        """The action of that name."""
        return next((action for action in self.actions if action.name == name), None)

    def with_actions(self, *more: Action) -> Catalogue:
        """A larger catalogue; a name that is taken raises ValueError."""
        for action in more:
            if self.find(action.name) is not None:
                msg = f"an action named {action.name} exists"
                raise ValueError(msg)
        return Catalogue(actions=(*self.actions, *more))
