"""The simulated world as one document: what is deployed, stored, granted and timed.

A world is plain data. It is written before the simulator starts (`stories.default_world` and its
variants), read back at any time through the control API, and changed inside the simulator only
by the functions of `transitions` and of the host modules.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rollback.rehearsal.simulator.names import PRODUCTION

AuthorityBehaviour = Literal[
    "ok", "denies", "missing", "yes-to-everyone", "stale-nonce", "store-unreachable", "silent"
]
"""How the halt-authority endpoint of a build or an instance answers.

``denies``: canHalt is false in every scope; ``missing``: 404; ``yes-to-everyone``: canHalt is true
whatever the token; ``stale-nonce``: the nonce of an earlier question; ``store-unreachable``: the
control store cannot be read; ``silent``: the connection is dropped.
"""

CanaryPlace = Literal["settings", "errors", "tokens"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Build(_Part):
    """A release in the catalogue and how it behaves when it runs."""

    id: str
    artifacts: dict[str, str]
    """Site name -> image digest, ``sha256:...``."""
    health_status: int = 200
    """What the build answers on its release and warm-up paths."""
    failing_paths: tuple[str, ...] = ()
    """Path prefixes that answer 500 on every `fails_every`-th request."""
    fails_every: int = 3
    authority: AuthorityBehaviour = "ok"
    control_min: int = 3
    control_max: int = 5
    rewrites_control_at_start: bool = False
    trading_loop: Literal["none", "leader-lease", "active"] = "leader-lease"

    def image(self, site: str) -> str:
        """Return the container image reference of this build for a site, pinned by digest."""
        return f"trading.azurecr.io/{site}@{self.artifacts[site]}"

    def chunks(self) -> tuple[str, ...]:
        """Return the names of the page's script chunks; no two builds share one."""
        mark = hashlib.sha256(self.id.encode()).hexdigest()
        return (f"app-{mark[:8]}.js", f"vendor-{mark[8:16]}.js", f"trade-{mark[16:24]}.js")


class Instance(_Part):
    """One worker of a slot. `build` is None where nothing could be started."""

    id: str
    build: str | None
    started_at: datetime
    pinned_build: str | None = None
    """Serves this build whatever is deployed (a worker that missed a deployment)."""
    authority: AuthorityBehaviour | None = None

    def serves(self) -> str | None:
        """Return the build that answers on this instance."""
        return self.pinned_build or self.build


class RampRule(_Part):
    """A routing rule of a production slot; `percent` is 0 to 100."""

    name: str
    host: str
    percent: float


class Deployment(_Part):
    """An entry of a slot's deployment history."""

    id: str
    build: str
    deployer: str
    received_at: datetime
    ended_at: datetime
    active: bool = True


class Slot(_Part):
    """A deployment slot; production is one."""

    name: str
    image: str
    state: Literal["Running", "Stopped"] = "Running"
    settings: dict[str, str] = Field(default_factory=dict)
    instances: list[Instance]
    ramp_rules: list[RampRule] = Field(default_factory=list)
    auto_swap: str | None = None
    target_swap_slot: str | None = None
    """Set while a swap with preview waits for its second phase."""
    deployments: list[Deployment] = Field(default_factory=list)
    deployment_id: str
    modified_at: datetime
    health_check_path: str | None = None


class SwapStatus(_Part):
    """The last successful swap, as the site resource shows it."""

    at: datetime
    source: str
    destination: str


class Operation(_Part):
    """A long-running operation on a site; one at a time."""

    id: str
    name: str
    site: str
    source: str
    target: str
    principal: str
    created_at: datetime
    correlation: str
    state: Literal["running", "succeeded", "failed"] = "running"
    error: str | None = None
    moved: int = 0
    """How many production instances already serve the source slot's build."""


class Site(_Part):
    """An App Service site with its slots."""

    name: str
    surface: Literal["backend", "web"]
    slots: dict[str, Slot]
    sticky: list[str] = Field(default_factory=list)
    swap_status: SwapStatus | None = None
    swaps: int = 0
    """Swaps that took effect since the simulator started."""
    operation: str | None = None
    """Identifier of the operation in progress."""
    client_affinity: bool = True
    pinned_until: dict[str, list[datetime]] = Field(default_factory=dict)
    """Slot name -> expiry of each routing cookie handed out for it."""


class Container(_Part):
    """A Cosmos container. `generated` documents are filled in when the simulator starts."""

    partition_key: str
    documents: list[dict[str, Any]] = Field(default_factory=list)
    generated: int = 0


class DocumentChange(_Part):
    """A write that reached the Cosmos account, and by whom."""

    seq: int
    at: datetime
    principal: str
    operation: str
    container: str
    id: str
    user_agent: str = ""
    client_request_id: str = ""


class Event(_Part):
    """Something that happened in the world without a request of the product."""

    seq: int
    at: datetime
    principal: str
    kind: str
    detail: dict[str, Any] = Field(default_factory=dict)


class Activity(_Part):
    """An entry of the subscription's activity log."""

    id: str
    at: datetime
    caller: str
    operation: str
    resource: str
    status: str
    correlation: str


class User(_Part):
    """A user of the platform-service."""

    id: str
    tenant: str
    password: str


class Grant(_Part):
    """A bearer token of the backend, and what its principal may do."""

    principal: str
    can_halt: bool


class PipelineRun(_Part):
    """A run of a deployment pipeline."""

    id: int
    file: str
    status: Literal["queued", "waiting", "in_progress", "completed"]
    conclusion: str | None = None
    environment: str = "production"
    build: str = ""
    created_at: datetime


class Timings(_Part):
    """How long things take, in seconds."""

    swap_s: float = 1.0
    start_s: float = 0.3
    retry_after_s: int = 1
    pin_s: float = 3600.0
    token_s: int = 3600


class World(_Part):
    """Everything the simulator knows. Times are UTC."""

    at: datetime
    """When the story was written."""
    sites: dict[str, Site]
    builds: dict[str, Build]
    containers: dict[str, Container]
    changes: list[DocumentChange] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    activity: list[Activity] = Field(default_factory=list)
    operations: dict[str, Operation] = Field(default_factory=dict)
    flags: dict[str, dict[str, Any]] = Field(default_factory=dict)
    orders: list[dict[str, Any]] = Field(default_factory=list)
    users: list[User] = Field(default_factory=list)
    grants: dict[str, Grant] = Field(default_factory=dict)
    clients: dict[str, str] = Field(default_factory=dict)
    """Entra client id -> secret."""
    permissions: list[str] = Field(default_factory=list)
    more_roles: list[tuple[list[str], list[str]]] = Field(default_factory=list)
    """Further roles of the product's principal: (actions, notActions)."""
    keys_may_change_metadata: bool = False
    cosmos_roles: dict[str, str] = Field(default_factory=dict)
    """Principal -> number of the built-in Cosmos role it has: 1 reads, 2 writes."""
    cosmos_roles_page: int = 100
    """How many of them are listed on the one page that is answered."""
    account_takes_keys: bool = True
    claims: dict[str, Any] = Field(default_factory=dict)
    """What tokens say of the product's principal beside the usual claims, or instead of them."""
    pipelines: dict[str, str] = Field(default_factory=dict)
    """Pipeline file -> ``active`` or ``disabled_manually``."""
    runs: list[PipelineRun] = Field(default_factory=list)
    incidents: list[dict[str, Any]] = Field(default_factory=list)
    """What webhooks took, as it came."""
    comments: dict[str, list[str]] = Field(default_factory=dict)
    """Issue -> the bodies of its comments, oldest first."""
    policy_version: str = "p7"
    cosmos_query_plans: bool = True
    """Answer a cross-partition ORDER BY as the service does: 400/1004, then a query plan."""
    timings: Timings = Field(default_factory=Timings)
    canary: str | None = None
    """A planted secret; `canary_places` says where it appears."""
    canary_places: tuple[CanaryPlace, ...] = ()

    def build_of_image(self, site: str, image: str) -> Build | None:
        """Return the catalogued build of an image reference, or None."""
        for build in self.builds.values():
            if build.artifacts.get(site) == image.rpartition("@")[2]:
                return build
        return None

    def build_in(self, site: str, slot: str = PRODUCTION) -> str | None:
        """Return the build deployed in a slot, or None where its image is unknown."""
        found = self.build_of_image(site, self.sites[site].slots[slot].image)
        return found.id if found else None

    def document(self, container: str, document_id: str) -> dict[str, Any] | None:
        """Return a document by its id, or None."""
        for document in self.containers[container].documents:
            if document.get("id") == document_id:
                return document
        return None
