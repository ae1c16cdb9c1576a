"""What a client may do: its scope, the guarded hosts around it, and the guard's verdicts."""

from enum import StrEnum

from rollback.model.base import Frozen, Sha256
from rollback.model.effect import Effect


class Phase(StrEnum):
    """observe: reads only. apply: reads, and the permissions of one change."""

    OBSERVE = "observe"
    APPLY = "apply"


class Scope(Frozen):
    """Guarded clients are built for exactly one scope and live for one step.

    attempt counts tries of the step in this run; `request_prefix` starts every x-request-id.
    """

    run: str
    step: str
    attempt: int = 1
    phase: Phase
    permissions: tuple[Effect, ...] = ()

    @property
    def request_prefix(self) -> str:
        """``<run>.<step>.<try>``: the primary correlation key (row T1)."""
        return f"{self.run}.{self.step.replace('/', '-')}.{self.attempt}"


class HostKind(StrEnum):
    """What lives at a host decides what counts as a read there."""

    COSMOS = "cosmos"
    ARM = "resource-manager"
    BACKEND = "backend"
    WEB = "web"
    PLATFORM = "platform-service"
    IDENTITY = "identity"
    STORE = "store"
    CHANNEL = "channel"
    PIPELINE = "pipeline"


class GuardedHost(Frozen):
    """One host of the environment. host: lower case, with ``:port`` where it is not 443.

    reads: POST paths that the environment file declares as reads; at a channel, the paths that list
    what was posted. control_paths: path prefixes of
    the control API; a write there is a control-plane rewrite and gets that reason.
    """

    host: str
    kind: HostKind
    reads: tuple[str, ...] = ()
    control_paths: tuple[str, ...] = ()


class CredentialExchange(Frozen):
    """The one place, path and grants where tokens are asked for.

    role: at STS, the one role that is asked for.
    """

    host: str
    path: str
    grants: tuple[str, ...]
    role: str = ""


class Perimeter(Frozen):
    """Every host a client may speak to, and how. A host that is not here is refused.

    subscription: Resource Manager writes and reads stay inside it.
    cosmos_regions: advertised regional hosts start with the account's name and are taken as Cosmos.
    """

    hosts: tuple[GuardedHost, ...]
    exchanges: tuple[CredentialExchange, ...] = ()
    subscription: str = ""

    def find(self, host: str) -> GuardedHost | None:
        """The guarded host of that name."""
        for guarded in self.hosts:
            if guarded.host == host:
                return guarded
        return None


class VerdictKind(StrEnum):
    """Three answers; there is no fourth, and no default but DENY."""

    ALLOW = "allow"
    DENY = "deny"
    EXCHANGE = "credential-exchange"


class GuardVerdict(Frozen):
    """The guard's decision over one request, with reasons.

    rule: the rule that decided. promise: cited when it denies. effect: the permission a write would
    spend, None for reads and exchanges.
    """

    kind: VerdictKind
    rule: str
    reasons: tuple[str, ...]
    promise: str = ""
    effect: str | None = None


class Shape(Frozen):
    """A request as the journal may hold it: never a header value, a body or a query value."""

    method: str
    host: str
    path: str
    query_names: tuple[str, ...] = ()
    content_type: str = ""
    body_bytes: int = 0
    body_sha256: Sha256 | None = None
    request_id: str = ""
